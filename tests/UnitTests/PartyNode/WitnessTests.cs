using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>A party co-signs what agrees with its own record and nothing else, durably first.</summary>
public sealed class WitnessTests
{
    private static readonly Phase[] Phases = [Phase.Session, Phase.Align, Phase.Train, Phase.Close];

    [Fact]
    public async Task Checkpoints_that_agree_are_co_signed_and_kept()
    {
        await using WitnessBench bench = await WitnessBench.RecordedAsync();
        foreach (Phase phase in Phases)
        {
            CheckpointProposal proposal = bench.Propose(phase);
            CheckpointAnswer answer = await bench.AnswerAsync(proposal);
            Assert.Null(answer.Refusal);
            Assert.Equal((WitnessBench.Job, 1u, phase), (answer.Job, answer.Attempt, answer.Phase));
            byte[] note = CheckpointNotes.AddCoSignature(proposal.Note.Span, "bank", bench.Party.Verifier, answer.CoSignature.Span);
            Assert.NotNull(CheckpointNotes.FindCoSignature(SignedNote.Parse(note), "bank", bench.Party.Verifier));
        }

        IReadOnlyList<CoSignedCheckpoint> kept = await bench.Store.ReadCheckpointsAsync(WitnessBench.Job, 1, default);
        Assert.Equal(Phases, kept.Select(checkpoint => checkpoint.Phase));
        Assert.Equal([4L, 6L, 8L, 12L], kept.Select(checkpoint => checkpoint.TreeSize));
        Assert.Empty(bench.Ended);
    }

    [Fact]
    public async Task The_same_proposal_gets_the_same_bytes_also_after_a_restart()
    {
        await using WitnessBench bench = await WitnessBench.RecordedAsync();
        CheckpointProposal proposal = bench.Propose(Phase.Session);
        CheckpointAnswer first = await bench.AnswerAsync(proposal);
        Assert.Equal(first, await bench.AnswerAsync(proposal));
        await bench.RestartAsync();
        Assert.Equal(first, await bench.AnswerAsync(proposal));
        Assert.Null((await bench.AnswerAsync(bench.Propose(Phase.Align))).Refusal);
    }

    [Fact]
    public async Task A_phase_that_was_missed_is_no_obstacle_for_the_next()
    {
        await using WitnessBench bench = await WitnessBench.RecordedAsync();
        Assert.Null((await bench.AnswerAsync(bench.Propose(Phase.Align))).Refusal);
        Assert.Null((await bench.AnswerAsync(bench.Propose(Phase.Close))).Refusal);
    }

