using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Policies;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.Transcript;
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

    [Fact]
    public async Task A_refused_offer_under_the_id_of_another_job_leaves_that_job_as_it_is()
    {
        using TemporaryPlace place = new();
        PartyConfig config = PartyConfig.Parse("party.yaml", PartyConfigTests.Text, place.Folder);
        using Identity own = Identity.Create();
        Directory.CreateDirectory(config.DataDirectory);
        using CheckpointSigner checkpoints = CheckpointSigner.LoadOrCreate(Path.Combine(config.DataDirectory, "checkpoint.key"), own);
        await using SqlitePartyStore store = SqlitePartyStore.Open(
            Path.Combine(config.DataDirectory, "party.db"), SecretsKey.LoadOrCreate(Path.Combine(config.DataDirectory, "secrets.key")));
        SignedJob job = Job(own, "the job");
        string id = job.Specification.Job;
        await store.AddJobAsync(
            new PartyJob { Job = id, Attempt = 1, Role = Role.LabelParty, SignedSpec = job.Message.ToByteArray(), State = JobState.Running, ReceivedUnixMs = 1 }, default);
        string report = Path.Combine(config.DataDirectory, "jobs", id, "report.json");
        Directory.CreateDirectory(Path.GetDirectoryName(report)!);
        await File.WriteAllTextAsync(report, "kept");
        SignedJob other = Job(own, "another");
        string? conflict = Offers.ConflictOf(await store.FindJobAsync(id, default), new OfferEvent(other.Message, 1));
        Assert.Equal("another spec or attempt was offered under this job id before", conflict);
        Assert.Null(Offers.ConflictOf(await store.FindJobAsync(id, default), new OfferEvent(job.Message, 1)));
        Assert.NotNull(Offers.ConflictOf(await store.FindJobAsync(id, default), new OfferEvent(job.Message, 2)));

        RelayOptions relay = new() { Coordinator = config.Coordinator, CoordinatorFingerprints = config.CoordinatorFingerprints, Party = "bank" };
        NodeLog log = new(TextWriter.Null, TimeProvider.System);
        using NodeKeys keys = new(new NodeKey(TestTls.CredentialOf(own), checkpoints));
        JobWorker worker = new(
            config, keys, store, store, new RelayClient(relay, keys), new ProgressWriter(TextWriter.Null), log, TimeProvider.System);
        using JobEntry entry = new(other, 1, isResumed: false) { Facts = new PartyFacts(0, conflict) };
        await worker.RefuseAsync(entry, JobFault.Make(ErrorCode.Refused, "bank", "", "policy rule 'one-spec-per-job'"));

        Assert.Equal(JobState.Running, (await store.FindJobAsync(id, default))!.State);
        Assert.Equal("kept", await File.ReadAllTextAsync(report));
        Assert.Equal([report], Directory.GetFiles(Path.GetDirectoryName(report)!));
    }

    private static SignedJob Job(Identity submitter, string title) => SignedJob.Create(
        JobSpecification.FromMessage(new JobSpec
        {
            Version = 1,
            Job = new string('5', 32),
            Kind = JobKind.Train,
            LabelParty = new PartyRef { Name = "bank", Fingerprint = ByteString.CopyFrom(new byte[32]) },
            FeatureParty = new PartyRef { Name = "retailer", Fingerprint = ByteString.CopyFrom([.. Enumerable.Repeat((byte)1, 32)]) },
            Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
            Train = new TrainSpec { Family = Family.Logistic, L2 = 1e-3, MaxIterations = 20 },
            DeadlineSeconds = 60,
            Payloads = Payloads.Full,
            Title = title,
        }),
        submitter);

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
