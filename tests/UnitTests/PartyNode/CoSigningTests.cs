using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using VertFed.UnitTests.Coordinator;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>Real nodes and a real coordinator: what they leave verifies, and a coordinator that rewrites its record is found out.</summary>
public sealed class CoSigningTests
{
    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_job_ends_with_a_transcript_that_verifies_co_signed_or_says_who_did_not()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);

        string job = await fixture.SubmitAsync();
        JobStatus status = await fixture.CoSignedEndOfAsync(job);
        Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}\n{retailer.Log}");
        Verdict verdict = await VerifyAsync(fixture, job);
        Assert.True(verdict.IsVerified, verdict.Summary);
        Assert.Equal((Completeness.CoSigned, true, 0L), (verdict.Completeness, verdict.IsPinned, verdict.UncheckedPayloadBytes));
        Assert.Equal([Phase.Session, Phase.Align, Phase.Train, Phase.Evaluate, Phase.Close], verdict.Checkpoints.Select(checkpoint => checkpoint.Phase));
        Assert.All(verdict.Checkpoints, checkpoint => Assert.Equal(["bank", "retailer"], checkpoint.CoSigners.Select(signer => signer.Party)));
        Assert.Equal((long)status.Envelopes, verdict.Entries);
        Assert.Equal((long)status.Bytes, verdict.PayloadBytes);

        await retailer.StopAsync();
        retailer = fixture.StartNode(Role.FeatureParty, "  allow_disclosure_risk: true\n  co_sign: false");
        string withheld = await fixture.SubmitAsync(spec => spec.Payloads = Payloads.Hashes);
        status = await fixture.EndOfAsync(withheld);
        Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}\n{retailer.Log}");
        await CheckpointTests.WaitAsync(async () => (await fixture.Jobs.GetAsync(new GetJobRequest { Job = withheld })).NotCoSigned.Count == 1);
        Assert.Equal(["retailer"], (await fixture.Jobs.GetAsync(new GetJobRequest { Job = withheld })).NotCoSigned);
        verdict = await VerifyAsync(fixture, withheld);
        Assert.True(verdict.IsVerified, verdict.Summary);
        Assert.Equal(Completeness.NotCoSigned, verdict.Completeness);
        Assert.Equal(["retailer"], verdict.NotCoSigned);
        Assert.InRange(verdict.UncheckedPayloadBytes, verdict.PayloadBytes - 2000, verdict.PayloadBytes - 1);
        Assert.Contains("policy rule 'co_sign'", retailer.Log, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_coordinator_that_rewrites_what_was_co_signed_ends_the_job_and_is_named()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync();
        await CheckpointTests.WaitAsync(async () => (await fixture.Audit.CheckpointsAsync(new TranscriptRequest { Job = job })).Checkpoints
            .Any(checkpoint => checkpoint.Phase == Phase.Align && SignedNote.Parse(checkpoint.Note.Span).Signatures.Count == 3));
        await fixture.StopCoordinatorAsync();

        // One entry of the alignment is another's, and the checkpoint over it is made anew.
        await CheckpointTests.ExecuteAsync(
            Path.Combine(fixture.Folder, "coordinator", "coordinator.db"),
            """
            DELETE FROM checkpoint_answers WHERE phase >= 2;
            DELETE FROM checkpoints WHERE phase >= 2;
            UPDATE envelopes SET core = (SELECT core FROM envelopes WHERE sender = 2 AND step = 10) WHERE sender = 1 AND step = 10;
            """);
        await fixture.StartCoordinatorAsync();

        JobStatus status = await fixture.EndOfAsync(job);
        Assert.True(status.State == JobState.Failed, $"{status}\n{bank.Log}\n{retailer.Log}");
        Assert.Equal(("ProtocolViolation", "coordinator"), (status.Error.Code, status.Error.Party));
        Assert.Contains("at the end of phase Align is refused: it has ", status.Error.Message, StringComparison.Ordinal);
        await bank.WaitForAsync("job_end", "\"status\":\"failed\"");
        await retailer.WaitForAsync("job_end", "\"status\":\"failed\"");
        Assert.Contains("THE COORDINATOR'S RECORD IS NOT THIS PARTY'S", bank.Log + retailer.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_coordinator_that_is_not_the_pinned_one_is_refused()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(10);
        string other = new('b', 64);
        RunningNode node = fixture.StartNode(Role.LabelParty, otherCoordinator: other);
        VertFedException error = await Assert.ThrowsAsync<VertFedException>(() => node.Running.WaitAsync(NodeFixture.Patience));
        Assert.Equal((ErrorCode.Refused, "coordinator"), (error.Code, error.Party));
        Assert.Contains("is not the pinned one (coordinator_fingerprint)", error.Message, StringComparison.Ordinal);
        Assert.Contains(fixture.CoordinatorIdentity.Fingerprint, error.Message, StringComparison.Ordinal);
    }

    private static async Task<Verdict> VerifyAsync(NodeFixture fixture, string job)
    {
        using MemoryStream file = new(await fixture.ExportAsync(job));
        return await TranscriptVerifier.VerifyAsync(
            file, new VerifyOptions { Job = job, Submitter = fixture.Analyst.Fingerprint, Coordinator = fixture.CoordinatorIdentity.Fingerprint });
    }
}
