using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>A refused job leaves no id and no value of a row: not in the parties' folders, nor the coordinator's, nor on the way, nor in a log.</summary>
public sealed class RefusalTraceTests
{
    [Fact]
    public async Task A_refusal_on_the_offer_comes_before_the_file_is_opened()
    {
        // There is no file at all: a rule that needs none still has the last word.
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        RunningNode bank = fixture.StartNode(Role.LabelParty, "  allow_disclosure_risk: true\n  purposes: [credit-risk]");
        fixture.StartNode(Role.FeatureParty, "  allow_disclosure_risk: true\n  purposes: [credit-risk]");

        JobStatus status = await fixture.EndOfAsync(await fixture.SubmitAsync());

        Assert.Equal("policy rule 'purpose': purpose is not stated; it is not among those that the policy allows: credit-risk", status.Error.Message);
        Assert.DoesNotContain("loaded", bank.Log, StringComparison.Ordinal);
    }

    public static TheoryData<string, string, string> Moments => new()
    {
        { "offer", "max_iterations: 10", "policy rule 'max-iterations'" },
        { "input", "features: [other]", "policy rule 'features': 2 of 2 columns are not among those" },
        { "aligned", "minimum_intersection: 151", "minimum-intersection': 150 where at least 151" },
    };

    [Theory]
    [MemberData(nameof(Moments))]
    public async Task A_refused_job_leaves_no_trace_of_data(string moment, string policy, string message)
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode[] nodes =
        [
            fixture.StartNode(Role.LabelParty, "  allow_disclosure_risk: true"),
            fixture.StartNode(Role.FeatureParty, $"  allow_disclosure_risk: true\n  {policy}"),
        ];
        string job = await fixture.SubmitAsync();
        JobStatus status = await fixture.EndOfAsync(job);
        Assert.Equal(JobState.Refused, status.State);
        Assert.Contains(message, status.Error.Message, StringComparison.Ordinal);
        await nodes[0].WaitForAsync(moment == "aligned" ? "job_end" : "ready");
        foreach (RunningNode node in nodes)
        {
            await node.StopAsync();
        }

        await fixture.StopCoordinatorAsync();

        byte[][] needles = [.. Needles(fixture.Folder)];
        string[] files = [.. Directory.EnumerateFiles(fixture.Folder, "*", SearchOption.AllDirectories)];

        // The search can fail: the data files are full of what it looks for.
        Assert.All(files.Where(file => file.EndsWith(".csv", StringComparison.Ordinal)), file => Assert.True(Finds(file, needles), file));
        Assert.All(files.Where(file => !file.EndsWith(".csv", StringComparison.Ordinal)), file => Assert.False(Finds(file, needles), $"{moment}: {file}"));
        Assert.Contains(files, file => file.EndsWith(Path.Combine("retailer", "jobs", job, "preflight.json"), StringComparison.Ordinal));
        Assert.All(nodes, node => Assert.DoesNotContain("PLANTED", node.Log + node.Events, StringComparison.Ordinal));

        // After the alignment, what later jobs are compared with is kept of jobs that go on: keyed hashes, and of refused ones not even these.
        Assert.DoesNotContain(files, file => file.Contains(Path.Combine("retailer", "intersections"), StringComparison.Ordinal) && file.EndsWith(".rows", StringComparison.Ordinal));
    }

    /// <summary>Every id's common part, and the values of some rows as text and as the eight bytes of a number, both ways round.</summary>
    private static IEnumerable<byte[]> Needles(string folder)
    {
        yield return Encoding.UTF8.GetBytes("PLANTED");
        yield return Encoding.Unicode.GetBytes("PLANTED");
        foreach (string name in new[] { "bank.csv", "retailer.csv" })
        {
            foreach (string line in File.ReadLines(Path.Combine(folder, name)).Skip(1).Take(40))
            {
                string cell = line.Split(',')[^1];
                byte[] bytes = new byte[sizeof(double)];
                BinaryPrimitives.WriteDoubleBigEndian(bytes, double.Parse(cell, CultureInfo.InvariantCulture));
                yield return bytes;
                yield return [.. bytes.Reverse()];
                yield return Encoding.UTF8.GetBytes(cell);
            }
        }
    }

    private static bool Finds(string file, byte[][] needles)
    {
        byte[] content = File.ReadAllBytes(file);
        return needles.Any(needle => content.AsSpan().IndexOf(needle) >= 0);
    }
}
