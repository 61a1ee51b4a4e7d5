using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Aggregation;

/// <summary>
/// A strategy whose contribution is (n_i Δ_i, n_i): the sum gives the mean Δ̄ = Σ n_i Δ_i / Σ n_i weighted by rows.
/// </summary>
public abstract class MeanStrategy : SumStrategy
{
    private protected MeanStrategy(string name)
        : base(name)
    {
    }

    public sealed override int ContributionLength(int parameters) => parameters + 1;

    public sealed override double[] Contribution(ClientUpdate update, double? clip)
    {
        double[] part = new double[update.Delta.Length + 1];
        for (int i = 0; i < update.Delta.Length; i++)
        {
            part[i] = update.Examples * update.Delta[i];
        }

        part[^1] = update.Examples;
        return part;
    }

    public sealed override ServerState Apply(ServerState state, ReadOnlySpan<double> sum, int clients, int roster)
    {
        Throw.If(sum.Length != state.Parameters.Length + 1, HorizontalError.WrongShape, "The sum does not have the model's length.");
        double[] mean = sum[..^1].ToArray();
        Kernels.Scale(1 / PositiveWeight(sum[^1]), mean);
        return Step(state, mean);
    }

    /// <summary>The server's step with the mean Δ̄.</summary>
    private protected abstract ServerState Step(ServerState state, double[] mean);
}

/// <summary>FedAvg (McMahan et al. 2017): x ← x + Σ n_i Δ_i / Σ n_i, the mean of the clients' models weighted by rows.</summary>
public sealed class FedAvg() : MeanStrategy("fedavg")
{
    private protected override ServerState Step(ServerState state, double[] mean) => state.Next(state.Moved(1, mean));
}

/// <summary>
/// FedProx (Li et al. 2020): every client minimises f_i(x) + μ/2 ||x − x_global||², so that clients with unlike rows, or with little work done,
/// stay near; the server averages as FedAvg.
/// </summary>
public sealed class FedProx : MeanStrategy
{
    private readonly double _mu;

    /// <param name="mu">μ, above 0.</param>
    public FedProx(double mu)
        : base(FormattableString.Invariant($"fedprox:{mu}"))
    {
        Throw.Invalid(!(mu > 0 && mu <= 1e6), "FedProx's μ is above 0 and at most 1e6.");
        _mu = mu;
    }

    public override LocalWork Prepare(LocalWork work) => work with { Proximal = _mu };

    private protected override ServerState Step(ServerState state, double[] mean) => state.Next(state.Moved(1, mean));
}

/// <summary>FedAvgM (Hsu et al. 2019): v ← β v + Δ̄, x ← x + η v. β = 0 and η = 1 is FedAvg.</summary>
public sealed class FedAvgM : MeanStrategy
{
    private const string Momentum = "momentum";
    private readonly double _beta;
    private readonly double _rate;

    /// <param name="beta">β in [0, 1).</param>
    /// <param name="rate">η, above 0.</param>
    public FedAvgM(double beta = 0.9, double rate = 1)
        : base(FormattableString.Invariant($"fedavgm:{beta}"))
    {
        Throw.Invalid(!(beta >= 0 && beta < 1), "FedAvgM's momentum is in [0, 1).");
        Throw.Invalid(!(rate > 0 && rate <= 1e6), "The server's learning rate is above 0 and at most 1e6.");
        _beta = beta;
        _rate = rate;
    }

    private protected override ServerState Step(ServerState state, double[] mean)
    {
        double[]? before = state.Slot(Momentum);
        if (before is not null)
        {
            Kernels.AddScaled(_beta, before, mean);
        }

        return state.Next(state.Moved(_rate, mean), (Momentum, mean));
    }
}

/// <summary>Which rule renews the second moment of an adaptive server.</summary>
public enum AdaptiveRule
{
    /// <summary>v ← v + Δ̄².</summary>
    Adagrad = 0,

    /// <summary>v ← β₂ v + (1 − β₂) Δ̄².</summary>
    Adam = 1,

    /// <summary>v ← v − (1 − β₂) Δ̄² sign(v − Δ̄²).</summary>
    Yogi = 2,
}

/// <summary>
/// FedAdagrad, FedAdam and FedYogi (Reddi et al. 2021, algorithm 2): m ← β₁ m + (1 − β₁) Δ̄, v by <see cref="AdaptiveRule"/> from v₀ = τ²,
/// x ← x + η m / (√v + τ). There is no bias correction, as in the paper; FedAdagrad has β₁ = 0.
/// </summary>
public sealed class FedAdaptive : MeanStrategy
{
    private const string First = "first";
    private const string Second = "second";
    private readonly AdaptiveRule _rule;
    private readonly double _rate;
    private readonly double _beta1;
    private readonly double _beta2;
    private readonly double _tau;

    /// <param name="rule">How v is renewed.</param>
    /// <param name="rate">η, above 0.</param>
    /// <param name="beta1">β₁ in [0, 1).</param>
    /// <param name="beta2">β₂ in [0, 1).</param>
    /// <param name="tau">τ, the degree of adaptivity, above 0.</param>
    public FedAdaptive(AdaptiveRule rule, double rate = 0.1, double beta1 = 0.9, double beta2 = 0.99, double tau = 1e-3)
        : base(FormattableString.Invariant($"fed{Enum.GetName(rule)?.ToLowerInvariant()}:{rate}"))
    {
        Throw.Invalid(!Enum.IsDefined(rule), "There is no such adaptive rule: adagrad, adam or yogi.");
        Throw.Invalid(!(rate > 0 && rate <= 1e6), "The server's learning rate is above 0 and at most 1e6.");
        Throw.Invalid(!(beta1 >= 0 && beta1 < 1) || !(beta2 >= 0 && beta2 < 1), "β₁ and β₂ are in [0, 1).");
        Throw.Invalid(!(tau > 0 && tau <= 1), "τ is above 0 and at most 1.");
        _rule = rule;
        _rate = rate;
        _beta1 = rule == AdaptiveRule.Adagrad ? 0 : beta1;
        _beta2 = beta2;
        _tau = tau;
    }

