namespace VertFed.Models;

/// <summary>
/// The label party's model of its own columns alone: Newton's method (iteratively reweighted least squares) with step halving, on the
/// same objective as the joint model. It is the yardstick for the uplift, and the joint optimiser's starting point.
/// </summary>
/// <param name="Weights">Standardised scale, intercept last.</param>
/// <param name="Iterations">Newton steps taken.</param>
/// <param name="GradientNorm">Largest |gradient entry| at the end.</param>
public sealed record LocalFit(double[] Weights, int Iterations, double GradientNorm)
{
    private const int MaxIterations = 100;
    private const double StepTolerance = 1e-11;

    /// <param name="columns">Own training columns with an intercept.</param>
    /// <exception cref="ModelException">The columns are collinear and l2 too small to mend it, or labels the family cannot take.</exception>
    public static LocalFit Fit(QuantisedColumns columns, ReadOnlySpan<double> y, GlmFamily family, double l2)
    {
        Throw.If(!columns.HasIntercept || y.Length != columns.Rows, ModelError.InvalidInput, "A local fit takes columns with an intercept and a label per row.");
        family.ValidateLabels(y);
        int d = columns.Count;
        double[] weights = new double[d];
        weights[^1] = family.InterceptOf(Reductions.Sum(y) / y.Length);
        double[] eta = columns.LinearPredictor(weights);
        double objective = Objective(family, eta, y, weights, l2);
        double[] residual = new double[y.Length];
        double[] curvature = new double[y.Length];
        for (int iteration = 1; ; iteration++)
        {
            for (int i = 0; i < y.Length; i++)
            {
                residual[i] = family.Mean(eta[i]) - y[i];
                curvature[i] = family.Curvature(eta[i]);
            }

            double[] gradient = new double[d];
            double largest = 0;
            for (int j = 0; j < d; j++)
            {
                gradient[j] = (columns.Dot(j, residual) / y.Length) + (j < d - 1 ? l2 * weights[j] : 0);
                largest = Math.Max(largest, Math.Abs(gradient[j]));
            }

            double[] hessian = columns.Gram(curvature);
            for (int j = 0; j < d - 1; j++)
            {
                hessian[(j * d) + j] += l2;
            }

            double[] step = gradient;
            Cholesky.Factor(hessian, d).Solve(step);
            double size = step.Max(Math.Abs);
            double[] previous = weights;
            double factor = 1;
            while (true)
            {
                double[] trial = new double[d];
                for (int j = 0; j < d; j++)
                {
                    trial[j] = previous[j] - (factor * step[j]);
                }

                double[] trialEta = columns.LinearPredictor(trial);
                double value = Objective(family, trialEta, y, trial, l2);
                if (value <= objective + 1e-13 || factor < 1e-8)
                {
                    weights = trial;
                    eta = trialEta;
                    objective = value;
                    break;
                }

                factor *= 0.5;
            }

            if (factor * size < StepTolerance || iteration == MaxIterations)
            {
                Throw.IfNotFinite(weights, "The local fit");
                return new LocalFit(weights, iteration, largest);
            }
        }
    }

    /// <summary>Mean loss of the rows, without the penalty.</summary>
    public static double MeanLoss(GlmFamily family, ReadOnlySpan<double> eta, ReadOnlySpan<double> y)
    {
        double[] losses = new double[eta.Length];
        for (int i = 0; i < losses.Length; i++)
        {
            losses[i] = family.Loss(eta[i], y[i]);
        }

        return Reductions.Sum(losses) / losses.Length;
    }

    private static double Objective(GlmFamily family, ReadOnlySpan<double> eta, ReadOnlySpan<double> y, ReadOnlySpan<double> weights, double l2) =>
        MeanLoss(family, eta, y) + (0.5 * l2 * Reductions.Dot(weights[..^1], weights[..^1]));
}
