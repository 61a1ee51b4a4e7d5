using System.Runtime.InteropServices;
using System.Security.Cryptography;
using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Simulation;
using VertFed.Horizontal.Updates;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

/// <summary>What a simulation runs beside rounds of one model in the clear.</summary>
public sealed class SimulatedMethodsTests
{
    private static readonly FederatedModel Model = FederatedModel.Generalised(LossHead.Logistic, 4);
    private static readonly Examples Train = Given.Logistic(1, 600, 4);
    private static readonly Examples Test = Given.Logistic(2, 400, 4);

    [Theory]
    [InlineData("fedbuff:4", "F33D49D8780D96A3")]
    [InlineData("ifca:2", "5832B7153062470C")]
    [InlineData("feddf:5", "1CD24E0E7F712B17")]
    [InlineData("fedmd:5", "4AE3401AEEC288C7")]
    [InlineData("secure", "2D672A0D5358AA52")]
    [InlineData("ditto", "6A484E9B1A83E484")]
    [InlineData("record-privacy", "885D8784A14BD827")]
    public void Whatever_is_run_the_number_of_threads_changes_no_byte_and_the_bytes_are_pinned(string what, string hash)
    {
        SimulationOptions options = Named(what);
        SimulationResult one = SimulationEngine.Run(options, Train, Test);
        SimulationResult four = SimulationEngine.Run(options with { Threads = 4 }, Train, Test);
        Assert.Equal(one.Parameters, four.Parameters);
        Assert.Equal(one.Rounds.Select(Line), four.Rounds.Select(Line));
        Assert.Equal((one.Spread, one.Personal), (four.Spread, four.Personal));
        Assert.Equal(hash, Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(one.Parameters.AsSpan())))[..16]);

        static string Line(RoundRecord r) => FormattableString.Invariant($"{r.Invited} {r.Answered} {r.BytesUp} {r.BytesDown} {r.Test} {r.Epsilon} {r.Staleness} {r.Failure} {r.Refusals.Count}");
    }

    [Fact]
    public void A_secure_sum_with_dropouts_is_exactly_the_plain_sum_of_the_rounded_contributions()
    {
        SimulationOptions options = Named("secure") with { DropoutRate = 0.1 };
        using var clients = new SimulatedClients(options, Train, usesControl: false);
        var strategy = new FedAvg();
        RoundOrder order = strategy.Order(ServerState.Start(new double[5]), options.Work);
        int[] invited = clients.Invite(0);
        ClientUpdate[] updates = [.. clients.Train(order, clients.Answering(invited, order.Work, 0), default).Select(answer => answer.Update)];
        SecureSumOutcome outcome = new SimulatedSecureSum(options, clients).Run(strategy, order, invited, updates, default);

        Assert.Null(outcome.Failure);
        Assert.True(updates.Length < invited.Length, "somebody has to be lost, or the test shows nothing of masks that are taken off");
        Assert.Equal(updates.Select(update => update.Client), outcome.Clients);
        ulong[] plain = new ulong[6];
        foreach (ClientUpdate update in updates)
        {
            ulong[] part = outcome.Encoding.Encode(strategy.Contribution(update, null));
            plain = [.. plain.Zip(part, (a, b) => unchecked(a + b))];
        }

        Assert.Equal(plain, outcome.Sum);
    }

    [Fact]
    public void Under_a_servers_noise_vectors_are_rounded_so_that_the_clip_holds_in_the_ring_too()
    {
        SimulationOptions options = Named("secure") with { Selection = SelectionPolicy.Poisson, Privacy = new SimulatedPrivacy(1, 1, 1e-5) };
        using var clients = new SimulatedClients(options, Train, usesControl: false);
        RoundOrder order = new FedAvg().Order(ServerState.Start(new double[5]), options.Work);
        Assert.True(new SimulatedSecureSum(options, clients).Run(new FedAvg(), order, [0, 1, 2], [], default).Encoding.TowardsZero);
        options = options with { Privacy = null };
        Assert.False(new SimulatedSecureSum(options, clients).Run(new FedAvg(), order, [0, 1, 2], [], default).Encoding.TowardsZero);
    }

    [Theory]
    [InlineData("fedavg")]
    [InlineData("scaffold")]
    [InlineData("fednova")]
    public void A_run_under_masks_differs_from_the_run_in_the_clear_by_rounding_alone(string strategy)
    {
        SimulationOptions options = SimulationTests.Options(strategy) with { Rounds = 4, OverSelection = 1, Fraction = 0.5, DropoutRate = 0.05 };
        SimulationResult clear = SimulationEngine.Run(options, Train, Test);
        SimulationResult masked = SimulationEngine.Run(options with { Secure = true }, Train, Test);
        Assert.All(masked.Rounds, round => Assert.Null(round.Failure));
        Assert.Equal(clear.Rounds.Select(round => round.Answered), masked.Rounds.Select(round => round.Answered));
        Given.AssertClose(clear.Parameters, masked.Parameters, 1e-4);
        Assert.NotEqual(clear.Parameters, masked.Parameters);
        Assert.True(masked.Rounds[0].BytesUp > clear.Rounds[0].BytesUp, "keys and shares are counted");
    }

    [Fact]
    public void A_secure_round_that_loses_more_than_its_threshold_says_so_and_leaves_the_model()
    {
        SimulationResult result = SimulationEngine.Run(Named("secure") with { DropoutRate = 0.8, Rounds = 2 }, Train, Test);
        Assert.All(result.Rounds, round => Assert.Contains("The secure sum needs", round.Failure, StringComparison.Ordinal));
        Assert.Equal(new double[5], result.Parameters);
    }

    [Fact]
    public void Noise_at_the_clients_costs_what_the_accountant_says_and_moves_the_model()
    {
        SimulationOptions options = Named("secure") with { Privacy = new SimulatedPrivacy(0.5, 1, 1e-5, AtClients: true), DropoutRate = 0 };
        SimulationResult result = SimulationEngine.Run(options, Train, Test);
        double scale = 1 << SimulatedSecureSum.FractionalBits;
        double expected = PrivacyAccountant.Fresh.AfterDistributed((0.5 * scale) + (0.5 * Math.Sqrt(5)), 0.5 * scale / Math.Sqrt(8), 8, 5, options.Rounds).Epsilon(1e-5);
        Assert.Equal(expected, result.Rounds[^1].Epsilon, 1e-9);
        Assert.InRange(expected, PrivacyAccountant.Fresh.AfterSampledGaussian(1, 1, options.Rounds).Epsilon(1e-5), 1.001 * PrivacyAccountant.Fresh.AfterSampledGaussian(1, 1, options.Rounds).Epsilon(1e-5));
        Assert.Contains("lower the clip", Assert.Throws<HorizontalException>(() => SimulationEngine.Run(options with { Privacy = options.Privacy with { Clip = 1000 } }, Train, Test)).Message, StringComparison.Ordinal);
        SimulationResult quiet = SimulationEngine.Run(options with { Privacy = options.Privacy with { NoiseMultiplier = 1e-4 } }, Train, Test);
        Assert.True(Math.Sqrt(Kernels.SquaredDistance(quiet.Parameters, result.Parameters)) > 0.02);
    }

    [Fact]
    public void Record_privacy_counts_the_client_whose_rows_pay_most()
    {
        SimulationOptions options = Named("record-privacy") with { Partition = Partition.Parse("dirichlet:0.5") };
        SimulationResult result = SimulationEngine.Run(options, Train, Test);
        int fewest = result.RowsOfClients.Min();
        int batch = Math.Min(10, fewest);
        int steps = options.Rounds * options.Work.Steps(fewest);
        double smallest = PrivacyAccountant.Fresh.AfterSampledGaussian((double)batch / fewest, 2, steps).Epsilon(1e-5);
        Assert.InRange(result.Rounds[^1].Epsilon, smallest, double.MaxValue);
        Assert.True(result.Rounds[0].Epsilon < result.Rounds[^1].Epsilon);
        Assert.True(double.IsNaN(SimulationEngine.Run(SimulationTests.Options("fedavg") with { Rounds = 1 }, Train, Test).Rounds[0].Epsilon));
    }

    [Fact]
    public void Buffered_training_takes_stale_updates_refuses_staler_ones_and_comes_near_fedavg()
    {
        SimulationOptions options = Named("fedbuff:4") with { Rounds = 60, SlowestSpeed = 0.05 };
        SimulationResult result = SimulationEngine.Run(options, Train, Test);
        Assert.All(result.Rounds, round => Assert.Equal(4, round.Answered));
        Assert.Contains(result.Rounds, round => round.Staleness > 0);
        Assert.Contains(result.Rounds.SelectMany(round => round.Refusals), refusal => refusal.Error == HorizontalError.WrongRound);
        double fedavg = SimulationEngine.Run(SimulationTests.Options("fedavg"), Train, Test).Rounds[^1].Test.Score;
        Assert.InRange(result.Rounds[^1].Test.Score, fedavg - 0.01, 1);
    }

    [Fact]
    public void Two_models_serve_two_kinds_of_clients_better_than_one()
    {
        // Every other client's labels are turned round, so no single model can serve both kinds.
        Func<int, Examples, Examples> turned = static (client, rows) => client % 2 == 0 ? rows : rows.WithLabels([.. rows.Labels().Select(static label => 1 - label)]);
        SimulationOptions options = Named("ifca:2") with { Rounds = 15, OwnTest = 0.001, Poison = turned, Clients = 10, DropoutRate = 0, Fraction = 1 };
        SimulationResult two = SimulationEngine.Run(options, Train, Test);
        Assert.Equal([5, 5], two.ClusterSizes);
        Assert.Equal([10], SimulationEngine.Run(options with { Method = new ClusteredMethod(1) }, Train, Test).ClusterSizes);
    }

    [Theory]
    [InlineData("feddf:20")]
    [InlineData("fedmd:20")]
    public void Distillation_learns_from_outputs_on_rows_without_labels(string method)
    {
        SimulationOptions options = Named(method) with { Rounds = 15, Clients = 10 };
        SimulationResult result = SimulationEngine.Run(options, Train, Test);
        Assert.InRange(result.Rounds[^1].Test.Score, 0.78, 1);
        Assert.Equal(480, result.RowsOfClients.Sum());
    }

    [Fact]
    public void Personal_models_do_better_on_unlike_clients_than_the_shared_one()
    {
        SimulationOptions options = SimulationTests.Options("fedavg") with { Partition = Partition.Parse("dirichlet:0.2"), OwnTest = 0.3, Clients = 10, Personal = PersonalMethod.Parse("fine-tune:5") };
        PersonalOutcome tuned = SimulationEngine.Run(options, Train, Test).Personal!;
        Assert.True(tuned.PersonalPooled.Loss < tuned.SharedPooled.Loss);
        Assert.True(tuned.PersonalPooled.Rows is > 150 and < 210);
        PersonalOutcome ditto = SimulationEngine.Run(options with { Personal = PersonalMethod.Parse("ditto:0.1") }, Train, Test).Personal!;
        Assert.True(ditto.PersonalPooled.Loss < ditto.SharedPooled.Loss);
        Assert.Equal(tuned.Shared, ditto.Shared);
    }

    [Fact]
    public void Options_that_exclude_each_other_are_refused_with_the_reason()
    {
        SimulationOptions fedavg = SimulationTests.Options("fedavg");
        Refused(SimulationTests.Options("krum") with { Secure = true }, "compares single updates");
        Refused(fedavg with { Secure = true, Codec = new QuantisingCodec(8) }, "under masks");
        Refused(fedavg with { Secure = true, Clients = 600, Fraction = 1, OverSelection = 2, Method = new BufferedMethod(2, 2) }, "more than one sum");
        Refused(fedavg with { Secure = true, Clients = 1001 }, "at most 1000 clients");
        Refused(fedavg with { Privacy = new SimulatedPrivacy(1, 1, 1e-5, AtClients: true) }, "needs the secure sum");
        Refused(fedavg with { Secure = true, Privacy = new SimulatedPrivacy(1, 1, 1e-5, 0.5, AtClients: true) }, "Adaptive clipping");
        SimulationOptions noisy = fedavg with { Selection = SelectionPolicy.Poisson, Privacy = new SimulatedPrivacy(1, 1, 1e-5) };
        noisy.Validate();
        Refused(noisy with { LeastClients = 2 }, "whether one client was there");
        Refused(Named("record-privacy") with { Selection = SelectionPolicy.Poisson, Privacy = new SimulatedPrivacy(1, 1, 1e-5) }, "do not add up");
        Refused(Named("ifca:2") with { OwnTest = 0 }, "own test");
        Refused(Named("ifca:2") with { Strategy = new Scaffold() }, "no other strategy");
        Refused(Named("ditto") with { OwnTest = 0 }, "own test");
        Refused(Named("fedbuff:4") with { OverSelection = 2 }, "no rounds");

        static void Refused(SimulationOptions options, string why)
        {
            HorizontalException refusal = Assert.Throws<HorizontalException>(options.Validate);
            Assert.Equal(HorizontalError.InvalidInput, refusal.Error);
            Assert.Contains(why, refusal.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("fedbuff")]
    [InlineData("ifca:x")]
    [InlineData("ifca")]
    [InlineData("feddf:1.5")]
    public void Methods_that_do_not_parse_are_refused(string text) =>
        Assert.Equal(HorizontalError.InvalidInput, Assert.Throws<HorizontalException>(() => SimulatedMethod.Parse(text, 10, 0.1)).Error);

    private static SimulationOptions Named(string what)
    {
        SimulationOptions plain = SimulationTests.Options("fedavg") with { Rounds = 4, Clients = 12, DropoutRate = 0.05, SlowestSpeed = 0.3 };
        return what switch
        {
            "secure" => plain with { Secure = true },
            "ditto" => plain with { Personal = PersonalMethod.Parse("ditto:0.5"), OwnTest = 0.2 },
            "record-privacy" => plain with { Work = plain.Work with { Privacy = new RecordPrivacy(1, 2) } },
            _ => plain with { Method = SimulatedMethod.Parse(what, 3, 0.2), OwnTest = what.StartsWith("ifca", StringComparison.Ordinal) ? 0.2 : 0 },
        };
    }
}
