using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Relay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>A coordinator that says more than the parties have agreed to. Its words are put to the node as its connection would bring them.</summary>
public sealed class HostileCoordinatorTests
{
    private const string NotResumed = "runs at the coordinator, but this node refused it";
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task A_job_that_the_policy_refused_does_not_run_whatever_the_coordinator_says()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, "  allow_disclosure_risk: false");
        fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync();
        await bank.StateOfAsync(job, JobState.Refused);

        await bank.Host.Relay.PublishAsync(new StartEvent(job, 1), None);
        await bank.Host.Relay.PublishAsync(new RegisteredEvent("hostile", [job]), None);
        await bank.LoggedAsync(NotResumed, times: 2);

        await RequireNothingLeftAsync(bank, job, JobState.Refused);
        Assert.DoesNotContain("loaded", bank.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_held_job_does_not_run_after_a_restart_until_the_operator_has_approved_it()
    {
        const string manual = "  allow_disclosure_risk: true\n  approval: manual";
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, manual);
        fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync(spec => spec.Train.MaxIterations = 2);
        await bank.WaitForAsync("held", job);
        await bank.StopAsync();
        await fixture.StopCoordinatorAsync();
        RunningNode again = fixture.StartNode(Role.LabelParty, manual);

        // Nobody offers it again: the coordinator says that it runs.
        await again.Host.Relay.PublishAsync(new RegisteredEvent("hostile", [job]), None);
        await again.Host.Relay.PublishAsync(new StartEvent(job, 1), None);
        await again.LoggedAsync(NotResumed, times: 2);
        await RequireNothingLeftAsync(again, job, JobState.Offered);

        await again.Jobs.DecideAsync(job, approved: true, "", None);
        await fixture.StartCoordinatorAsync();
        await again.WaitForAsync("phase", job);
        await fixture.CancelAsync(job);
    }

    [Fact]
    public async Task Offers_of_strangers_leave_nothing_behind()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        using Identity stranger = Identity.Create();
        SignedJob job = SignedJob.Create(fixture.NewJob().Specification, stranger);
        string id = job.Specification.Job;

        await bank.Host.Relay.PublishAsync(new OfferEvent(job.Message, 0), None);
        await bank.Host.Relay.PublishAsync(new OfferEvent(job.Message, 1), None);
        await bank.WaitForAsync("answer", "submitter-allowed");

        Assert.Contains("attempts of a job count from 1", bank.Log, StringComparison.Ordinal);
        Assert.Null(await bank.Store.FindJobAsync(id, None));
        Assert.False(Directory.Exists(Path.Combine(fixture.Folder, "bank", "jobs", id)));
    }

    [Theory]
    [InlineData(JobState.Failed, true, "it failed before")]
    [InlineData(JobState.Running, false, "'bank' does not trust the job's submitter any more")]
    public async Task A_job_goes_on_only_while_the_record_and_the_configuration_let_it(JobState state, bool isTrusted, string why)
    {
        using TemporaryPlace place = new();
        using Identity own = Identity.Create();
        using Identity analyst = Identity.Create();
        string text = isTrusted
            ? PartyConfigTests.Text.Replace($"submitters: [{PartyConfigTests.Digits}]", $"submitters: [{analyst.Fingerprint}]", StringComparison.Ordinal)
            : PartyConfigTests.Text;
        PartyConfig config = PartyConfig.Parse("party.yaml", text, place.Folder);
        Directory.CreateDirectory(config.DataDirectory);
        await File.WriteAllTextAsync(place.At("bank.csv"), "id,y,b0\n" + string.Concat(Enumerable.Range(0, 200).Select(i => $"k{i},{i % 2},{i}\n")));
        await using SqlitePartyStore store = SqlitePartyStore.Open(place.At("party.db"), SecretsKey.LoadOrCreate(place.At("secrets.key")));
        SignedJob job = Job(own, analyst);
        string id = job.Specification.Job;
        await store.AddJobAsync(
            new PartyJob { Job = id, Attempt = 1, Role = Role.LabelParty, SignedSpec = job.Message.ToByteArray(), State = JobState.Running, ReceivedUnixMs = 1 }, None);
        await store.SetStateAsync(id, state, state == JobState.Failed ? new JobError { Code = "PeerUnavailable", Message = why } : null, 2, None);
        using NodeKeys keys = new(new NodeKey(TestTls.CredentialOf(own), CheckpointSigner.Create(own)));
        RelayClient relay = new(
            new RelayOptions { Coordinator = config.Coordinator, CoordinatorFingerprints = config.CoordinatorFingerprints, Party = "bank" }, keys);
        JobWorker worker = new(
            config, keys, store, store, relay, new ProgressWriter(TextWriter.Null), new NodeLog(TextWriter.Null, TimeProvider.System), TimeProvider.System);
        using JobEntry entry = new(job, 1, isResumed: true) { HasRun = true };

        Assert.Equal(JobTurn.Ended, await worker.RunAsync(entry, () => false));

        Assert.Null(await store.LoadAttemptAsync(id, 1, None));
        Assert.True(relay.TryTakeControl(out PartyFrame? word));
        Assert.Equal((isTrusted ? JobState.Failed : JobState.Refused, why), (word!.Outcome.State, word.Outcome.Error.Message));
        Assert.False(relay.TryTakeControl(out _));
    }

    private static SignedJob Job(Identity own, Identity submitter) => SignedJob.Create(
        JobSpecification.FromMessage(new JobSpec
        {
            Version = 1,
            Job = new string('5', 32),
            Kind = JobKind.Train,
            LabelParty = new PartyRef { Name = "bank", Fingerprint = ByteString.CopyFrom(own.Public.FingerprintBytes) },
            FeatureParty = new PartyRef { Name = "retailer", Fingerprint = ByteString.CopyFrom(Convert.FromHexString(PartyConfigTests.Digits)) },
            Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
            Train = new TrainSpec { Family = Family.Logistic, L2 = 1e-3, MaxIterations = 5 },
            DeadlineSeconds = 2,
            Payloads = Payloads.Full,
        }),
        submitter);

    private static async Task RequireNothingLeftAsync(RunningNode node, string job, JobState state)
    {
        Assert.Equal(state, (await node.Store.FindJobAsync(job, None))!.State);
        Assert.Null(await node.Store.LoadAttemptAsync(job, 1, None));
        Assert.Empty(await node.Store.ReadEntriesAsync(job, 1, inbound: false, 0, 10, None));
        Assert.DoesNotContain("\"phase\"", node.Events, StringComparison.Ordinal);
    }
}
