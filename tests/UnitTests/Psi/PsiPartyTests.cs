using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.DiffieHellman;
using VertFed.Psi.Ids;
using Xunit;

namespace VertFed.UnitTests.Psi;

public sealed class PsiPartyTests
{
    [Fact]
    public void The_alignment_is_the_plain_intersection_in_one_order() =>
        Prop.ForAll(Sets, Sets, (left, right) =>
        {
            (Alignment a, Alignment b) = Task.Run(() => Align(left, right, new PairedChannels())).GetAwaiter().GetResult();
            string[] fromLeft = [.. a.Rows.Select(row => left[row])];
            string[] fromRight = [.. b.Rows.Select(row => right[row])];
            return fromLeft.SequenceEqual(fromRight)
                && fromLeft.ToHashSet(StringComparer.Ordinal).SetEquals(left.Intersect(right, StringComparer.Ordinal))
                && fromLeft.Length == fromLeft.Distinct(StringComparer.Ordinal).Count()
                && a.Digest.SequenceEqual(b.Digest)
                && (a.OwnCount, a.PeerCount, b.OwnCount, b.PeerCount) == (left.Length, right.Length, right.Length, left.Length);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(40));

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 5)]
    [InlineData(1, 300)]
    public async Task Sizes_may_differ_and_be_zero(int left, int right)
    {
        string[] a = Numbered("a", left);
        string[] b = Numbered("b", right);
        (Alignment one, Alignment two) = await Align(a, b, new PairedChannels());
        Assert.Empty(one.Rows);
        Assert.Empty(two.Rows);
        Assert.Equal(right, one.PeerCount);
        Assert.Equal(left, two.PeerCount);
        Assert.Equal(SHA256.HashData([]), one.Digest);
    }

    [Fact]
    public async Task All_ids_in_common()
    {
        string[] ids = Numbered("id", 700);
        string[] shuffled = [.. ids.Reverse()];
        (Alignment one, Alignment two) = await Align(ids, shuffled, new PairedChannels());
        Assert.Equal(700, one.Rows.Length);
        Assert.Equal(one.Rows.Select(row => ids[row]), two.Rows.Select(row => shuffled[row]));
        // The joint order comes from hashes: it is neither party's own.
        Assert.NotEqual(Enumerable.Range(0, 700), one.Rows);
        Assert.NotEqual(Enumerable.Range(0, 700), two.Rows);
    }

    [Fact]
    public async Task One_thread_and_many_send_the_same_bytes()
    {
        string[] a = Numbered("id", 3000);
        string[] b = [.. a.Skip(1000), .. Numbered("other", 500)];
        PairedChannels single = new();
        PairedChannels many = new();
        await Align(a, b, single, threads: 1);
        await Align(a, b, many, threads: 8);
        Assert.Equal(Transcript(single.Label), Transcript(many.Label));
        Assert.Equal(Transcript(single.Feature), Transcript(many.Feature));
    }

    [Fact]
    public async Task Bytes_are_pinned()
    {
        PairedChannels channels = new(seed: 7);
        await Align(Numbered("id", 100), Numbered("id", 60), channels);
        Assert.Equal("5ab39273eb6fbc6560540437538e5108a516a705bcc903c2a3c04735f398dc81", Transcript(channels.Label));
        Assert.Equal("f4b4890836c1739e40feaba521b5ae0d2a678393d5ea1743009429d1fee801ae", Transcript(channels.Feature));
    }

    [Fact]
    public async Task Other_secrets_give_other_elements_and_another_order()
    {
        string[] ids = Numbered("id", 50);
        PairedChannels first = new(seed: 1);
        PairedChannels second = new(seed: 2);
        (Alignment one, _) = await Align(ids, ids, first);
        (Alignment two, _) = await Align(ids, ids, second);
        Assert.NotEqual(one.Rows, two.Rows);
        Assert.NotEqual(one.Digest, two.Digest);
        Assert.NotEqual(Transcript(first.Label), Transcript(second.Label));
    }

    [Fact]
    public async Task Own_ids_that_are_empty_or_twice_there_are_refused_before_anything_is_sent()
    {
        string[][] bad = [["a", ""], ["a", "b", "a"], [new string('x', Limits.MaxIdBytes + 1)], ["\ud800"]];
        foreach (string[] ids in bad)
        {
            PairedChannels channels = new();
            VertFedException error = await Assert.ThrowsAsync<VertFedException>(
                () => new PsiParty(channels.Label).AlignAsync(ids, progress: null, CancellationToken.None));
            Assert.Equal(ErrorCode.BadInput, error.Code);
            Assert.Empty(channels.Label.Log);
            Assert.DoesNotContain("xxx", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Cancellation_stops_a_party_that_waits()
    {
        using CancellationTokenSource source = new();
        PairedChannels channels = new();
        Task<Alignment> waiting = new PsiParty(channels.Label).AlignAsync(["a"], progress: null, source.Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task Progress_ends_at_the_totals()
    {
        PairedChannels channels = new();
        List<AlignmentProgress> reports = [];
        Task<Alignment> own = new PsiParty(channels.Label).AlignAsync(Numbered("id", 10), new Recorder(reports), default);
        Task<Alignment> peer = new PsiParty(channels.Feature).AlignAsync(Numbered("id", 20), progress: null, default);
        await Task.WhenAll(own, peer);
        Assert.Equal(
            [
                new AlignmentProgress(Step.BlindedIds, 10, 10),
                new AlignmentProgress(Step.EvaluatedIds, 20, 20),
                new AlignmentProgress(Step.AlignmentDigest, 10, 10),
            ],
            reports);
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task Lists_of_several_parts()
    {
        int size = PsiParty.PartElements + 3;
        string[] a = Numbered("id", size);
        string[] b = [.. a[^10..], .. a[..5], "elsewhere"];
        PairedChannels channels = new();
        (Alignment one, Alignment two) = await Align(a, b, channels);
        Assert.Equal(15, one.Rows.Length);
        Assert.Equal(one.Rows.Select(row => a[row]), two.Rows.Select(row => b[row]));
        Assert.Equal(2, channels.Label.Log.Count(sent => sent.Step == Step.BlindedIds));
        Assert.Equal(2, channels.Feature.Log.Count(sent => sent.Step == Step.EvaluatedIds));
    }

    [SkippableTheory]
    [InlineData("german_credit")]
    [InlineData("motor")]
    public Task Real_ids_align_as_the_baseline_says(string name) => AlignDataSet(name);

    [SkippableFact]
    [Trait("Speed", "slow")]
    public Task Many_real_ids_align_as_the_baseline_says() => AlignDataSet("default_credit");

    internal static async Task<(Alignment Label, Alignment Feature)> Align(
        string[] label,
        string[] feature,
        PairedChannels channels,
        int threads = -1)
    {
        Task<Alignment> one = Task.Run(() => new PsiParty(channels.Label, threads).AlignAsync(label, progress: null, default));
        Task<Alignment> two = Task.Run(() => new PsiParty(channels.Feature, threads).AlignAsync(feature, progress: null, default));
        await Task.WhenAll(one, two);
        return (await one, await two);
    }

    internal static string[] Numbered(string prefix, int count) => [.. Enumerable.Range(0, count).Select(i => $"{prefix}{i}")];

    private static Arbitrary<string[]> Sets =>
        Gen.Choose(0, 40).Select(i => $"id{i}").ArrayOf().Select(ids => ids.Distinct(StringComparer.Ordinal).ToArray()).ToArbitrary();

    private static string Transcript(PairedChannels.End end)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (PairedChannels.Sent sent in end.Log)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{sent.Step}|{sent.Round}|{sent.Payload.Length}|"));
            hash.AppendData(sent.Payload);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static async Task AlignDataSet(string name)
    {
        string folder = Path.Combine(DataFolder(), name);
        Skip.IfNot(Directory.Exists(folder), $"No folder {name} in VERTFED_DATA or ../shared/data: real ids were not aligned.");
        AlignSpec spec = new() { Duplicates = DuplicateIds.Refuse };
        IdList bank = IdList.Create([IdColumn(Path.Combine(folder, "bank.csv"))], spec);
        IdList retailer = IdList.Create([IdColumn(Path.Combine(folder, "retailer.csv"))], spec);
        (Alignment a, Alignment b) = await Align([.. bank.Ids], [.. retailer.Ids], new PairedChannels());

        using JsonDocument baseline = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "baseline.json")));
        JsonElement rows = baseline.RootElement.GetProperty("rows");
        string[] common = [.. a.Rows.Select(row => bank.Ids[row])];
        Assert.Equal(common, b.Rows.Select(row => retailer.Ids[row]));
        Assert.Equal(rows.GetProperty("intersection").GetInt32(), common.Length);
        HoldoutRule holdout = new(0.2);
        Assert.Equal(rows.GetProperty("test").GetInt32(), common.Count(holdout.IsTest));

        Array.Sort(common, StringComparer.Ordinal);
        string sha = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', common))));
        Assert.Equal(baseline.RootElement.GetProperty("intersection_sha256").GetString(), sha);
    }

    private static string[] IdColumn(string file) =>
        [.. File.ReadLines(file).Skip(1).Where(line => line.Length > 0).Select(line => line[..line.IndexOf(',', StringComparison.Ordinal)])];

    private static string DataFolder()
    {
        string? named = Environment.GetEnvironmentVariable("VERTFED_DATA");
        if (!string.IsNullOrEmpty(named))
        {
            return named;
        }

        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "VertFed.sln")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder?.FullName ?? ".", "..", "shared", "data");
    }

    private sealed class Recorder(List<AlignmentProgress> reports) : IProgress<AlignmentProgress>
    {
        public void Report(AlignmentProgress value) => reports.Add(value);
    }
}
