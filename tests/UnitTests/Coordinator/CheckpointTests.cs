using Dapper;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Data.Sqlite;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.Coordinator;

/// <summary>The coordinator's side of checkpoints: when one is signed, to whom it is proposed, and what becomes of the answers.</summary>
public sealed class CheckpointTests
{
    private static readonly Step[] Course = [Step.KeyExchange, Step.Hello, Step.BlindedIds, Step.TrainSetup, Step.ResultCommitment, Step.JobClose];

    [Fact]
    public async Task A_phase_that_both_have_left_is_proposed_to_both_and_gets_three_signatures()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        foreach (Step step in Course)
            await bank.SendAsync(job, step);
        foreach (Step step in Course)
            await retailer.SendAsync(job, step);

        // Nothing is in the evaluation, so it has no checkpoint.
        foreach ((Phase phase, int size) in new[] { (Phase.Session, 4), (Phase.Align, 6), (Phase.Train, 8), (Phase.Close, 12) })
        {
            CheckpointProposal atBank = await bank.ProposalAsync(), atRetailer = await retailer.ProposalAsync();
            Assert.Equal(phase, atBank.Phase);
            Assert.Equal(atBank, atRetailer);
            Assert.Equal(size, CheckpointNotes.Verify(atBank.Note.Span, CheckpointNotes.OriginOf(job, 1), KeyOf(bank.Challenge, fixture)).Size);
            await bank.CoSignAsync(atBank);
            await retailer.CoSignAsync(atRetailer);
        }

