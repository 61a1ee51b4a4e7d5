using System.Text.Json;
using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Personal;
using VertFed.Horizontal.Service;
using VertFed.Horizontal.Updates;
using VertFed.PartyNode.Rounds;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>Strategies, parties of unlike speed and personal models over the service: each against the library run by hand on the same rows.</summary>
public sealed class RoundStrategyTests
{
    [Fact]
    public async Task Each_strategy_comes_to_the_model_of_the_library_also_where_a_party_does_half_the_steps()
    {
        double[] shares = [1, 0.5, 1];
        await using RoundFixture fixture = await RoundFixture.StartAsync(3);
        for (int party = 0; party < 3; party++)
        {
            fixture.StartNode(party, localWork: shares[party]);
        }

        foreach (string strategy in new[] { "fednova", "scaffold", "fedprox:0.1", "fedyogi:0.05", "trimmed-mean:0.2" })
        {
            SignedJob job = fixture.NewJob(spec => (spec.Strategy, spec.Epochs) = (strategy, 4));

            JobStatus end = await fixture.EndOfAsync(await fixture.SubmitAsync(job));

            Assert.True(end.State == JobState.Done, end.ToString());
            Hand hand = new(fixture, job.Specification, shares);
            Near(hand.Train((_, _) => { }), fixture.ParametersAt(1, end.Job), 1e-12);
        }
    }

