using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.DiffieHellman;
using VertFed.Transcript;
using VertFed.UnitTests.Transcript;
using VertFed.Vertical;
using Xunit;

namespace VertFed.UnitTests.Scoring;

/// <summary>What the verifier makes of a score job's transcript.</summary>
public sealed class ScoreTranscriptTests
{
    private const int Rows = 300;

    [Fact]
    public async Task A_score_jobs_transcript_verifies_and_its_ledger_has_what_the_parties_report()
    {
        (TranscriptModel model, ScoreResult result) = await RunAsync(ScoreBench.Specification());
        using TranscriptKeys keys = model.Keys;

        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));

        Assert.True(verdict is { IsVerified: true, Completeness: Completeness.CoSigned }, verdict.Summary);
        Assert.Equal(0u, verdict.Ledger!.Rounds);
        Assert.Equal(2, result.Disclosures.Count);
        foreach (Disclosure disclosure in result.Disclosures)
        {
            Assert.Contains(
                verdict.Ledger.Lines,
                line => line.Party == disclosure.Party && line.What == disclosure.What && line.Step.ToString() == disclosure.Step
                    && (line.IsUpperBound ? line.Scalars >= disclosure.Scalars : line.Scalars == disclosure.Scalars));
        }

        Assert.DoesNotContain(verdict.Ledger.Lines, line => line.Step is Step.TrainSetup or Step.PartialScores or Step.EvaluationSummary);
    }

    [Fact]
    public async Task The_steps_of_the_other_kind_of_job_are_refused()
    {
        JobSpec train = InMemoryParties.DefaultSpec();
        train.LabelParty.Fingerprint = ByteString.CopyFrom(Enumerable.Repeat((byte)1, 32).ToArray());
        train.FeatureParty.Fingerprint = ByteString.CopyFrom(Enumerable.Repeat((byte)2, 32).ToArray());
        (TranscriptModel scored, _) = await RunAsync(JobSpecification.FromMessage(train));
        using TranscriptKeys keys = scored.Keys;
        await BrokenAsync(scored, "has no ModelBinding");

        TranscriptModel trained = await TranscriptFixture.ScriptedAsync(change: spec =>
        {
            spec.Kind = JobKind.Score;
            spec.Train = null;
            spec.Score = new ScoreSpec { Model = ScoreBench.Model };
            spec.Holdout = 0;
        });
        using TranscriptKeys others = trained.Keys;
        await BrokenAsync(trained, "has no TrainSetup");
    }

    [Theory]
    [InlineData(Step.ModelBinding, Role.LabelParty, 1, "is no ModelBinding")]
    [InlineData(Step.ModelBinding, Role.FeatureParty, -1, "is no ModelBinding")]
    [InlineData(Step.ScoreShares, Role.FeatureParty, 4, "is no block of scores")]
    [InlineData(Step.ScoreShares, Role.FeatureParty, -4, "is no block of scores")]
    public async Task Messages_of_another_size_are_refused(Step step, Role sender, int more, string says)
    {
        (TranscriptModel model, _) = await RunAsync(ScoreBench.Specification());
        using TranscriptKeys keys = model.Keys;
        ModelEntry entry = model.Find(step, sender);
        byte[] payload = entry.Payload;
        Array.Resize(ref payload, payload.Length + more);
        model.Remake(sender, entry.Header.Sequence, payload: payload);
        model.RemakeCheckpoints();
        await BrokenAsync(model, says);
    }

    [Fact]
    public async Task More_blocks_than_there_can_be_shared_customers_are_refused()
    {
        (TranscriptModel model, _) = await RunAsync(ScoreBench.Specification(), extraBlock: true);
        using TranscriptKeys keys = model.Keys;
        await BrokenAsync(model, "more blocks of scores than the 300 customers");
    }

    private static async Task BrokenAsync(TranscriptModel model, string says)
    {
        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));
        Assert.False(verdict.IsVerified);
        Assert.Equal(Rules.Counts, verdict.Failure!.Rule);
        Assert.Contains(says, verdict.Failure.Message, StringComparison.Ordinal);
    }

    private static async Task<(TranscriptModel Model, ScoreResult Result)> RunAsync(JobSpecification specification, bool extraBlock = false)
    {
        InMemoryParties parties = await InMemoryParties.CreateAsync(specification, 5, default);
        ScoreBench bench = new(Family.Logistic, extraBlock ? 8193 : Rows);
        (InMemoryTransport labelEnd, InMemoryTransport featureEnd) = InMemoryTransport.CreatePair();
        Task<SealedChannel> openLabel = parties.OpenAsync(Role.LabelParty, labelEnd, default);
        Task<SealedChannel> openFeature = parties.OpenAsync(Role.FeatureParty, featureEnd, default);
        using SealedChannel label = await openLabel;
        using SealedChannel feature = await openFeature;
        Task<ScoreResult> bank = SideAsync(bench, label);
        Task<ScoreResult> retailer = SideAsync(bench, feature);
        await Task.WhenAll(bank, retailer);
        return (await TranscriptFixture.CollectAsync(parties, 5), await bank);
    }

    private static async Task<ScoreResult> SideAsync(ScoreBench bench, SealedChannel channel)
    {
        string[] ids = [.. Enumerable.Range(0, Rows).Select(i => $"id{i}")];
        await new PsiParty(channel).AlignAsync(ids, progress: null, default);
        ScoreResult result = await bench.Scorer(channel).RunAsync(bench.ColumnsOf(channel.Self), bench.Rows, default);
        await channel.CloseAsync(new ResultValues([1], new byte[32], [2]), default);
        return result;
    }
}