        await bank.OutcomeAsync(job, JobState.Done);
        await retailer.OutcomeAsync(job, JobState.Done);
        JobStatus done = await fixture.UntilAsync(job, status => status.State == JobState.Done);
        Assert.Empty(done.NotCoSigned);
        CheckpointsResponse response = await fixture.Audit.CheckpointsAsync(new TranscriptRequest { Job = job });
        Assert.Equal([Phase.Session, Phase.Align, Phase.Train, Phase.Close], response.Checkpoints.Select(checkpoint => checkpoint.Phase));
        foreach (TranscriptCheckpoint checkpoint in response.Checkpoints)
        {
            SignedNote note = SignedNote.Parse(checkpoint.Note.Span);
            Assert.Equal(3, note.Signatures.Count);
            Assert.NotNull(CheckpointNotes.FindCoSignature(note, "bank", bank.Signer.Verifier));
            Assert.NotNull(CheckpointNotes.FindCoSignature(note, "retailer", retailer.Signer.Verifier));
        }
    }

    [Fact]
    public async Task A_phase_that_one_party_is_still_in_has_no_checkpoint()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        await bank.SendAsync(job, Step.KeyExchange);
        await bank.SendAsync(job, Step.BlindedIds);
        await bank.SendAsync(job, Step.TrainSetup);
        await retailer.SendAsync(job, Step.KeyExchange);
        await retailer.SendAsync(job, Step.BlindedIds);
        Assert.Equal(Phase.Session, (await retailer.ProposalAsync()).Phase);
        Assert.Equal([Phase.Session], (await fixture.Audit.CheckpointsAsync(new TranscriptRequest { Job = job })).Checkpoints.Select(checkpoint => checkpoint.Phase));
        await retailer.SendAsync(job, Step.TrainSetup);
        CheckpointProposal align = await retailer.ProposalAsync();
        Assert.Equal(Phase.Align, align.Phase);
        Assert.NotEmpty(align.ConsistencyProof);
    }

    [Fact]
    public async Task A_done_job_names_whoever_has_not_co_signed_its_end_and_does_not_wait_for_it()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await ClosedJobAsync(fixture);
        await bank.OutcomeAsync(job, JobState.Done);
        await retailer.OutcomeAsync(job, JobState.Done);
        await WaitAsync(async () => (await GetAsync(fixture, job)).State == JobState.Done);
        Assert.Equal(["bank", "retailer"], (await GetAsync(fixture, job)).NotCoSigned);

        await AnswerAllAsync(bank, proposal => bank.CoSignAsync(proposal));
        await WaitAsync(async () => (await GetAsync(fixture, job)).NotCoSigned.Count == 1);
        await AnswerAllAsync(retailer, retailer.RefuseAsync);
        JobStatus status = await fixture.UntilAsync(job, status => status.State == JobState.Done);
        Assert.Equal(["retailer"], status.NotCoSigned);
        TranscriptSummary summary = (await fixture.Audit.ListAsync(new ListTranscriptsRequest())).Transcripts.Single();
        Assert.Equal((JobState.Done, Phase.Close, 6UL, Payloads.Full), (summary.State, summary.Checkpoint, summary.Entries, summary.Payloads));
        Assert.Equal(["retailer"], summary.NotCoSigned);
    }

    [Fact]
    public async Task What_was_not_answered_is_proposed_again_after_a_reconnect_and_what_was_is_not()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await ClosedJobAsync(fixture);
        CheckpointProposal session = await bank.ProposalAsync(), align = await bank.ProposalAsync();
        await bank.CoSignAsync(session);
        await bank.OutcomeAsync(job, JobState.Done);
        await retailer.OutcomeAsync(job, JobState.Done);
        await fixture.UntilAsync(job, status => status.State == JobState.Done);

        await fixture.RestartAsync();
        FakeParty again = await fixture.ConnectAsync("bank");
        Assert.Equal(align, await again.ProposalAsync());
        Assert.Equal(Phase.Close, (await again.ProposalAsync()).Phase);
    }

    [Fact]
    public async Task A_restart_makes_up_for_the_checkpoints_that_were_not_made()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, _) = await ClosedJobAsync(fixture);
        CheckpointProposal[] before = [await bank.ProposalAsync(), await bank.ProposalAsync(), await bank.ProposalAsync()];
        await fixture.RestartAsync(file => ExecuteAsync(file, "DELETE FROM checkpoints WHERE phase > 1"));
        FakeParty again = await fixture.ConnectAsync("bank");
        CheckpointProposal[] after = [await again.ProposalAsync(), await again.ProposalAsync(), await again.ProposalAsync()];
        Assert.Equal(before, after);
        Assert.Equal(job, after[0].Job);
    }

    [Fact]
    public async Task A_co_signature_of_another_key_is_a_breach()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await ClosedJobAsync(fixture);
        CheckpointProposal session = await bank.ProposalAsync();
        await bank.CoSignAsync(session, retailer.Signer);
        RpcException status = await bank.ExpectStatusAsync();
        Assert.Equal(nameof(ErrorCode.DoesNotVerify), status.Trailers.GetValue("vertfed-code"));
        SignedNote note = SignedNote.Parse((await fixture.Audit.CheckpointsAsync(new TranscriptRequest { Job = job })).Checkpoints[0].Note.Span);
        Assert.Single(note.Signatures);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public async Task An_answer_is_either_a_co_signature_or_a_refusal(bool signs, bool refuses)
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (_, FakeParty bank, _) = await ClosedJobAsync(fixture);
        CheckpointProposal proposal = await bank.ProposalAsync();
        var answer = new CheckpointAnswer { Job = proposal.Job, Attempt = 1, Phase = proposal.Phase };
        if (signs)
            answer.CoSignature = ByteString.CopyFrom(CheckpointNotes.CoSign(proposal.Note.Span, bank.Signer, DateTimeOffset.UnixEpoch));
        if (refuses)
            answer.Refusal = new JobError { Code = nameof(ErrorCode.Refused), Message = "no" };
        await bank.SendAsync(new PartyFrame { Checkpoint = answer });
        Assert.Contains("a co-signature or a refusal", (await bank.ExpectStatusAsync()).Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registration_needs_a_checkpoint_key_that_its_identity_stands_for()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        using CheckpointSigner foreign = CheckpointSigner.Create(fixture.Retailer);
        foreach (CheckpointKey key in new[] { new CheckpointKey(), foreign.Key })
        {
            await using FakeParty party = fixture.Stranger();
            RpcException refused = await Assert.ThrowsAsync<RpcException>(() => party.RegisterAsync(checkpointKey: key));
            Assert.Equal(nameof(ErrorCode.DoesNotVerify), refused.Trailers.GetValue("vertfed-code"));
            Assert.Contains("'bank'", refused.Status.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_coordinator_shows_the_same_checkpoint_key_after_a_restart()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        CheckpointKey before = (await fixture.ConnectAsync("bank")).Challenge.CheckpointKey;
        Assert.Equal(fixture.Coordinator.Fingerprint, KeyOf((await fixture.ConnectAsync("retailer")).Challenge, fixture).Identity.Fingerprint);
        await fixture.RestartAsync();
        Assert.Equal(before, (await fixture.ConnectAsync("bank")).Challenge.CheckpointKey);
    }

    /// <summary>A job in which both have sent a few steps and closed: three checkpoints.</summary>
    internal static async Task<(string Job, FakeParty Bank, FakeParty Retailer)> ClosedJobAsync(CoordinatorFixture fixture, Action<JobSpec>? change = null)
    {
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync(change: change);
        foreach (FakeParty party in new[] { bank, retailer })
        {
            foreach (Step step in new[] { Step.Commitment, Step.BlindedIds, Step.JobClose })
                await party.SendAsync(job, step);
        }

        return (job, bank, retailer);
    }

    internal static async Task AnswerAllAsync(FakeParty party, Func<CheckpointProposal, Task> answer)
    {
        CheckpointProposal proposal;
        do
        {
            proposal = await party.ProposalAsync();
            await answer(proposal);
        }
        while (proposal.Phase != Phase.Close);
    }

    internal static async Task WaitAsync(Func<Task<bool>> holds)
    {
        using var limit = new CancellationTokenSource(FakeParty.Patience);
        while (!await holds())
            await Task.Delay(10, limit.Token);
    }

    internal static async Task ExecuteAsync(string file, string sql)
    {
        await using var connection = new SqliteConnection($"Data Source={file};Pooling=False");
        await connection.ExecuteAsync(sql);
    }

    private static async Task<JobStatus> GetAsync(CoordinatorFixture fixture, string job) => await fixture.Jobs.GetAsync(new GetJobRequest { Job = job });

    private static CheckpointVerifier KeyOf(Challenge challenge, CoordinatorFixture fixture) =>
        CheckpointVerifier.Parse(challenge.CheckpointKey, fixture.Coordinator.Fingerprint, "coordinator");
}
