using VertFed.Models;

namespace VertFed.Horizontal.Learning;

/// <summary>
/// What stands behind a network's last linear layer: from outputs η and a label y the loss ℓ(η, y), its gradient ∂ℓ/∂η, and the mean E[y | η].
/// </summary>
public abstract class LossHead
{
    private LossHead(string name, int outputs)
    {
        Name = name;
        Outputs = outputs;
    }

    /// <summary>"logistic", "linear", "poisson" or "softmax".</summary>
    public string Name { get; }

    /// <summary>Length of η.</summary>
    public int Outputs { get; }

    /// <summary>ℓ = log(1 + e^η) − yη, labels 0 and 1.</summary>
    public static LossHead Logistic { get; } = new GlmHead(GlmFamily.Logistic);

    /// <summary>ℓ = (y − η)²/2, any finite label.</summary>
    public static LossHead Linear { get; } = new GlmHead(GlmFamily.Linear);

    /// <summary>ℓ = e^η − yη, whole labels from 0.</summary>
    public static LossHead Poisson { get; } = new GlmHead(GlmFamily.Poisson);

    /// <summary>ℓ = log Σ_k e^η_k − η_y, labels 0 … classes − 1.</summary>
    /// <param name="classes">2 to 1000.</param>
    public static LossHead Softmax(int classes) => new SoftmaxHead(classes);

    public abstract double Loss(ReadOnlySpan<double> eta, double y);

    /// <summary>Writes ∂ℓ/∂η and returns ℓ.</summary>
    public abstract double LossAndGradient(ReadOnlySpan<double> eta, double y, Span<double> gradient);

    /// <summary>η → E[y | η], in place: a probability for each class under softmax.</summary>
    public abstract void ToMean(Span<double> eta);

    /// <exception cref="HorizontalException">A label that the loss cannot take.</exception>
    public abstract void ValidateLabel(double y);

    private sealed class GlmHead(GlmFamily family) : LossHead(family.Name, 1)
    {
        public override double Loss(ReadOnlySpan<double> eta, double y) => family.Loss(eta[0], y);

        public override double LossAndGradient(ReadOnlySpan<double> eta, double y, Span<double> gradient)
        {
            gradient[0] = family.Mean(eta[0]) - y;
            return family.Loss(eta[0], y);
        }

        public override void ToMean(Span<double> eta) => eta[0] = family.Mean(eta[0]);

        // A client may hold one class only, so labels are looked at one by one, not for variation.
        public override void ValidateLabel(double y)
        {
            switch (family.Name)
            {
                case "logistic":
                    Throw.If(y is not (0 or 1), HorizontalError.InvalidLabels, "A logistic model takes labels 0 and 1.");
                    break;
                case "poisson":
                    Throw.If(
                        !(y >= 0 && y <= 1e9 && y == Math.Floor(y)),
                        HorizontalError.InvalidLabels,
                        "A Poisson model takes counts: whole numbers from 0.");
                    break;
                default:
                    Throw.If(!double.IsFinite(y), HorizontalError.InvalidLabels, "A label is not a finite number.");
                    break;
            }
        }
    }

    private sealed class SoftmaxHead : LossHead
    {
        private const int MostClasses = 1000;

        public SoftmaxHead(int classes)
            : base("softmax", classes) => Throw.Invalid(classes is < 2 or > MostClasses, $"Softmax regression has 2 to {MostClasses} classes.");

        public override double Loss(ReadOnlySpan<double> eta, double y)
        {
            double largest = Largest(eta);
            double sum = 0;
            foreach (double value in eta)
            {
                sum += DeterministicMath.Exp(value - largest);
            }

            return DeterministicMath.Log(sum) + largest - eta[(int)y];
        }

        public override double LossAndGradient(ReadOnlySpan<double> eta, double y, Span<double> gradient)
        {
            eta.CopyTo(gradient);
            double largest = Largest(eta);
            double sum = Exponentiate(gradient, largest);
            Kernels.Scale(1 / sum, gradient);
            gradient[(int)y] -= 1;
            return DeterministicMath.Log(sum) + largest - eta[(int)y];
        }

        public override void ToMean(Span<double> eta) => Kernels.Scale(1 / Exponentiate(eta, Largest(eta)), eta);

        public override void ValidateLabel(double y)
        {
            // No message is made for a label that fits: this runs for every row of every step.
            if (!(y >= 0 && y < Outputs && y == Math.Floor(y)))
            {
                throw new HorizontalException(
                    HorizontalError.InvalidLabels, $"Softmax regression with {Outputs} classes takes whole labels from 0 to {Outputs - 1}.");
            }
        }

        private static double Largest(ReadOnlySpan<double> eta)
        {
            double largest = eta[0];
            foreach (double value in eta)
            {
                largest = Math.Max(largest, value);
            }

            return largest;
        }

        private static double Exponentiate(Span<double> eta, double largest)
        {
            double sum = 0;
            for (int k = 0; k < eta.Length; k++)
            {
                eta[k] = DeterministicMath.Exp(eta[k] - largest);
                sum += eta[k];
            }

            return sum;
        }
    }
}