    private protected override ServerState Step(ServerState state, double[] mean)
    {
        double[] first = new double[mean.Length];
        double[] second = new double[mean.Length];
        double[] direction = new double[mean.Length];
        double[]? m = state.Slot(First);
        double[]? v = state.Slot(Second);
        for (int i = 0; i < mean.Length; i++)
        {
            double square = mean[i] * mean[i];
            double before = v is null ? _tau * _tau : v[i];
            first[i] = (_beta1 * (m is null ? 0 : m[i])) + ((1 - _beta1) * mean[i]);
            second[i] = _rule switch
            {
                AdaptiveRule.Adagrad => before + square,
                AdaptiveRule.Adam => (_beta2 * before) + ((1 - _beta2) * square),
                _ => before - ((1 - _beta2) * square * Math.Sign(before - square)),
            };
            direction[i] = first[i] / (Math.Sqrt(second[i]) + _tau);
        }

        return state.Next(state.Moved(_rate, direction), (First, first), (Second, second));
    }
}

/// <summary>
/// FedNova (Wang et al. 2020): clients that do unlike amounts of local work are averaged by direction, and the work is put back afterwards:
/// x ← x + τ_eff Σ p_i Δ_i / a_i, p_i = n_i / Σ n, a_i = ||a_i||₁ (the client's normalised steps), τ_eff = Σ p_i a_i. With equal work it is
/// FedAvg; with unequal work FedAvg would lean to the clients that do more steps. Contribution: (n_i Δ_i / a_i, n_i a_i, n_i).
/// </summary>
public sealed class FedNova() : SumStrategy("fednova")
{
    public override int ContributionLength(int parameters) => parameters + 2;

    public override double[] Contribution(ClientUpdate update, double? clip)
    {
        double[] part = new double[update.Delta.Length + 2];
        double weight = update.Examples / PositiveWeight(update.NormalisedSteps);
        for (int i = 0; i < update.Delta.Length; i++)
        {
            part[i] = weight * update.Delta[i];
        }

        part[^2] = update.Examples * update.NormalisedSteps;
        part[^1] = update.Examples;
        return part;
    }

    public override ServerState Apply(ServerState state, ReadOnlySpan<double> sum, int clients, int roster)
    {
        Throw.If(sum.Length != state.Parameters.Length + 2, HorizontalError.WrongShape, "The sum does not have the model's length.");
        double total = PositiveWeight(sum[^1]);
        double effective = PositiveWeight(sum[^2]) / total;
        return state.Next(state.Moved(effective / total, sum[..^2]));
    }
}

/// <summary>
/// SCAFFOLD (Karimireddy et al. 2020): clients step along g − c_i + c, which takes out the drift that unlike rows cause; the server averages
/// both the models and the control variates, every client alike: x ← x + η_g/|S| Σ Δ_i, c ← c + 1/N Σ (c_i⁺ − c_i). Contribution:
/// (Δ_i, c_i⁺ − c_i). A client keeps its c_i between rounds (option II).
/// </summary>
/// <remarks>
/// Every client alike, as the paper has it: c has to stay the mean of all c_i, and the model that the corrected steps lead to is the optimum of the mean
/// of clients' losses, each alike. Weights by rows in the one sum and not in the other would lead to neither optimum; so a client of few rows counts as much
/// as one of many, which FedAvg's loss over all rows does not.
/// </remarks>
public sealed class Scaffold : SumStrategy
{
    private readonly double _rate;

    /// <param name="rate">η_g, above 0.</param>
    public Scaffold(double rate = 1)
        : base("scaffold")
    {
        Throw.Invalid(!(rate > 0 && rate <= 1e6), "The server's learning rate is above 0 and at most 1e6.");
        _rate = rate;
    }

    public override bool UsesControl => true;

    public override int ContributionLength(int parameters) => 2 * parameters;

    public override double[] Contribution(ClientUpdate update, double? clip)
    {
        Throw.If(
            update.ControlDelta?.Length != update.Delta.Length,
            HorizontalError.WrongShape,
            $"Client {update.Client}'s update has no control variate, which SCAFFOLD needs.");
        return [.. update.Delta, .. update.ControlDelta!];
    }

    public override ServerState Apply(ServerState state, ReadOnlySpan<double> sum, int clients, int roster)
    {
        int length = state.Parameters.Length;
        Throw.If(sum.Length != 2 * length, HorizontalError.WrongShape, "The sum does not have the model's length.");
        Throw.Invalid(clients < 1 || roster < clients, $"{clients} clients of {roster} cannot have answered.");
        double[] control = [.. state.Slot(ServerState.Control) ?? new double[length]];
        Kernels.AddScaled(1.0 / roster, sum[length..], control);
        return state.Next(state.Moved(_rate / clients, sum[..length]), (ServerState.Control, control));
    }
}
