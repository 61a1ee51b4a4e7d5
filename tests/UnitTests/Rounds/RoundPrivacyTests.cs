using System.Globalization;
using System.Reflection;
using System.Text.Json;
using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Updates;
using VertFed.PartyNode.Control;
using VertFed.PartyNode.Rounds;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>Privacy of horizontal jobs over the service: what noise does to the model, what the report says it costs, and what a party keeps of it.</summary>
public sealed class RoundPrivacyTests
{
    [Fact]
    public async Task Noise_that_parties_add_under_masks_leaves_the_sum_near_the_plain_one_and_costs_what_the_accountant_says()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(4);
        fixture.StartNodes();
        string job = await fixture.SubmitAsync(fixture.NewJob(spec =>
        {
            spec.Rounds = 2;
            spec.Rate = 0.1;
            spec.SecureAggregation = SumProtection.Bonawitz;
            spec.Privacy = new PrivacySpec { Level = PrivacyLevel.Distributed, Clip = 1, Noise = 0.05, Delta = 1e-5, Budget = 1000 };
        }));

        JobStatus end = await fixture.EndOfAsync(job);

        Assert.True(end.State == JobState.Done, end.ToString());
        double[] reference = MeanOfUpdates(fixture, 2, 0.1);
        double[] noisy = fixture.ParametersAt(0, job);

