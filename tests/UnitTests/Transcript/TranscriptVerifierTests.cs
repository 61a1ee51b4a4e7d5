using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.Transcript;

/// <summary>What a transcript that is whole says, and what it says of a job that is not.</summary>
public sealed class TranscriptVerifierTests
{
    [Theory]
    [InlineData(Family.Logistic)]
    [InlineData(Family.Linear)]
    public async Task A_whole_transcript_verifies(Family family)
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync(family);
        using TranscriptKeys keys = model.Keys;
        byte[] file = model.Write();

        Verdict verdict = await TranscriptFixture.VerifyAsync(file, TranscriptFixture.Pins(model));

        Assert.Null(verdict.Failure);
        Assert.True(verdict is { IsVerified: true, IsPinned: true, Completeness: Completeness.CoSigned, State: JobState.Done });
        Assert.Equal("complete, co-signed by both parties", verdict.Summary);
        Assert.Equal((model.Header.Job, 1u, (long)model.Entries.Count), (verdict.Job, verdict.Attempt, verdict.Entries));
        Assert.Equal((model.Entries.Sum(entry => (long)entry.Payload.Length), 0), (verdict.PayloadBytes, verdict.UncheckedPayloadBytes));
        Assert.Equal(file.Length, verdict.FileBytes);
        Assert.Equal(verdict.Root, Convert.ToHexStringLower(verdict.Checkpoints[^1].Checkpoint.RootHash));
        Assert.Equal([1, 2, 3, 4, 5], verdict.Checkpoints.Select(checkpoint => (int)checkpoint.Phase));
        Assert.All(verdict.Checkpoints, checkpoint => Assert.Equal(["bank", "retailer"], checkpoint.CoSigners.Select(signer => signer.Party)));
    }

    [Fact]
    public async Task A_transcript_with_hashes_alone_verifies_and_says_what_was_not_checked()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync(change: spec => spec.Payloads = Payloads.Hashes);
        using TranscriptKeys keys = model.Keys;
        Verdict hashes = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));
        TranscriptModel full = await TranscriptFixture.ScriptedAsync();
        using TranscriptKeys otherKeys = full.Keys;
        Verdict whole = await TranscriptFixture.VerifyAsync(full.Write(), TranscriptFixture.Pins(full));

        Assert.True(hashes.IsVerified, hashes.Summary);
        Assert.Equal(
            model.Entries.Where(entry => PhaseGrammar.Rule(entry.Header.Step).Sealed).Sum(entry => (long)entry.Payload.Length),
            hashes.UncheckedPayloadBytes);
        Assert.Equal(whole.Ledger!.Lines, hashes.Ledger!.Lines);
    }

    [Theory]
    [InlineData(Role.LabelParty, "complete, not co-signed by bank")]
    [InlineData(Role.FeatureParty, "complete, not co-signed by retailer")]
    public async Task A_withheld_last_co_signature_shows(Role withheld, string summary)
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync();
        using TranscriptKeys keys = model.Keys;
        model.CoSigners.Remove(withheld);
        model.Checkpoints[^1] = (Phase.Close, model.Note(Phase.Close));

        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));

        Assert.True(verdict.IsVerified, verdict.Summary);
        Assert.Equal((Completeness.NotCoSigned, summary), (verdict.Completeness, verdict.Summary));
    }

    [Fact]
    public async Task A_job_that_failed_verifies_as_far_as_it_came()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync();
        using TranscriptKeys keys = model.Keys;
        int digest = model.Index(Step.AlignmentDigest, Role.FeatureParty);
        model.Entries.RemoveRange(digest, model.Entries.Count - digest);
        model.LastPhase = Phase.Session;
        model.RemakeCheckpoints();
        model.Header.State = JobState.Failed;
        model.Header.Error = new JobError { Code = "PeerUnavailable", Party = "bank", Step = "AlignmentDigest", Message = "nothing came" };

        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));

        Assert.True(verdict.IsVerified, verdict.Summary);
        Assert.Equal((Completeness.Ended, "the job failed at AlignmentDigest: nothing came"), (verdict.Completeness, verdict.Summary));
    }

    [Fact]
    public async Task A_refused_job_without_an_entry_verifies()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync();
        using TranscriptKeys keys = model.Keys;
        model.Entries.Clear();
        model.Checkpoints.Clear();
        model.Header.Entries = 0;
        model.Header.State = JobState.Refused;
        model.Header.Error = new JobError { Code = "Refused", Party = "bank", Message = "rule submitters" };

        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));

        Assert.True(verdict.IsVerified, verdict.Summary);
        Assert.Equal("the job was refused: rule submitters", verdict.Summary);
    }

    [Fact]
    public async Task Clocks_do_not_matter()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync();
        using TranscriptKeys keys = model.Keys;
        long time = 4_000_000_000_000;
        foreach (ModelEntry entry in model.Entries)
        {
            entry.Attestation = EnvelopeCodec.Attest(ByteString.CopyFrom(entry.Core), keys.Identity(entry.Header.Sender), time).ToByteArray();
            time = -time + 1;
        }

        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));

        Assert.True(verdict.IsVerified, verdict.Summary);
    }

    [Fact]
    public async Task Lines_of_other_keys_on_a_checkpoint_are_left_alone()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync();
        using TranscriptKeys keys = model.Keys;
        model.Checkpoints[^1] = (Phase.Close, [.. model.Checkpoints[^1].Note, .. "\u2014 witness.example.com/w1 AAAAAAAA\n"u8]);

        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));

        Assert.True(verdict is { IsVerified: true, Completeness: Completeness.CoSigned }, verdict.Summary);
    }

    [Fact]
    public async Task Without_pins_the_verdict_says_so()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync();
        using TranscriptKeys keys = model.Keys;

        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), new VerifyOptions());

        Assert.True(verdict is { IsVerified: true, IsPinned: false });
        Assert.Equal(keys.Coordinator.Fingerprint, verdict.Coordinator);
        Assert.Equal(keys.Parties.Job.Submitter.Fingerprint, verdict.Submitter);
    }

    [Fact]
    public async Task Progress_ends_at_the_files_end()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync();
        using TranscriptKeys keys = model.Keys;
        byte[] file = model.Write();
        List<VerifyProgress> seen = [];
        using MemoryStream stream = new(file);

        await TranscriptVerifier.VerifyAsync(stream, new VerifyOptions(), new Immediate(seen));

        Assert.Equal(new VerifyProgress(model.Entries.Count, model.Entries.Count, file.Length), Assert.Single(seen));
    }

    [Fact]
    public async Task A_stream_that_cannot_be_read_is_an_error_and_no_verdict()
    {
        using BrokenStream stream = new();

        VertFedException e = await Assert.ThrowsAsync<VertFedException>(() => TranscriptVerifier.VerifyAsync(stream, new VerifyOptions()));

        Assert.Equal(ErrorCode.Storage, e.Code);
    }

    private sealed class Immediate(List<VerifyProgress> seen) : IProgress<VerifyProgress>
    {
        public void Report(VerifyProgress value) => seen.Add(value);
    }

    private sealed class BrokenStream : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new IOException("the disk is gone");
    }
}
