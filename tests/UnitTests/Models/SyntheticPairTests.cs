using System.Security.Cryptography;
using System.Text;
using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class SyntheticPairTests
{
    [Fact]
    public void The_same_seed_gives_the_same_bytes_and_another_gives_others()
    {
        SyntheticPairOptions options = new(5000, 7, 3, 0.5, 1);
        Assert.Equal(Write(options), Write(options));
        Assert.NotEqual(Write(options).Bank, Write(options with { Seed = 2 }).Bank);
    }

    // The committed baseline of a generated pair rests on these bytes.
    [Fact]
    public void Bytes_are_pinned()
    {
        (string bank, string retailer) = Write(new SyntheticPairOptions(6000, 6, 5, 0.7, 2026));
        Assert.Equal(PinnedHash, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(bank + retailer))));
    }

    private const string PinnedHash = "6f14bf8a7b1aaee1bddf15bb6ad861f77b5c883e9d046769a02249cd7bcfbece";

    [Theory]
    [InlineData(1, 1.0, 1)]
    [InlineData(1000, 0.0, 0)]
    [InlineData(1000, 0.25, 250)]
    [InlineData(1000, 1.0, 1000)]
    public void Ids_are_distinct_and_overlap_as_asked(int rows, double overlap, int shared)
    {
        (string bank, string retailer) = Write(new SyntheticPairOptions(rows, 2, 2, overlap, 3));
        string[] bankIds = Ids(bank);
        string[] retailerIds = Ids(retailer);
        Assert.Equal(rows, bankIds.Distinct().Count());
        Assert.Equal(rows, retailerIds.Distinct().Count());
        Assert.Equal(shared, bankIds.Intersect(retailerIds).Count());
    }

    [Fact]
    public void About_a_fifth_of_the_labels_are_events_and_every_row_has_every_column()
    {
        string[] lines = Write(new SyntheticPairOptions(20_000, 8, 8, 0.6, 4)).Bank.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("id,y,b1,b2,b3,b4,b5,b6,b7,b8", lines[0]);
        Assert.All(lines, line => Assert.Equal(10, line.Split(',').Length));
        Assert.InRange(lines.Skip(1).Count(line => line.Split(',')[1] == "1") / 20_000.0, 0.18, 0.22);
    }

    [Theory]
    [InlineData(0, 1, 1, 0.5)]
    [InlineData(10, 0, 1, 0.5)]
    [InlineData(10, 1, 5000, 0.5)]
    [InlineData(10, 1, 1, 1.5)]
    [InlineData(10, 1, 1, double.NaN)]
    public void Options_out_of_range_are_refused(long rows, int bank, int retailer, double overlap) =>
        Assert.Throws<ModelException>(() => Write(new SyntheticPairOptions(rows, bank, retailer, overlap, 1)));

    [Fact]
    public void Cancellation_stops_it()
    {
        using CancellationTokenSource source = new();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(
            () => SyntheticPair.Write(new SyntheticPairOptions(10, 1, 1, 1, 1), System.IO.Stream.Null, System.IO.Stream.Null, source.Token));
    }

    private static string[] Ids(string text) =>
        [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(line => line.Split(',')[0])];

    private static (string Bank, string Retailer) Write(SyntheticPairOptions options)
    {
        using MemoryStream bank = new();
        using MemoryStream retailer = new();
        SyntheticPair.Write(options, bank, retailer);
        return (Encoding.UTF8.GetString(bank.ToArray()), Encoding.UTF8.GetString(retailer.ToArray()));
    }
}
