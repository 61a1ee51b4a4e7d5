using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.DiffieHellman;
using VertFed.Transcript;
using VertFed.UnitTests.Vertical;
using VertFed.Vertical;
using Xunit;

namespace VertFed.UnitTests.Transcript;

/// <summary>Jobs that really align, train and evaluate: their transcripts verify, and the ledger counts what the parties report.</summary>
public sealed class LedgerTests
{
    private const int Rows = 400;
    private const int Extra = 30;

    [Theory]
    [InlineData(Family.Logistic)]
    [InlineData(Family.Linear)]
    public async Task The_ledger_of_a_real_job_counts_what_both_parties_report(Family family)
    {
        (TranscriptModel model, VerticalResult bank, VerticalResult retailer) = await RunAsync(family);
        using TranscriptKeys keys = model.Keys;

        Verdict verdict = await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model));

        Assert.True(verdict is { IsVerified: true, Completeness: Completeness.CoSigned }, verdict.Summary);
        DisclosureLedger ledger = verdict.Ledger!;
        Assert.Equal((uint)bank.Iterations, ledger.Rounds);
        Assert.InRange(Rows, ledger.RowsAtLeast, ledger.RowsAtMost);
        Assert.Equal(Rows + Extra, ledger.RowsAtMost);
        foreach (Disclosure disclosure in bank.Disclosures.Concat(retailer.Disclosures))
        {
            AssertCounted(ledger, disclosure);
        }
    }

    [Fact]
    public async Task A_job_that_never_trained_discloses_no_gradient()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync();
        using TranscriptKeys keys = model.Keys;
        int cut = model.Index(Step.TrainSetup, Role.LabelParty);
        model.Entries.RemoveRange(cut, model.Entries.Count - cut);
        model.LastPhase = Phase.Session;
        model.RemakeCheckpoints();
        model.Header.State = JobState.Refused;
        model.Header.Error = new JobError { Code = "Refused", Party = "bank", Message = "x" };

        DisclosureLedger ledger = (await TranscriptFixture.VerifyAsync(model.Write(), TranscriptFixture.Pins(model))).Ledger!;

        Assert.Equal((0, 2, 0u), (ledger.RowsAtLeast, ledger.RowsAtMost, ledger.Rounds));
        Assert.Equal([Step.BlindedIds, Step.EvaluatedIds], ledger.Lines.Select(line => line.Step).Distinct().Order());
    }

    [Theory]
    [InlineData(0ul, 0L, 0)]
    [InlineData(68ul, 2L, 2)]
    [InlineData(70ul, 2L, 4)]
    [InlineData(2_097_159ul, 65_536L, 2)]
    [InlineData(20ul, 0L, 20)]
    public void A_list_of_elements_has_as_many_as_its_size_tells(ulong size, long? elements, int rest)
    {
        Assert.Equal(elements, PayloadSizes.Elements(size, out int beside));
        Assert.Equal(rest, beside);
    }

    [Fact]
    public void The_counts_in_sizes_are_those_of_the_messages()
    {
        for (int count = 0; count < 5000; count += 37)
        {
            MaskedScalars masked = new() { Values = { Enumerable.Repeat(1UL, count) } };
            Assert.Equal(count, PayloadSizes.Numbers((ulong)masked.CalculateSize()));
            Assert.Null(PayloadSizes.Numbers((ulong)masked.CalculateSize() + 3));
            foreach (ulong clipped in new ulong[] { 0, 1, 200, 100_000, 100_000_000 })
            {
                OptimiserScalars scalars = new() { Values = { Enumerable.Repeat(0.5, count) }, Clipped = clipped };
                Assert.Equal(count, PayloadSizes.OptimiserValues((ulong)scalars.CalculateSize()));
            }

            foreach (ulong offset in new ulong[] { 0, 65_536, 6_553_600 })
            {
                BlindedIds blinded = new() { Total = 7_000_000, Offset = offset, Elements = Google.Protobuf.ByteString.CopyFrom(new byte[32 * count]) };
                Assert.Equal(count, PayloadSizes.Elements((ulong)blinded.CalculateSize(), out int rest));
                Assert.Equal(PayloadSizes.Field(7_000_000) + PayloadSizes.Field(offset), rest);
            }
        }
    }

    /// <summary>The transcript's line of a party's report: the same party, step and count, or an upper bound of it.</summary>
    private static void AssertCounted(DisclosureLedger ledger, Disclosure disclosure)
    {
        IEnumerable<LedgerLine> candidates = ledger.Lines
            .Where(line => line.Party == disclosure.Party && line.Step.ToString() == disclosure.Step);
        if (disclosure.Scalars > 0)
        {
            Assert.Contains(
                candidates,
                line => line.IsUpperBound ? line.Scalars >= disclosure.Scalars : line.Scalars == disclosure.Scalars);
        }
    }

    private static async Task<(TranscriptModel Model, VerticalResult Bank, VerticalResult Retailer)> RunAsync(Family family)
    {
        JobSpecification specification = VerticalPair.Specification(family, maxIterations: 3);
        InMemoryParties parties = await InMemoryParties.CreateAsync(specification, 5, default);
        (VerticalInput label, VerticalInput feature) = VerticalPair.Data(Rows, 2, 3, linear: family == Family.Linear);
        (InMemoryTransport labelEnd, InMemoryTransport featureEnd) = InMemoryTransport.CreatePair();
        Task<SealedChannel> openLabel = parties.OpenAsync(Role.LabelParty, labelEnd, default);
        Task<SealedChannel> openFeature = parties.OpenAsync(Role.FeatureParty, featureEnd, default);
        using SealedChannel labelChannel = await openLabel;
        using SealedChannel featureChannel = await openFeature;
        Task<VerticalResult> bank = SideAsync(labelChannel, "bank", async () =>
            await new LabelParty(labelChannel, label, parties.Job.Specification, new SilentObserver()).RunAsync(default));
        Task<VerticalResult> retailer = SideAsync(featureChannel, "retailer", async () =>
            await new FeatureParty(featureChannel, feature, parties.Job.Specification, new SilentObserver()).RunAsync(default));
        await Task.WhenAll(bank, retailer);
        return (await TranscriptFixture.CollectAsync(parties, 5), await bank, await retailer);
    }

    /// <summary>Aligns lists that share 400 ids; the rows of the prepared data stand for them in any order, alike on both sides.</summary>
    private static async Task<VerticalResult> SideAsync(SealedChannel channel, string own, Func<Task<VerticalResult>> train)
    {
        string[] ids = [.. Enumerable.Range(0, Rows).Select(i => $"id{i}"), .. Enumerable.Range(0, Extra).Select(i => $"{own}{i}")];
        Alignment alignment = await new PsiParty(channel).AlignAsync(ids, progress: null, default);
        Assert.Equal(Rows, alignment.Rows.Length);
        VerticalResult result = await train();
        await channel.CloseAsync(new ResultValues([1], new byte[32], [2]), default);
        return result;
    }
}