        // Each of four adds a third of (0.05)², which nobody's own noise is counted in: a round's mean has deviation 0.05 √(4/3) / 4.
        double deviation = Math.Sqrt(2) * 0.05 * Math.Sqrt(4.0 / 3) / 4;
        Assert.All(noisy.Zip(reference), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 1e-9, 6 * deviation));
        JsonElement rounds = (await fixture.RoundsAsync(job)).GetProperty("rounds");
        for (int round = 1; round <= 2; round++)
        {
            double gaussian = PrivacyAccountant.Fresh.AfterSampledGaussian(1, 0.05, round).Epsilon(1e-5);
            Assert.Equal(gaussian, rounds[round].GetProperty("epsilon").GetDouble(), gaussian * 1e-4);
            Assert.Equal(JsonValueKind.Null, rounds[round].GetProperty("loss").ValueKind);
        }
    }

    [Fact]
    public async Task A_second_job_that_would_go_over_a_partys_budget_is_refused_before_it_starts()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(2);
        RunningNode north = fixture.StartNode(0, "  privacy_budget: {epsilon: 8, delta: 1e-5}\n  rules: {exact-sums: warn}");
        fixture.StartNode(1);
        string first = await fixture.SubmitAsync(fixture.NewJob(Sampled));
        JobStatus end = await fixture.EndOfAsync(first);
        Assert.True(end.State == JobState.Done, end.ToString());

        // 90 rows, 30 a step: three steps a round.
        double once = PrivacyAccountant.Fresh.AfterSampledGaussian(30.0 / 90, 2, 4 * 3).Epsilon(1e-5);
        NodePrivacy account = await north.Jobs.ShowPrivacyAsync(CancellationToken.None);
        NodeDatasetPrivacy spent = Assert.Single(account.Datasets);
        Assert.Equal((once, once, 8, 4ul), (spent.Spent, spent.Promised, spent.Budget, spent.Rounds));
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"\"round\":4,\"epsilon\":{once}"), north.Events, StringComparison.Ordinal);

        SignedJob second = fixture.NewJob(spec =>
        {
            Sampled(spec);
            spec.Rounds = 40;
        });
        JsonElement asked = await DryRunAsync(fixture, second, 0);
        JobStatus refused = await fixture.EndOfAsync(await fixture.SubmitAsync(second));
        Assert.Equal((JobState.Refused, "north"), (refused.State, refused.Error.Party));
        double planned = PrivacyAccountant.Fresh.AfterSampledGaussian(30.0 / 90, 2, 40 * 3).Epsilon(1e-5);
        double together = PrivacyAccountant.Fresh.AfterSampledGaussian(30.0 / 90, 2, 44 * 3).Epsilon(1e-5);
        Assert.Equal(
            string.Create(CultureInfo.InvariantCulture, $"policy rule 'privacy-budget': of the privacy budget of dataset 'default', epsilon 8 at delta 1e-05, {once:0.###} is spent or promised; the job plans {planned:0.###} of its own, together {together:0.###}"),
            refused.Error.Message);
        Assert.Equal(("refuse", "horizontal"), (asked.GetProperty("verdict").GetString(), asked.GetProperty("kind").GetString()));
        Assert.EndsWith(
            asked.GetProperty("rules").EnumerateArray().Single(rule => rule.GetProperty("verdict").GetString() == "refuse").GetProperty("reason").GetString()!,
            refused.Error.Message,
            StringComparison.Ordinal);
        Assert.True(asked.GetProperty("estimate").GetProperty("bytes").GetInt64() > 40 * 2 * 2 * 3 * 8);
        Assert.Equal(once, (await north.Jobs.ShowPrivacyAsync(CancellationToken.None)).Datasets[0].Promised);
    }

    [Fact]
    public async Task A_party_that_goes_down_between_paying_and_answering_pays_once()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(2);
        FailingJournal? journal = null;
        RunningNode north = fixture.StartNode(0, around: store => (IPartyStore)(object)(journal = FailingJournal.Around(store)));
        fixture.StartNode(1);
        journal!.FailAtRound = 2;
        string job = await fixture.SubmitAsync(fixture.NewJob(Sampled));
        VertFedException down = await Assert.ThrowsAsync<VertFedException>(() => north.Running);
        Assert.Equal(ErrorCode.Storage, down.Code);
        Assert.Equal(2u, Assert.Single(await north.Store.ListPrivacyAsync(CancellationToken.None)).LastRound);
        await north.StopAsync();

        north = fixture.StartNode(0);
        JobStatus end = await fixture.EndOfAsync(job);

        Assert.True(end.State == JobState.Done, end.ToString());
        PrivacySpending account = Assert.Single(await north.Store.ListPrivacyAsync(CancellationToken.None));
        Assert.Equal((4u, 4u), (account.Rounds, account.LastRound));
        Assert.Equal(PrivacyAccountant.Fresh.AfterSampledGaussian(30.0 / 90, 2, 12).Epsilon(1e-5), PrivacyAccountant.FromValues(account.Spent).Epsilon(1e-5), 1e-9);
    }

    [Fact]
    public async Task A_clip_that_follows_the_updates_costs_what_a_fixed_one_costs()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(3);
        fixture.StartNodes();
        string job = await fixture.SubmitAsync(fixture.NewJob(spec =>
        {
            spec.Rounds = 2;
            spec.SecureAggregation = SumProtection.Bonawitz;
            spec.Privacy = new PrivacySpec { Level = PrivacyLevel.Client, Clip = 0.1, Noise = 0.5, Delta = 1e-5, Budget = 100, ClipQuantile = 0.5 };
        }));

        JobStatus end = await fixture.EndOfAsync(job);

        Assert.True(end.State == JobState.Done, end.ToString());
        JsonElement rounds = (await fixture.RoundsAsync(job)).GetProperty("rounds");
        Assert.Equal(PrivacyAccountant.Fresh.AfterSampledGaussian(1, 0.5, 2).Epsilon(1e-5), rounds[2].GetProperty("epsilon").GetDouble(), 1e-9);
        Assert.Equal(JsonValueKind.Null, rounds[1].GetProperty("loss").ValueKind);
    }

    [Fact]
    public void A_round_has_one_order_and_none_comes_after_a_later_one()
    {
        using TemporaryPlace place = new();
        ModelOrder order = new() { Parameters = { 1, 2 }, Invited = { 1, 2, 3 }, Threshold = 3, Clip = 1 };
        byte[] essence = OrderEssence.Of(order);
        byte[] sameWithFewer = OrderEssence.Of(new ModelOrder(order) { Threshold = 2, Invited = { 4 }, Taken = { 1 } });
        byte[] otherClip = OrderEssence.Of(new ModelOrder(order) { Clip = 2 });
        Assert.Equal(essence, sameWithFewer);

        Assert.True(RoundMemory.Load(place.Folder).TryOrder(2, essence));

        // Each time as after a restart.
        Assert.True(RoundMemory.Load(place.Folder).TryOrder(2, essence));
        Assert.False(RoundMemory.Load(place.Folder).TryOrder(2, otherClip));
        Assert.False(RoundMemory.Load(place.Folder).TryOrder(1, essence));
        Assert.True(RoundMemory.Load(place.Folder).TryOrder(3, otherClip));
    }

    [Fact]
    public void The_operator_reads_what_is_spent_what_is_promised_and_the_budget()
    {
        NodePrivacy privacy = new()
        {
            Datasets = { new NodeDatasetPrivacy { Dataset = "default", Jobs = 2, Rounds = 14, Delta = 1e-5, Spent = 1.25, Promised = 3.5, Budget = 8 } },
        };
        using StringWriter output = new();
        ControlText.WritePrivacy(privacy, output);
        ControlText.WritePrivacy(new NodePrivacy(), output);

        Assert.Equal(
            ["default: epsilon 1.25 of 8 at delta 1e-05 for a row, in 14 rounds of 2 jobs, with open jobs up to 3.5", "No horizontal job under privacy so far."],
            output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries));
    }

    private static async Task<JsonElement> DryRunAsync(RoundFixture fixture, SignedJob job, int party)
    {
        DryRunResponse response = await fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job.Message });
        SealedReport part = response.Parts.Single(one => one.Party == fixture.Names[party]);
        using JsonDocument document = JsonDocument.Parse(ReportSeal.Open(job.Specification.Job, part, fixture.Analyst).Content);
        return document.RootElement.Clone();
    }

    [Fact]
    public async Task What_an_open_job_may_cost_counts_until_it_has_ended()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(2);
        RunningNode north = fixture.StartNode(0, "  approval: manual\n  privacy_budget: {epsilon: 4}\n  rules: {exact-sums: warn}");
        fixture.StartNode(1);
        string first = await fixture.SubmitAsync(fixture.NewJob(Sampled));
        await north.WaitForAsync("held", first);

        JobStatus second = await fixture.EndOfAsync(await fixture.SubmitAsync(fixture.NewJob(Sampled)));

        double once = PrivacyAccountant.Fresh.AfterSampledGaussian(30.0 / 90, 2, 4 * 3).Epsilon(1e-5);
        Assert.InRange(once, 3, 4);
        Assert.Equal(JobState.Refused, second.State);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"{once:0.###} is spent or promised"), second.Error.Message, StringComparison.Ordinal);
        NodeDatasetPrivacy account = Assert.Single((await north.Jobs.ShowPrivacyAsync(CancellationToken.None)).Datasets);
        Assert.Equal((0, once), (account.Spent, account.Promised));

        await north.Jobs.DecideAsync(first, approved: false, "not now", CancellationToken.None);
        await fixture.EndOfAsync(first);
        await north.StateOfAsync(first, JobState.Refused);
        Assert.Equal(0, (await north.Jobs.ShowPrivacyAsync(CancellationToken.None)).Datasets[0].Promised);
    }

    private static void Sampled(HorizontalSpec spec)
    {
        spec.Batch = 30;
        spec.Privacy = new PrivacySpec { Level = PrivacyLevel.Record, Clip = 1, Noise = 2, Delta = 1e-5, Budget = 100 };
    }

    /// <summary>Every party alike, one full step a round.</summary>
    private static double[] MeanOfUpdates(RoundFixture fixture, int rounds, double rate)
    {
        FederatedModel model = FederatedModel.Generalised(LossHead.Logistic, fixture.Pooled.Features);
        FederatedScaling scaling = FederatedScaling.FromSum(FederatedScaling.Contribution(fixture.Pooled));
        LocalWork work = new() { BatchSize = 0, Optimiser = OptimiserSpec.Sgd(rate) };
        using RandomStreams streams = RandomStreams.InsecureFromSeed(1);
        double[] parameters = new double[model.Layout.Length];
        for (int round = 0; round < rounds; round++)
        {
            double[] next = [.. parameters];
            for (int party = 0; party < fixture.Names.Length; party++)
            {
                using global::VertFed.Primitives.RandomStream stream = streams.For("reference", round, party);
                RoundOrder order = new(round, parameters, null, work);
                double[] delta = LocalTrainer.Run(model, party, scaling.Apply(fixture.RowsAt(party)), order, null, stream).Delta;
                for (int i = 0; i < next.Length; i++)
                {
                    next[i] += delta[i] / fixture.Names.Length;
                }
            }

            parameters = next;
        }

        return parameters;
    }

    /// <summary>A store whose disk fails when the answer of a round is to be kept.</summary>
    internal class FailingJournal : DispatchProxy
    {
        private IPartyStore _inner = null!;

        public uint FailAtRound { get; set; }

        public static FailingJournal Around(IPartyStore store)
        {
            IPartyStore proxy = Create<IPartyStore, FailingJournal>();
            ((FailingJournal)(object)proxy)._inner = store;
            return (FailingJournal)(object)proxy;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            if (targetMethod!.Name == nameof(IJournal.AppendOutboundAsync) && FailAtRound > 0
                && RoundHeader.Parser.ParseFrom(RoundCore.Parser.ParseFrom(((Envelope)args![3]!).Core).Header).Round == FailAtRound)
            {
                throw new VertFedException(ErrorCode.Storage, "the disk is full");
            }

            return targetMethod.Invoke(_inner, args);
        }
    }
}
