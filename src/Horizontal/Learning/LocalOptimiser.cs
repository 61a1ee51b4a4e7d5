namespace VertFed.Horizontal.Learning;

public enum OptimiserKind
{
    Sgd = 0,
    Momentum = 1,
    Adam = 2,
}

/// <summary>Which optimiser a client runs, and its constants. Its state lasts one round.</summary>
/// <param name="Kind">SGD, momentum or Adam.</param>
/// <param name="Rate">Learning rate η, above 0.</param>
/// <param name="Beta1">Momentum ρ, or Adam's β₁, in [0, 1).</param>
/// <param name="Beta2">Adam's β₂, in [0, 1).</param>
/// <param name="Epsilon">Adam's ε, above 0.</param>
public sealed record OptimiserSpec(OptimiserKind Kind, double Rate, double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8)
{
    public static OptimiserSpec Sgd(double rate) => new(OptimiserKind.Sgd, rate);

    /// <exception cref="HorizontalException">A constant is out of its range.</exception>
    public void Validate()
    {
        Throw.Invalid(!Enum.IsDefined(Kind), "There is no such optimiser: sgd, momentum or adam.");
        Throw.Invalid(!(Rate > 0 && Rate <= 1e6), "A learning rate is above 0 and at most 1e6.");
        Throw.Invalid(!(Beta1 >= 0 && Beta1 < 1) || !(Beta2 >= 0 && Beta2 < 1), "Momentum and Adam's decay rates are in [0, 1).");
        Throw.Invalid(!(Epsilon > 0 && Epsilon <= 1), "Adam's epsilon is above 0 and at most 1.");
    }

    public LocalOptimiser Create(int length)
    {
        Validate();
        return Kind switch
        {
            OptimiserKind.Momentum => new MomentumOptimiser(this, length),
            OptimiserKind.Adam => new AdamOptimiser(this, length),
            _ => new SgdOptimiser(this),
        };
    }
}

/// <summary>One step after another on one flat vector.</summary>
public abstract class LocalOptimiser
{
    private protected LocalOptimiser()
    {
    }

    /// <summary>Moves the parameters, given the gradient there.</summary>
    public abstract void Step(Span<double> parameters, ReadOnlySpan<double> gradient);
}

/// <summary>x ← x − η g.</summary>
internal sealed class SgdOptimiser(OptimiserSpec spec) : LocalOptimiser
{
    public override void Step(Span<double> parameters, ReadOnlySpan<double> gradient) => Kernels.AddScaled(-spec.Rate, gradient, parameters);
}

/// <summary>m ← ρ m + g, x ← x − η m (Polyak 1964).</summary>
internal sealed class MomentumOptimiser(OptimiserSpec spec, int length) : LocalOptimiser
{
    private readonly double[] _momentum = new double[length];

    public override void Step(Span<double> parameters, ReadOnlySpan<double> gradient)
    {
        for (int i = 0; i < _momentum.Length; i++)
        {
            _momentum[i] = Math.FusedMultiplyAdd(spec.Beta1, _momentum[i], gradient[i]);
        }

        Kernels.AddScaled(-spec.Rate, _momentum, parameters);
    }
}

/// <summary>
/// m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², x ← x − η m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)
/// (Kingma and Ba 2015).
/// </summary>
internal sealed class AdamOptimiser(OptimiserSpec spec, int length) : LocalOptimiser
{
    private readonly double[] _first = new double[length];
    private readonly double[] _second = new double[length];
    private double _power1 = 1;
    private double _power2 = 1;

    public override void Step(Span<double> parameters, ReadOnlySpan<double> gradient)
    {
        _power1 *= spec.Beta1;
        _power2 *= spec.Beta2;
        for (int i = 0; i < _first.Length; i++)
        {
            double g = gradient[i];
            _first[i] = (spec.Beta1 * _first[i]) + ((1 - spec.Beta1) * g);
            _second[i] = (spec.Beta2 * _second[i]) + ((1 - spec.Beta2) * g * g);
            parameters[i] -= spec.Rate * (_first[i] / (1 - _power1)) / (Math.Sqrt(_second[i] / (1 - _power2)) + spec.Epsilon);
        }
    }
}
