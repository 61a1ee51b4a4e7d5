using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;
using VertFed.UnitTests.Coordinator;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>What comes in the instant in which a horizontal job begins or ends. The order is that of the store's calls, in the test's hand.</summary>
public sealed class RoundEndTests
{
    private static readonly string Marker = new('f', 32);

    [Fact]
    public async Task The_last_words_that_come_while_a_job_ends_are_kept_with_their_reports()
    {
        TaskCompletionSource ending = Signal(), queued = Signal(), keeping = Signal(), late = Signal(), kept = Signal();
        await using RoundFixture fixture = await RoundFixture.StartAsync(3, hand: (call, arguments, inner) => (call, arguments) switch
        {
            (nameof(IRoundStore.MoveRoundJobAsync), [_, JobState.Refused, ..]) => Held(ending, queued, inner),
            (nameof(IRoundStore.FindRoundJobAsync), [string job, ..]) when job == Marker => Told(queued, inner),
            (nameof(IRoundStore.SaveRoundOutcomeAsync), [_, 2u, ..]) => Then(kept, () => HeldAsync(keeping, late, inner)),
            (nameof(IRoundStore.SaveRoundOutcomeAsync), [_, 3u, ..]) => Then(late, inner),
            _ => inner(),
        });
        List<IDisposable> closing = [];
        FakeParty[] parties = [.. Enumerable.Range(0, 3).Select(party => Party(fixture, party, closing))];
        foreach (FakeParty party in parties)
        {
            await party.RegisterAsync();
        }

        string job = await fixture.SubmitAsync(fixture.NewJob());
        foreach (FakeParty party in parties)
        {
            await party.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer);
        }

        JobError no = new() { Code = nameof(ErrorCode.Refused), Message = "no" };
        await parties[0].SendAsync(new PartyFrame { Answer = new JobAnswer { Job = job, Attempt = 1, Error = no } });
        await ending.Task.WaitAsync(NodeFixture.Patience);

        // The second's is in the job's queue when the job ends: the frame behind it has been read. The third's comes when the queue is closed.
        await parties[1].OutcomeAsync(job, JobState.Failed, no.Clone(), Part(fixture, 1));
        await parties[1].SendAsync(new PartyFrame { Model = new ModelNotice { Job = Marker, State = ModelState.Active } });
        await keeping.Task.WaitAsync(NodeFixture.Patience);
        await parties[2].OutcomeAsync(job, JobState.Failed, no.Clone(), Part(fixture, 2));
        await kept.Task.WaitAsync(NodeFixture.Patience);

        ReportResponse report = await fixture.Jobs.ReportAsync(new GetJobRequest { Job = job });
        Assert.Equal(JobState.Refused, report.Status.State);
        Assert.Equal(fixture.Names[1..], report.Parts.Select(part => part.Party));
        foreach (FakeParty party in parties)
        {
            await party.DisposeAsync();
        }

        closing.ForEach(one => one.Dispose());
    }

    [Fact]
    public async Task A_job_that_was_kept_though_the_store_reported_a_failure_is_taken_up_by_the_same_request()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(2, openJobs: 1, hand: KeptAsFailed());
        SubmitRequest request = new() { Job = fixture.NewJob().Message, ClientToken = "monday" };
        List<IDisposable> closing = [];
        await using FakeParty party = Party(fixture, 0, closing);
        await party.RegisterAsync();
        await Assert.ThrowsAsync<RpcException>(async () => await fixture.Jobs.SubmitAsync(request));

        JobStatus taken = await fixture.Jobs.SubmitAsync(request);

        Assert.Equal(JobState.Offered, taken.State);
        Assert.Equal(taken.Job, (await party.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer)).Offer.Job is { } offered ? SignedJob.Verify(offered).Specification.Job : "");
        Assert.Equal(taken.Job, (await fixture.Jobs.SubmitAsync(request)).Job);
        RpcException full = await Assert.ThrowsAsync<RpcException>(() => fixture.SubmitAsync(fixture.NewJob()));
        Assert.Equal(StatusCode.ResourceExhausted, full.StatusCode);
        Assert.Equal(JobState.Cancelled, (await fixture.CancelAsync(taken.Job)).State);
        await fixture.SubmitAsync(fixture.NewJob());
        closing.ForEach(one => one.Dispose());
    }

    [Fact]
    public async Task So_it_can_be_cancelled_and_holds_nobodys_place()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(2, openJobs: 1, hand: KeptAsFailed());
        SubmitRequest request = new() { Job = fixture.NewJob().Message };
        string job = SignedJob.Verify(request.Job).Specification.Job;
        await Assert.ThrowsAsync<RpcException>(async () => await fixture.Jobs.SubmitAsync(request));

        Assert.Equal(JobState.Cancelled, (await fixture.CancelAsync(job)).State);
        Assert.Equal(JobState.Cancelled, (await fixture.Jobs.SubmitAsync(request)).State);

        await fixture.SubmitAsync(fixture.NewJob());
    }

    /// <summary>The first job is kept, and the write reported as failed.</summary>
    private static WatchedStore.Hand KeptAsFailed()
    {
        int added = 0;
        return (call, _, inner) => call == nameof(IRoundStore.AddRoundJobAsync) && ++added == 1 ? FailAsync(inner) : inner();

        static async Task<(AddJobOutcome Outcome, RoundJobRecord Job)> FailAsync(Func<Task> inner)
        {
            await inner();
            throw new VertFedException(ErrorCode.Storage, "the connection to the database was lost");
        }
    }

    private static TaskCompletionSource Signal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Goes on when it may, and says that it is there.</summary>
    private static async Task<RoundJobRecord?> Held(TaskCompletionSource here, TaskCompletionSource go, Func<Task> inner)
    {
        here.TrySetResult();
        await go.Task.WaitAsync(NodeFixture.Patience);
        return await (Task<RoundJobRecord?>)inner();
    }

    private static async Task HeldAsync(TaskCompletionSource here, TaskCompletionSource go, Func<Task> inner)
    {
        here.TrySetResult();
        await go.Task.WaitAsync(NodeFixture.Patience);
        await inner();
    }

    private static Task Told(TaskCompletionSource said, Func<Task> inner)
    {
        said.TrySetResult();
        return inner();
    }

    private static async Task Then(TaskCompletionSource said, Func<Task> inner)
    {
        await inner();
        said.TrySetResult();
    }

    private static FakeParty Party(RoundFixture fixture, int party, List<IDisposable> closing)
    {
        GrpcChannel channel = TestTls.Connect(fixture.Address, fixture.Identities[party], fixture.CoordinatorIdentity.Fingerprint);
        CheckpointSigner signer = CheckpointSigner.Create(fixture.Identities[party]);
        closing.AddRange([channel, signer]);
        return new FakeParty(fixture.Names[party], fixture.Identities[party], signer, Role.LabelParty, channel);
    }

    private static SealedReport Part(RoundFixture fixture, int party) =>
        new() { Party = fixture.Names[party], IdentityKey = ByteString.CopyFrom(fixture.Identities[party].Public.SubjectPublicKeyInfo) };
}