    [Fact]
    public async Task A_party_keeps_a_model_of_its_own_that_is_the_librarys_tells_the_submitter_how_well_it_does_and_scores_with_it_until_it_is_deleted()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(2);
        RunningNode[] nodes = fixture.StartNodes();
        foreach (string personal in new[] { "ditto:0.2", "fine-tune:3" })
        {
            SignedJob job = fixture.NewJob(spec => spec.Personal = personal, holdout: 0.25);

            JobStatus end = await fixture.EndOfAsync(await fixture.SubmitAsync(job));

            Assert.True(end.State == JobState.Done, end.ToString());
            Hand hand = new(fixture, job.Specification, [1, 1]);
            double[]? own = null;
            double[] shared = hand.Train((party, global) =>
            {
                if (party == 1)
                {
                    using RandomStream stream = hand.Stream();
                    own = PersonalModel.DittoRound(hand.Model, hand.Train(1), own ?? global, global, 0.2, hand.Plan.PersonalWork, stream);
                }
            });
            if (personal != "ditto:0.2")
            {
                using RandomStream stream = hand.Stream();
                own = PersonalModel.FineTune(hand.Model, 1, hand.Train(1), shared, hand.Plan.PersonalWork with { Epochs = 3 }, stream);
            }

            Near(shared, fixture.ParametersAt(1, end.Job), 1e-12);
            Near(own!, fixture.ParametersAt(1, end.Job, "personal.json"), 1e-10);
            ReportResponse report = await fixture.Jobs.ReportAsync(new GetJobRequest { Job = end.Job });
            OpenedReport part = ReportSeal.Open(end.Job, report.Parts.Single(one => one.Party == fixture.Names[1]), fixture.Analyst);
            using JsonDocument said = JsonDocument.Parse(part.Content);
            Assert.Equal(Evaluation.Of(hand.Model, own!, hand.Test(1)).Loss, said.RootElement.GetProperty("personal").GetProperty("loss").GetDouble(), 1e-9);
            Assert.Equal(Evaluation.Of(hand.Model, shared, hand.Test(1)).Loss, said.RootElement.GetProperty("loss").GetDouble(), 1e-9);
            await KeptModels.RequireAsync(fixture, 1, nodes[1], end.Job, personal);
        }
    }

    [Fact]
    public async Task Under_ifca_parties_choose_among_models_as_the_librarys_do_and_keep_the_one_that_fits()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(3);
        fixture.StartNodes();
        SignedJob job = fixture.NewJob(spec => (spec.Strategy, spec.Rounds) = ("ifca:2", 3));

        JobStatus end = await fixture.EndOfAsync(await fixture.SubmitAsync(job));

        Assert.True(end.State == JobState.Done, end.ToString());
        JsonElement rounds = (await fixture.RoundsAsync(end.Job)).GetProperty("rounds");
        Assert.All(rounds.EnumerateArray().Skip(1), round => Assert.Equal(3, round.GetProperty("clusters").EnumerateArray().Sum(size => size.GetInt32())));
        await fixture.StopCoordinatorAsync();
        RoundCheckpoint kept = (await fixture.KeptAsync(end.Job)).Checkpoint!;
        using RandomStreams streams = new(kept.Seed.Span);
        Hand hand = new(fixture, job.Specification, [1, 1, 1]);
        IReadOnlyList<ServerState> models = Clusters.Start(new double[hand.Model.Layout.Length], 2, streams);
        for (int round = 0; round < 3; round++)
        {
            models = new Clusters(hand.Plan.Strategy).Aggregate(models, [.. Enumerable.Range(0, 3).Select(party => hand.Choice(models, party, round))], 3);
        }

        Near(Clusters.Join(models).Parameters, [.. kept.Parameters], 1e-12);
        for (int party = 0; party < 3; party++)
        {
            Near(models[Clusters.Choose(hand.Model, models, hand.Train(party))].Parameters, fixture.ParametersAt(party, end.Job), 1e-12);
        }
    }

    [Fact]
    public async Task An_asynchronous_job_comes_to_a_model_over_real_connections_also_when_the_coordinator_stops_within_it()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(3);
        RunningNode[] nodes = fixture.StartNodes();

        // Two of the three may go through all versions while the third connects again: what it then answers is stale, and counts.
        string job = await fixture.SubmitAsync(fixture.NewJob(spec => (spec.Strategy, spec.Staleness, spec.Rounds) = ("fedbuff:3", 20, 20)));
        await nodes[0].WaitForAsync("round", "\"round\":3");

        await fixture.StopCoordinatorAsync();
        await fixture.StartCoordinatorAsync();
        JobStatus end = await fixture.EndOfAsync(job);

        Assert.True(end.State == JobState.Done, end.ToString());
        JsonElement[] rounds = [.. (await fixture.RoundsAsync(job)).GetProperty("rounds").EnumerateArray()];
        Assert.Equal(21, rounds.Length);
        Assert.All(rounds.Skip(1), round => Assert.Equal(3, round.GetProperty("counted").GetArrayLength()));
        Assert.All(rounds, round => Assert.Equal(0, round.GetProperty("refusals").GetArrayLength()));
        Examples scaled = FederatedScaling.FromSum(FederatedScaling.Contribution(fixture.Pooled)).Apply(fixture.Pooled);
        FederatedModel model = FederatedModel.Generalised(LossHead.Logistic, 2);
        Assert.True(Evaluation.Of(model, fixture.ParametersAt(0, job), scaled).Loss < 0.5);
        Assert.Equal(fixture.ParametersAt(0, job), fixture.ParametersAt(2, job));
        Verdict verdict = await RoundTranscriptTests.VerifyAsync(await fixture.ExportAsync(job), new VerifyOptions());
        Assert.Equal("complete, co-signed by all 3 parties", verdict.Summary);
    }

    internal static void Near(double[] expected, double[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], actual[i], tolerance);
        }
    }

    /// <summary>A job by the library's own calls, without the service: full batches, so no stream decides anything.</summary>
    internal sealed class Hand
    {
        private readonly double[] _shares;
        private readonly Examples[] _train;
        private readonly Examples[] _test;

        public Hand(RoundFixture fixture, JobSpecification job, double[] shares)
        {
            _shares = shares;
            Plan = JobPlan.Of(job);
            (Examples Train, Examples Test)[] rows = [.. Enumerable.Range(0, shares.Length).Select(party => Split(fixture.RowsAt(party), job))];
            double[][] sums = [.. rows.Select(part => FederatedScaling.Contribution(part.Train))];
            FederatedScaling scaling = FederatedScaling.FromSum([.. sums[0].Select((_, i) => sums.Sum(part => part[i]))]);
            _train = [.. rows.Select(part => scaling.Apply(part.Train))];
            _test = [.. rows.Select(part => part.Test.Count == 0 ? part.Test : scaling.Apply(part.Test))];
            Model = Plan.ModelOf(fixture.Pooled.Features);
        }

        public JobPlan Plan { get; }

        public FederatedModel Model { get; }

        public Examples Train(int party) => _train[party];

        public Examples Test(int party) => _test[party];

        public RandomStream Stream()
        {
            using RandomStreams streams = RandomStreams.InsecureFromSeed(1);
            return streams.For("hand", 0, 0);
        }

        /// <summary>Which of several models a party trains, and its update.</summary>
        public (int Cluster, ClientUpdate Update) Choice(IReadOnlyList<ServerState> models, int party, int round)
        {
            int cluster = Clusters.Choose(Model, models, _train[party]);
            using RandomStream stream = Stream();
            return (cluster, LocalTrainer.Run(Model, party, _train[party], Plan.Strategy.Order(models[cluster], Plan.Work) with { Round = round }, null, stream));
        }

        /// <summary>All rounds.</summary>
        /// <param name="beside">What each party does beside its update: party from 0, the round's model.</param>
        public double[] Train(Action<int, double[]> beside)
        {
            AggregationStrategy strategy = Plan.Strategy;
            ServerState state = ServerState.Start(new double[Model.Layout.Length]);
            double[][] controls = [.. _train.Select(_ => new double[Model.Layout.Length])];
            for (int round = 0; round < Plan.Specification.Rounds; round++)
            {
                RoundOrder order = strategy.Order(state, Plan.Work);
                List<ClientUpdate> updates = [];
                for (int party = 0; party < _train.Length; party++)
                {
                    using RandomStream stream = Stream();
                    RoundOrder own = order with { Work = order.Work.Limited(_shares[party], _train[party].Count) };
                    updates.Add(LocalTrainer.Run(Model, party, _train[party], own, strategy.UsesControl ? controls[party] : null, stream));
                    beside(party, order.Parameters);
                    controls[party] = [.. controls[party].Zip(updates[^1].ControlDelta ?? new double[controls[party].Length], (control, change) => control + change)];
                }

                state = strategy.Aggregate(state, updates, _train.Length).State;
            }

            return state.Parameters;
        }

        private static (Examples Train, Examples Test) Split(Examples rows, JobSpecification job)
        {
            bool[] isTest = RoundInput.Split(rows.Count, job);
            int[] all = [.. Enumerable.Range(0, rows.Count)];
            return (rows.Take([.. all.Where(row => !isTest[row])]), rows.Take([.. all.Where(row => isTest[row])]));
        }
    }
}
