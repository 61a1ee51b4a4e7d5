using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;
using VertFed.Horizontal.Updates;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

/// <summary>A fifth of the clients is hostile. Twenty clients of 60 rows each; the clean run is FedAvg without attackers.</summary>
public sealed class PoisoningTests
{
    private const int Clients = 20;
    private const int Attackers = 4;
    private static readonly FederatedModel Model = FederatedModel.Generalised(LossHead.Logistic, 6);
    private static readonly Examples Train = Given.Logistic(11, 1200, 6);
    private static readonly Examples Test = Given.Logistic(12, 2000, 6);
    private static readonly double Clean = Auc("fedavg", "none");

    public static TheoryData<string, string> Pairs
    {
        get
        {
            var pairs = new TheoryData<string, string>();
            foreach (string strategy in (string[])["median", "trimmed-mean:0.2", "krum:0.2", "multi-krum:0.2", "geometric-median", "norm-bound:1"])
            {
                foreach (string attack in (string[])["labels", "sign", "scaled", "heavy", "nan", "infinite", "shape", "stale"])
                {
                    pairs.Add(strategy, attack);
                }
            }

            return pairs;
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Robust_strategies_stay_within_a_hundredth_of_the_clean_auc(string strategy, string attack)
    {
        // Krum follows a single client's update, so by itself it is as good as one client's rows.
        double clean = strategy.StartsWith("krum", StringComparison.Ordinal) ? Auc(strategy, "none") : Clean;
        Assert.InRange(Auc(strategy, attack), clean - 0.01, 1);
    }

    [Theory]
    [InlineData("sign")]
    [InlineData("scaled")]
    [InlineData("heavy")]
    public void A_plain_mean_is_led_astray_by_the_same_attackers(string attack) => Assert.True(Auc("fedavg", attack) < Clean - 0.05);

    [Theory]
    [InlineData("nan", HorizontalError.NotFinite)]
    [InlineData("infinite", HorizontalError.NotFinite)]
    [InlineData("shape", HorizontalError.WrongShape)]
    [InlineData("stale", HorizontalError.WrongRound)]
    [InlineData("huge", HorizontalError.NormTooLarge)]
    [InlineData("work", HorizontalError.InvalidInput)]
    public void Malformed_updates_are_refused_under_every_strategy_and_their_senders_named(string attack, HorizontalError expected)
    {
        SimulationResult result = Run("fedavg", attack);
        Assert.InRange(result.Rounds[^1].Test.Score, Clean - 0.01, 1);
        Assert.All(result.Rounds, round =>
        {
            Assert.Equal(Enumerable.Range(0, Attackers), round.Refusals.Select(refusal => refusal.Client));
            Assert.All(round.Refusals, refusal => Assert.Equal(expected, refusal.Error));
        });
    }

    [Theory]
    [InlineData("multi-krum:0.2", "sign")]
    [InlineData("multi-krum:0.2", "scaled")]
    [InlineData("norm-bound:2", "scaled")]
    [InlineData("median", "sign")]
    [InlineData("trimmed-mean:0.2", "scaled")]
    [InlineData("geometric-median", "sign")]
    [InlineData("geometric-median", "heavy")]
    public void Outliers_are_named_in_the_report(string strategy, string attack) =>
        Assert.All(Run(strategy, attack).Rounds.Take(5), round => Assert.Superset(
            Enumerable.Range(0, Attackers).ToHashSet(), round.Outliers.Select(outlier => outlier.Client).ToHashSet()));

    private static double Auc(string strategy, string attack) => Run(strategy, attack).Rounds[^1].Test.Score;

    private static SimulationResult Run(string strategy, string attack) => SimulationEngine.Run(
        new SimulationOptions
        {
            Model = Model,
            Strategy = StrategyParser.Parse(strategy),
            Partition = Partition.Parse("iid"),
            Clients = Clients,
            Rounds = 30,
            Seed = 4,
            Work = new LocalWork { BatchSize = 10, Optimiser = OptimiserSpec.Sgd(0.05) },
            Poison = attack == "labels" ? Flip : null,
            Tamper = update => update.Client < Attackers ? Tamper(update, attack) : update,
        },
        Train,
        Test);

    private static Examples Flip(int client, Examples rows) =>
        client < Attackers ? rows.WithLabels([.. rows.Labels().Select(label => 1 - label)]) : rows;

    private static ClientUpdate Tamper(ClientUpdate update, string attack) => attack switch
    {
        "sign" => update with { Delta = [.. update.Delta.Select(value => -5 * value)] },
        "scaled" => update with { Delta = [20, 20, .. update.Delta[2..]] },

        // Steps the other way and claims more rows than all others together.
        "heavy" => update with { Delta = [.. update.Delta.Select(value => -5 * value)], Examples = int.MaxValue },
        "huge" => update with { Delta = [1e300, .. update.Delta[1..]] },

        // FedNova divides by what a client says its steps count for.
        "work" => update with { NormalisedSteps = 1e-6 },
        "nan" => update with { Delta = [double.NaN, .. update.Delta[1..]] },
        "infinite" => update with { Delta = [double.PositiveInfinity, .. update.Delta[1..]] },
        "shape" => update with { Delta = [.. update.Delta, 1] },
        "stale" => update with { Round = update.Round - 1 },
        _ => update,
    };
}
