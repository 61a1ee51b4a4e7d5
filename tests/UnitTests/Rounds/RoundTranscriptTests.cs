using System.Text.Json;
using VertFed.PartyNode.Replay;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>The transcript of a horizontal job, as its coordinator exports it.</summary>
public sealed class RoundTranscriptTests
{
    [Fact]
    public async Task A_job_leaves_a_transcript_that_all_parties_co_signed_and_the_models_carry_its_root()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(3);
        RunningNode[] nodes = fixture.StartNodes();
        string job = await fixture.SubmitAsync(fixture.NewJob());
        JobStatus end = await fixture.EndOfAsync(job);
        Assert.True(end.State == JobState.Done, end.ToString());
        Assert.Empty(end.NotCoSigned);

        byte[] file = await fixture.ExportAsync(job);
        Verdict verdict = await VerifyAsync(file, new VerifyOptions { Submitter = fixture.Analyst.Fingerprint, Coordinator = fixture.CoordinatorIdentity.Fingerprint });

        Assert.True(verdict.IsVerified, verdict.Summary);
        Assert.Equal("complete, co-signed by all 3 parties", verdict.Summary);
        Assert.True(verdict.IsPinned);
        Assert.Empty(verdict.Remarks);

        // SchemaOrder, ScalingOrder and four ModelOrders with three answers each, and FinalModel.
        Assert.Equal((6 * 4) + 1, verdict.Entries);
        Assert.True(verdict.Checkpoints.Count >= 2);
        Assert.All(verdict.Checkpoints, checkpoint => Assert.Equal(fixture.Names, checkpoint.CoSigners.Select(signer => signer.Party)));
        using JsonDocument model = JsonDocument.Parse(await File.ReadAllBytesAsync(fixture.PathAt(1, "jobs", job, "model.json")));
        Assert.Equal(verdict.Root, model.RootElement.GetProperty("transcript_root").GetString());
        RoundLedger ledger = verdict.RoundLedger!;
        Assert.Equal((4u, 0), (ledger.Rounds, ledger.FewestSummed));
        Assert.Equal(fixture.Names, ledger.Lines.Where(line => line.Step == RoundStep.ModelUpdate).Select(line => line.Of));
        ListTranscriptsResponse list = await fixture.Audit.ListAsync(new ListTranscriptsRequest());
        Assert.Equal((job, 25ul), (list.Transcripts.Single().Job, list.Transcripts.Single().Entries));

        ReplayVerdict replayed = await fixture.ReplayAsync(1, nodes[1], file);
        Assert.True(replayed.IsFaithful, replayed.Difference);
        Assert.Equal((6, 6, ModelFinding.Same), (replayed.Matched, replayed.Recorded, replayed.Model));

        // Another row than the one that the job was run with: the first message that follows from it is named.
        string data = fixture.PathAt(1) + ".csv";
        string[] lines = await File.ReadAllLinesAsync(data);
        lines[3] = lines[3][..lines[3].LastIndexOf(',')] + ",0.5";
        await File.WriteAllLinesAsync(data, lines);
        ReplayVerdict changed = await fixture.ReplayAsync(1, nodes[1], file);
        Assert.False(changed.IsFaithful);
        Assert.Equal((RoundStep.ScalingSums, 1ul), (changed.Rounds!.Entry.Header.Step, changed.Rounds.Entry.Header.Sequence));
        Assert.Contains("ScalingSums, envelope 1 of 'south': its payload", changed.Difference, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_ledger_of_a_secure_job_has_sums_alone_and_its_sums_are_held_to_their_order()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(4);
        RunningNode[] nodes = fixture.StartNodes();
        string job = await fixture.SubmitAsync(fixture.NewJob(spec => spec.SecureAggregation = SumProtection.Bonawitz));
        Assert.Equal(JobState.Done, (await fixture.EndOfAsync(job)).State);

        byte[] file = await fixture.ExportAsync(job);
        Verdict verdict = await VerifyAsync(file, new VerifyOptions());

        Assert.Equal("complete, co-signed by all 4 parties", verdict.Summary);
        Assert.Equal(4, verdict.RoundLedger!.FewestSummed);
        Assert.DoesNotContain(verdict.RoundLedger.Lines, line => line.Step is RoundStep.ModelUpdate or RoundStep.ScalingSums);
        Assert.Contains(verdict.RoundLedger.Lines, line => line is { To: "coordinator", Of: "sums", Step: RoundStep.SumSurvivors });

        // Keys, shares, masked numbers and opened shares of five sums come out again; the shares for this party are in its own store.
        ReplayVerdict replayed = await fixture.ReplayAsync(2, nodes[2], file);
        Assert.True(replayed.IsFaithful, replayed.Difference);
        Assert.Equal((1 + (5 * 4), ModelFinding.Same), (replayed.Matched, replayed.Model));
    }

    [Fact]
    public async Task A_coordinator_that_is_stopped_in_a_round_leaves_one_record_with_one_final_model()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(3);
        RunningNode[] nodes = fixture.StartNodes();
        string job = await fixture.SubmitAsync(fixture.NewJob(spec => spec.Rounds = 20));
        await nodes[0].WaitForAsync("round", "\"round\":18");

        await fixture.StopCoordinatorAsync();
        await fixture.StartCoordinatorAsync();
        Assert.Equal(JobState.Done, (await fixture.EndOfAsync(job)).State);
        Verdict verdict = await VerifyAsync(await fixture.ExportAsync(job), new VerifyOptions());

        Assert.Equal("complete, co-signed by all 3 parties", verdict.Summary);
        Assert.True(verdict.Checkpoints.Count >= 3);
    }

    internal static Task<Verdict> VerifyAsync(byte[] file, VerifyOptions options) => TranscriptVerifier.VerifyAsync(new MemoryStream(file), options);
}
