using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

public sealed class ClientUpdateTests
{
    private static readonly FederatedModel Model = FederatedModel.Generalised(LossHead.Logistic, 3);
    private static readonly Examples Rows = Given.Logistic(1, 50, 3);

    [Fact]
    public void One_full_batch_step_of_sgd_moves_against_the_gradient()
    {
        double[] start = Given.Vector(2, 4);
        double[] gradient = new double[4];
        Objective.LossAndGradient(Model, start, Rows, 0.01, gradient);
        ClientUpdate update = Run(start, new LocalWork { BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.5), L2 = 0.01 });

        Given.AssertClose([.. gradient.Select(g => -0.5 * g)], update.Delta);
        Assert.Equal((50L, 1, 1.0), (update.Examples, update.Steps, update.NormalisedSteps));
        Assert.True(update.LossAfter < update.LossBefore);
    }

    [Fact]
    public void The_proximal_term_holds_the_model_near_the_global_one()
    {
        var work = new LocalWork { Epochs = 50, BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.1) };
        double free = Kernels.Norm(Run(new double[4], work).Delta);
        double held = Kernels.Norm(Run(new double[4], work with { Proximal = 5 }).Delta);
        Assert.True(held < free / 2, $"{held} against {free}");
    }

    [Fact]
    public void The_proximal_gradient_is_mu_times_the_way_gone()
    {
        double[] start = Given.Vector(3, 4);
        ClientUpdate one = Run(start, new LocalWork { BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.1) });
        double[] next = [.. start.Zip(one.Delta, (a, b) => a + b)];
        ClientUpdate plain = Run(next, new LocalWork { BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.1) });
        ClientUpdate two = Run(start, new LocalWork { Epochs = 2, BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.1), Proximal = 2 });

        Given.AssertClose([.. one.Delta.Zip(plain.Delta, (d, p) => d + p - (0.1 * 2 * d))], two.Delta);
    }

    [Fact]
    public void Control_variates_shift_every_step_and_are_renewed_from_the_way_gone()
    {
        double[] start = Given.Vector(2, 4);
        double[] server = Given.Vector(5, 4, 0.1);
        double[] own = Given.Vector(6, 4, 0.1);
        var work = new LocalWork { BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.5) };
        double[] gradient = new double[4];
        Objective.LossAndGradient(Model, start, Rows, 0, gradient);
        using RandomStream stream = Given.Stream(1);
        ClientUpdate update = LocalTrainer.Run(Model, 0, Rows, new RoundOrder(0, start, server, work), own, stream);

        Given.AssertClose([.. Enumerable.Range(0, 4).Select(i => -0.5 * (gradient[i] - own[i] + server[i]))], update.Delta);

        // With K = 1 the new control is the client's gradient at the global model.
        Given.AssertClose([.. Enumerable.Range(0, 4).Select(i => gradient[i] - own[i])], update.ControlDelta);
    }

    [Fact]
    public void Weaker_clients_do_fewer_steps_and_say_so()
    {
        var work = new LocalWork { Epochs = 4, BatchSize = 10 };
        Assert.Equal(20, work.Steps(50));
        Assert.Equal(1_000_000, work.Steps(int.MaxValue));
        LocalWork limited = work.Limited(0.33, 50);
        Assert.Equal(6, limited.Steps(50));
        Assert.Equal(6, Run(new double[4], limited).Steps);
        Assert.Equal(1, work.Limited(0.0001, 50).Steps(50));
    }

    [Theory]
    [InlineData(OptimiserKind.Sgd, 0, 7)]
    [InlineData(OptimiserKind.Adam, 0, 7)]
    [InlineData(OptimiserKind.Momentum, 0, 0)]
    [InlineData(OptimiserKind.Sgd, 0.5, 0)]
    public void Normalised_steps_follow_the_closed_forms_of_FedNova(OptimiserKind kind, double mu, double expected)
    {
        const double Rate = 0.2;
        const double Rho = 0.9;
        double steps = LocalTrainer.NormalisedSteps(new LocalWork { Optimiser = new OptimiserSpec(kind, Rate, Rho), Proximal = mu }, 7);
        double closed = kind == OptimiserKind.Momentum ? (7 - (Rho * (1 - Math.Pow(Rho, 7)) / (1 - Rho))) / (1 - Rho)
            : mu > 0 ? (1 - Math.Pow(1 - (Rate * mu), 7)) / (Rate * mu) : expected;
        Assert.Equal(closed, steps, 1e-12);
    }

    [Fact]
    public void Record_privacy_clips_every_row_and_adds_noise_of_the_stated_size()
    {
        double[] start = new double[4];
        var clipped = new LocalWork { BatchSize = 0, Optimiser = OptimiserSpec.Sgd(1), Privacy = new RecordPrivacy(0.1, 0) };
        double[] expected = new double[4];
        for (int i = 0; i < Rows.Count; i++)
        {
            double[] row = new double[4];
            Model.AddGradient(start, Rows.Row(i), Rows.Label(i), 1, row, Model.CreateScratch());
            double norm = Kernels.Norm(row);
            Kernels.AddScaled(-(norm > 0.1 ? 0.1 / norm : 1) / Rows.Count, row, expected);
        }

        Given.AssertClose(expected, Run(start, clipped).Delta);
        Assert.Null(Run(start, clipped).LossBefore ?? Run(start, clipped).LossAfter);

        double[] noise = [.. Enumerable.Range(0, 500).SelectMany(seed =>
            Run(start, clipped with { Privacy = new RecordPrivacy(0.1, 2) }, (ulong)seed).Delta.Zip(expected, (a, b) => a - b))];
        double deviation = Math.Sqrt(noise.Sum(n => n * n) / noise.Length);
        Assert.InRange(deviation, 0.9 * 0.2 / Rows.Count, 1.1 * 0.2 / Rows.Count);
    }

    [Fact]
    public void The_same_stream_gives_the_same_update_and_another_gives_another()
    {
        var work = new LocalWork { Epochs = 2, BatchSize = 8 };
        Assert.Equal(Run(new double[4], work, 1).Delta, Run(new double[4], work, 1).Delta);
        Assert.NotEqual(Run(new double[4], work, 1).Delta, Run(new double[4], work, 2).Delta);
    }

    [Fact]
    public void Training_that_diverges_is_refused()
    {
        Examples wide = Examples.FromRows([1e150, -1e150], [1, 0.5], 1);
        using RandomStream stream = Given.Stream(1);
        HorizontalException error = Assert.Throws<HorizontalException>(() => LocalTrainer.Run(
            FederatedModel.Generalised(LossHead.Linear, 1), 0, wide, new RoundOrder(0, [1e10, 0], null, new LocalWork { Epochs = 100 }), null, stream));
        Assert.Equal(HorizontalError.NotFinite, error.Error);
    }

    public static TheoryData<string, HorizontalError> BadUpdates => new()
    {
        { "stale", HorizontalError.WrongRound },
        { "early", HorizontalError.WrongRound },
        { "short", HorizontalError.WrongShape },
        { "nan", HorizontalError.NotFinite },
        { "infinite", HorizontalError.NotFinite },
        { "long", HorizontalError.NormTooLarge },
        { "stranger", HorizontalError.UnknownClient },
        { "heavy", HorizontalError.InvalidInput },
        { "steps", HorizontalError.InvalidInput },
        { "weight", HorizontalError.InvalidInput },
        { "control", HorizontalError.WrongShape },
        { "loss", HorizontalError.NotFinite },
    };

    [Theory]
    [MemberData(nameof(BadUpdates))]
    public void A_bad_update_is_refused_named_and_leaves_the_inbox_as_it_was(string what, HorizontalError expected)
    {
        RoundInbox inbox = Inbox();
        ClientUpdate good = Update(1);
        ClientUpdate bad = what switch
        {
            "stale" => good with { Round = 2 },
            "early" => good with { Round = 4 },
            "short" => good with { Delta = [1, 2] },
            "nan" => good with { Delta = [1, 2, double.NaN] },
            "infinite" => good with { Delta = [1, 2, double.NegativeInfinity] },
            "long" => good with { Delta = [1, 2, 11] },
            "stranger" => good with { Client = 7 },
            "heavy" => good with { Examples = 1001 },
            "steps" => good with { Steps = 6 },
            "weight" => good with { NormalisedSteps = double.NaN },
            "control" => good with { ControlDelta = [1, 2, 3] },
            _ => good with { LossAfter = double.PositiveInfinity },
        };

        Assert.Equal(expected, Assert.Throws<HorizontalException>(() => inbox.Take(bad)).Error);
        Assert.Equal(0, inbox.Count);
        Assert.Equal((bad.Client, expected), (inbox.Refusals.Single().Client, inbox.Refusals.Single().Error));
        inbox.Take(good);
        Assert.Equal([good], inbox.Close(1));
    }

    [Theory]
    [InlineData(5, 5, null)]
    [InlineData(3, 3, null)]
    [InlineData(5, 1e-6, "normalised steps")]
    [InlineData(5, 6, "normalised steps")]
    [InlineData(6, 6, "make at most 5")]
    public void Where_the_work_is_known_steps_count_for_what_that_work_makes_of_them(int steps, double normalised, string? why)
    {
        var limits = new UpdateLimits(3, 3, 10, 1000, 100, WithControl: false) { Work = new LocalWork { BatchSize = 2 } };
        ClientUpdate update = Update(1) with { Steps = steps, NormalisedSteps = normalised };
        string message = why is null ? "" : Assert.Throws<HorizontalException>(() => limits.Check(update)).Message;
        Assert.Contains(why ?? "", message, StringComparison.Ordinal);
        limits.Check(Update(1));
    }

    [Fact]
    public void A_batch_of_all_rows_samples_each_with_certainty()
    {
        Assert.Equal((1.0, 0.2, 1.0), (new LocalWork { BatchSize = 0 }.Sampling(50), new LocalWork { BatchSize = 10 }.Sampling(50), new LocalWork { BatchSize = 60 }.Sampling(50)));
    }

    [Fact]
    public void A_client_that_answers_twice_keeps_its_first_answer()
    {
        RoundInbox inbox = Inbox();
        inbox.Take(Update(1));
        Assert.False(inbox.TryTake(Update(1) with { Delta = [9, 0, 0] }));
        Assert.Equal(HorizontalError.Repeated, inbox.Refusals.Single().Error);
        Assert.Equal(Update(1).Delta, inbox.Close(1).Single().Delta);
    }

    [Fact]
    public void A_round_closes_in_the_order_of_clients_and_not_with_too_few()
    {
        RoundInbox inbox = Inbox();
        inbox.Take(Update(2));
        Assert.Equal(HorizontalError.TooFewClients, Assert.Throws<HorizontalException>(() => inbox.Close(2)).Error);
        inbox.Take(Update(0));
        Assert.Equal([0, 2], inbox.Close(2).Select(update => update.Client));
        Assert.Equal([1], inbox.Missing);
    }

    private static RoundInbox Inbox() => new(new UpdateLimits(3, 3, 10, 1000, 5, WithControl: false), [0, 1, 2]);

    private static ClientUpdate Update(int client) => new()
    {
        Client = client, Round = 3, Delta = [1, 2, 3], Examples = 10, Steps = 5, NormalisedSteps = 5, LossBefore = 1, LossAfter = 0.5,
    };

    private static ClientUpdate Run(double[] start, LocalWork work, ulong seed = 1)
    {
        using RandomStream stream = Given.Stream(seed);
        return LocalTrainer.Run(Model, 0, Rows, new RoundOrder(0, start, null, work), null, stream);
    }
}
