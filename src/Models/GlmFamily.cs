namespace VertFed.Models;

/// <summary>
/// A generalised linear model with canonical link: per-row loss ℓ(η, y) = A(η) − yη (linear: (y − η)²/2), mean A′, curvature A″.
/// The objective is mean_i ℓ(η_i, y_i) + λ/2·||w||² with the intercept unpenalised (McCullagh and Nelder 1989, chapter 2).
/// </summary>
public abstract class GlmFamily
{
    public static GlmFamily Logistic { get; } = new LogisticFamily();

    public static GlmFamily Linear { get; } = new LinearFamily();

    public static GlmFamily Poisson { get; } = new PoissonFamily();

    /// <summary>"logistic", "linear" or "poisson", as in job specs and reports.</summary>
    public abstract string Name { get; }

    /// <summary>True where the residual needs a function of u + v, false where it is a sum (linear family).</summary>
    public abstract bool HasLink { get; }

    /// <summary>R: bound on the root mean square of the residual, for the scale plan. Poisson: see <see cref="PoissonResidualBound"/>.</summary>
    public abstract double ResidualBound { get; }

    /// <summary>ℓ(η, y).</summary>
    public abstract double Loss(double eta, double y);

    /// <summary>E[y | η].</summary>
    public abstract double Mean(double eta);

    /// <summary>∂² ℓ / ∂η².</summary>
    public abstract double Curvature(double eta);

    /// <summary>The intercept of the model without features.</summary>
    public abstract double InterceptOf(double meanLabel);

    /// <exception cref="ModelException">A label that the family cannot take, or labels without variation.</exception>
    public abstract void ValidateLabels(ReadOnlySpan<double> y);

    /// <summary>The Poisson residual |e^(u+v) − y| for predictors clipped to ± clip each.</summary>
    public static double PoissonResidualBound(double clip, double maxLabel) => Math.Max(DeterministicMath.Exp(2 * clip), maxLabel);

    /// <summary>The family of that name.</summary>
    /// <exception cref="ModelException">There is none.</exception>
    public static GlmFamily Parse(string name) => name switch
    {
        "logistic" => Logistic,
        "linear" => Linear,
        "poisson" => Poisson,
        _ => throw new ModelException(ModelError.InvalidInput, $"There is no family '{name}': logistic, linear or poisson."),
    };

    private sealed class LogisticFamily : GlmFamily
    {
        public override string Name => "logistic";

        public override bool HasLink => true;

        public override double ResidualBound => ScalePlanner.LogisticResidualBound;

        public override double Loss(double eta, double y) => DeterministicMath.Log1pExp(eta) - (y * eta);

        public override double Mean(double eta) => DeterministicMath.Sigmoid(eta);

        public override double Curvature(double eta)
        {
            double p = DeterministicMath.Sigmoid(eta);
            return p * (1 - p);
        }

        public override double InterceptOf(double meanLabel) => DeterministicMath.Log(meanLabel / (1 - meanLabel));

        public override void ValidateLabels(ReadOnlySpan<double> y)
        {
            long events = 0;
            foreach (double label in y)
            {
                Throw.If(label is not (0 or 1), ModelError.InvalidLabels, "A logistic model takes labels 0 and 1.");
                events += label == 1 ? 1 : 0;
            }

            Throw.If(events == 0 || events == y.Length, ModelError.InvalidLabels, "The training labels are all the same.");
        }
    }

    private sealed class LinearFamily : GlmFamily
    {
        public override string Name => "linear";

        public override bool HasLink => false;

        public override double ResidualBound => 2 * ScalePlanner.LinearShareBound;

        public override double Loss(double eta, double y) => 0.5 * (y - eta) * (y - eta);

        public override double Mean(double eta) => eta;

        public override double Curvature(double eta) => 1;

        public override double InterceptOf(double meanLabel) => meanLabel;

        public override void ValidateLabels(ReadOnlySpan<double> y)
        {
            double first = y.IsEmpty ? 0 : y[0];
            bool varies = false;
            foreach (double label in y)
            {
                Throw.If(!double.IsFinite(label), ModelError.InvalidLabels, "A label is not a finite number.");
                varies |= label != first;
            }

            Throw.If(!varies, ModelError.InvalidLabels, "The training labels are all the same.");
        }
    }

    private sealed class PoissonFamily : GlmFamily
    {
        public override string Name => "poisson";

        public override bool HasLink => true;

        public override double ResidualBound => PoissonResidualBound(4, 0);

        public override double Loss(double eta, double y) => DeterministicMath.Exp(eta) - (y * eta);

        public override double Mean(double eta) => DeterministicMath.Exp(eta);

        public override double Curvature(double eta) => DeterministicMath.Exp(eta);

        public override double InterceptOf(double meanLabel) => DeterministicMath.Log(meanLabel);

        public override void ValidateLabels(ReadOnlySpan<double> y)
        {
            double sum = 0;
            foreach (double label in y)
            {
                Throw.If(
                    !(label >= 0) || label > 1e9 || label != Math.Floor(label),
                    ModelError.InvalidLabels,
                    "A Poisson model takes counts: whole numbers from 0.");
                sum += label;
            }

            Throw.If(sum == 0, ModelError.InvalidLabels, "The training labels are all the same.");
        }
    }
}
