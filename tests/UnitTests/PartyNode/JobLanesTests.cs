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

/// <summary>Who gets a lane, and who leaves one.</summary>
public sealed class JobLanesTests : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly TemporaryPlace _place = new();
    private readonly Identity _own = Identity.Create();
    private readonly Identity _analyst = Identity.Create();
    private readonly NodeKeys _keys;
    private readonly SqlitePartyStore _store;
    private readonly JobWorker _worker;
    private readonly JobLanes _lanes;
    private readonly List<JobEntry> _entries = [];
    private readonly TaskCompletionSource<string> _ended = new();

    public JobLanesTests()
    {
        PartyConfig config = PartyConfig.Parse("party.yaml", PartyConfigTests.Text, _place.Folder);
        Directory.CreateDirectory(config.DataDirectory);
        _store = SqlitePartyStore.Open(_place.At("party.db"), SecretsKey.LoadOrCreate(_place.At("secrets.key")));
        _keys = new NodeKeys(new NodeKey(TestTls.CredentialOf(_own), CheckpointSigner.Create(_own)));
        RelayClient relay = new(
            new RelayOptions { Coordinator = config.Coordinator, CoordinatorFingerprints = config.CoordinatorFingerprints, Party = "bank" }, _keys);
        _worker = new JobWorker(
            config, _keys, _store, _store, relay, new ProgressWriter(TextWriter.Null), new NodeLog(TextWriter.Null, TimeProvider.System), TimeProvider.System);
        _lanes = new JobLanes(_worker, 2, entry => _ended.TrySetResult(entry.Id));
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        _entries.ForEach(entry => entry.Dispose());
        await _store.DisposeAsync();
        _keys.Dispose();
        _own.Dispose();
        _analyst.Dispose();
        _place.Dispose();
    }

    [Fact]
    public void A_lane_goes_to_the_job_that_the_coordinator_started_first_whatever_its_id_and_whoever_queued_ahead()
    {
        JobEntry offered = Entry('0', started: null), late = Entry('1', started: 30), running = Entry('2', started: 20), early = Entry('9', started: 10);
        _lanes.TryEnqueue(offered);
        _lanes.TryEnqueue(late);
        Assert.False(_lanes.MustGiveWay(running));
        _lanes.TryEnqueue(early);
        Assert.True(_lanes.MustGiveWay(running));

        _lanes.TryEnqueue(running);
        Assert.Equal([early, running, late, offered], new[] { _lanes.Take(), _lanes.Take(), _lanes.Take(), _lanes.Take() });
        Assert.Null(_lanes.Take());
    }

    [Fact]
    public void As_many_jobs_leave_as_better_ones_wait()
    {
        JobEntry first = Entry('1', started: 20), second = Entry('2', started: 21);
        _lanes.TryEnqueue(Entry('8', started: 10));
        Assert.True(_lanes.MustGiveWay(first));
        Assert.False(_lanes.MustGiveWay(second));
        Assert.True(_lanes.MustGiveWay(first));
        _lanes.TryEnqueue(Entry('9', started: 11));
        Assert.True(_lanes.MustGiveWay(second));
    }

    [Fact]
    public async Task A_queued_job_that_is_cancelled_makes_nobody_leave_and_ends_without_a_lane()
    {
        JobEntry running = Entry('1', started: 20), better = Entry('2', started: 10);
        await _store.AddJobAsync(
            new PartyJob { Job = better.Id, Attempt = 1, Role = Role.LabelParty, SignedSpec = better.Job.Message.ToByteArray(), State = JobState.Running, ReceivedUnixMs = 1 }, None);
        _lanes.TryEnqueue(better);
        Assert.True(_lanes.MustGiveWay(running));

        better.EndEarly(new JobEnd { Job = better.Id, State = JobState.Cancelled });

        // No lane runs here.
        Assert.False(_lanes.MustGiveWay(running));
        Assert.Null(_lanes.Take());
        Assert.Equal(better.Id, await _ended.Task);
        Assert.Equal(JobState.Cancelled, (await _store.FindJobAsync(better.Id, None))!.State);
    }

    /// <param name="started">When the coordinator started it; null: it is offered only.</param>
    private JobEntry Entry(char id, long? started)
    {
        SignedJob job = SignedJob.Create(
            JobSpecification.FromMessage(new JobSpec
            {
                Version = 1,
                Job = new string(id, 32),
                Kind = JobKind.Train,
                LabelParty = new PartyRef { Name = "bank", Fingerprint = ByteString.CopyFrom(_own.Public.FingerprintBytes) },
                FeatureParty = new PartyRef { Name = "retailer", Fingerprint = ByteString.CopyFrom(Convert.FromHexString(PartyConfigTests.Digits)) },
                Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
                Train = new TrainSpec { Family = Family.Logistic, L2 = 1e-3, MaxIterations = 5 },
                DeadlineSeconds = 2,
                Payloads = Payloads.Full,
            }),
            _analyst);
        JobEntry entry = new(job, 1, isResumed: started is not null);
        if (started is { } at)
        {
            entry.Start(at);
        }

        _entries.Add(entry);
        return entry;
    }
}