    [Fact]
    public async Task A_fork_is_refused_and_ends_the_job_as_the_coordinators_breach()
    {
        await using WitnessBench bench = await WitnessBench.RecordedAsync();
        await RefusedAsync(bench, bench.Propose(Phase.Align, [.. bench.Label, .. bench.Feature[..2], Other(bench.Feature[2]), .. bench.Feature[3..]]), "another root");
        Assert.Contains("THE COORDINATOR'S RECORD IS NOT THIS PARTY'S, at the end of align", bench.Log, StringComparison.Ordinal);
        Assert.Contains("job ", bench.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_entry_too_many_or_too_few_is_refused_with_both_sizes()
    {
        await using WitnessBench bench = await WitnessBench.RecordedAsync();
        await RefusedAsync(bench, bench.Propose(Phase.Session, [.. bench.Label, .. bench.Feature[1..]]), "its tree has 3 entries, this party's record 4");
    }

    [Fact]
    public async Task History_that_was_rewritten_after_a_co_signature_is_refused()
    {
        await using WitnessBench bench = await WitnessBench.RecordedAsync();
        Assert.Null((await bench.AnswerAsync(bench.Propose(Phase.Session))).Refusal);
        Envelope[] rewritten = [.. bench.Label, Other(bench.Feature[0]), .. bench.Feature[1..]];

        // For the phase itself the party has its own word; for a later one, its own record.
        await RefusedAsync(bench, bench.Propose(Phase.Session, rewritten), "this party co-signed 4 entries and root ");
        await RefusedAsync(bench, bench.Propose(Phase.Align, rewritten), "another root");
    }

    [Fact]
    public async Task A_record_that_was_rewritten_on_both_sides_still_differs_from_what_was_co_signed()
    {
        await using WitnessBench bench = await WitnessBench.RecordedAsync();
        CheckpointProposal session = bench.Propose(Phase.Session);
        CoSignedCheckpoint other = new(WitnessBench.Job, 1, Phase.Session, 4, new byte[32], session.Note.ToByteArray(), [1], 1);
        await bench.Store.SaveCheckpointAsync(other, default);
        await RefusedAsync(bench, bench.Propose(Phase.Align), "does not begin with the 4 entries of the checkpoint that this party co-signed");
    }

    [Fact]
    public async Task A_proof_that_shows_nothing_is_refused()
    {
        await using WitnessBench bench = await WitnessBench.RecordedAsync();
        CheckpointProposal proposal = bench.Propose(Phase.Align);
        proposal.ConsistencyProof.RemoveAt(0);
        await RefusedAsync(bench, proposal, "its proof does not show");
    }

    [Fact]
    public async Task A_checkpoint_by_another_key_or_of_another_job_is_refused()
    {
        await using WitnessBench bench = await WitnessBench.RecordedAsync();
        await RefusedAsync(bench, bench.Propose(Phase.Align, by: bench.Party), "not signed by the coordinator's key");
        Checkpoint elsewhere = new(CheckpointNotes.OriginOf(WitnessBench.Job, 2), 6, new byte[32]);
        CheckpointProposal proposal = bench.Propose(Phase.Align);
        proposal.Note = Google.Protobuf.ByteString.CopyFrom(CheckpointNotes.Sign(elsewhere, bench.Notary));
        await RefusedAsync(bench, proposal, "vertfed/v1/" + WitnessBench.Job + "/2");
        proposal.Note = Google.Protobuf.ByteString.CopyFromUtf8("no note");
        await RefusedAsync(bench, proposal, "malformed");
    }

    [Fact]
    public async Task A_proposal_that_comes_early_waits_for_the_record()
    {
        await using WitnessBench bench = await WitnessBench.StartAsync();
        await bench.RecordAsync(own: 3, received: 1);
        bench.Take(bench.Propose(Phase.Session));
        await bench.RecordAsync(own: 6, received: 2);
        Assert.Null(bench.Answer());
        await bench.RecordAsync(own: 6, received: 3);
        await bench.IdleAsync();
        Assert.Null(bench.Answer()!.Refusal);

        bench.Take(bench.Propose(Phase.Close));
        await bench.RecordAsync(own: 6, received: 5);
        Assert.Null(bench.Answer());
        await bench.RecordAsync(own: 6, received: 6);
        await bench.IdleAsync();
        Assert.Null(bench.Answer()!.Refusal);
    }

    [Fact]
    public async Task A_record_that_ends_early_is_said_to()
    {
        await using WitnessBench bench = await WitnessBench.StartAsync();
        await bench.RecordAsync(own: 3, received: 1);
        bench.Take(bench.Propose(Phase.Session));
        await bench.Store.SetStateAsync(
            WitnessBench.Job, JobState.Failed, new JobError { Code = "PeerUnavailable", Party = "retailer", Message = "gone" }, 9, default);
        bench.Journal.Ended(WitnessBench.Job);
        await bench.IdleAsync();
        JobError refusal = bench.Answer()!.Refusal;
        Assert.Equal(("Refused", "bank"), (refusal.Code, refusal.Party));
        Assert.Contains("this party's own record ends before the phase does", refusal.Message, StringComparison.Ordinal);
        Assert.Empty(bench.Ended);
    }

    [Fact]
    public async Task Waiting_for_the_record_ends_with_the_jobs_deadline()
    {
        await using WitnessBench bench = await WitnessBench.StartAsync(deadlineSeconds: 1);
        JobError refusal = (await bench.AnswerAsync(bench.Propose(Phase.Session))).Refusal;
        Assert.StartsWith("waited 1 s; ", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operator_may_withhold()
    {
        await using WitnessBench bench = await WitnessBench.RecordedAsync("co_sign: false");
        JobError refusal = (await bench.AnswerAsync(bench.Propose(Phase.Session))).Refusal;
        Assert.Equal(("Refused", "bank", "policy rule 'co_sign': this party does not co-sign"), (refusal.Code, refusal.Party, refusal.Message));
        Assert.Empty(await bench.Store.ReadCheckpointsAsync(WitnessBench.Job, 1, default));
        Assert.Empty(bench.Ended);
    }

    [Fact]
    public async Task A_job_that_this_party_has_no_record_of_is_not_co_signed()
    {
        await using WitnessBench bench = await WitnessBench.RecordedAsync();
        CheckpointProposal proposal = bench.Propose(Phase.Session);
        proposal.Job = new string('b', 32);
        Assert.Contains("no record of the job", (await bench.AnswerAsync(proposal)).Refusal.Message, StringComparison.Ordinal);
        proposal = bench.Propose(Phase.Session);
        proposal.Attempt = 2;
        Assert.Contains("no record of the job", (await bench.AnswerAsync(proposal)).Refusal.Message, StringComparison.Ordinal);
    }

    private static async Task RefusedAsync(WitnessBench bench, CheckpointProposal proposal, string why)
    {
        int ended = bench.Ended.Count;
        int kept = (await bench.Store.ReadCheckpointsAsync(WitnessBench.Job, 1, default)).Count;
        CheckpointAnswer answer = await bench.AnswerAsync(proposal);
        Assert.True(answer.CoSignature.IsEmpty);
        Assert.Equal(("ProtocolViolation", "coordinator"), (answer.Refusal.Code, answer.Refusal.Party));
        Assert.Contains(why, answer.Refusal.Message, StringComparison.Ordinal);
        Assert.Equal(ended + 1, bench.Ended.Count);
        Assert.Equal((ErrorCode.ProtocolViolation, "coordinator"), (bench.Ended[^1].Code, bench.Ended[^1].Party));
        Assert.Equal(kept, (await bench.Store.ReadCheckpointsAsync(WitnessBench.Job, 1, default)).Count);
    }

    /// <summary>The same place in the record, with another payload.</summary>
    private static Envelope Other(Envelope envelope)
    {
        EnvelopeCore core = EnvelopeCore.Parser.ParseFrom(envelope.Core);
        return new Envelope { Core = EnvelopeCodec.BuildCore(core.Header, [9, 9]), Attestation = envelope.Attestation };
    }
}
