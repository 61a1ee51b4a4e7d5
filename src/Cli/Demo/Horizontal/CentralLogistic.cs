using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Models;

namespace VertFed.Cli.Demo.Horizontal;

/// <summary>
/// The yardstick: logistic regression on all nodes' rows in one place, which nobody but the demo has. Newton's method on the job's own
/// objective, mean log-loss + λ/2 ‖w‖² with a free intercept, over columns standardised by all training rows.
/// </summary>
internal static class CentralLogistic
{
    private const int MostSteps = 50;
    private const double StepTolerance = 1e-9;

    /// <param name="scaled">Standardised training rows, labels 0 or 1.</param>
    /// <param name="l2">λ, above 0.</param>
    /// <returns>The parameters in the layout of the logistic model: weights, then the bias.</returns>
    /// <exception cref="HorizontalException">It does not converge.</exception>
    /// <exception cref="ModelException">The Hessian is singular.</exception>
    public static double[] Fit(FederatedModel model, Examples scaled, double l2)
    {
        double[] parameters = new double[model.Layout.Length];
        double[] gradient = new double[parameters.Length];
        double objective = Objective.LossAndGradient(model, parameters, scaled, l2, gradient);
        for (int step = 0; step < MostSteps; step++)
        {
            double[] direction = [.. gradient];
            Cholesky.Factor(Hessian(model, parameters, scaled, l2), parameters.Length).Solve(direction);
            double factor = 1;
            double[] trial = Moved(parameters, direction, factor);

            // Halved where the quadratic is a poor likeness; the objective is convex, so some step goes down.
            while (Objective.Loss(model, trial, scaled, l2) > objective + 1e-13 && factor > 1e-8)
            {
                factor /= 2;
                trial = Moved(parameters, direction, factor);
            }

            parameters = trial;
            objective = Objective.LossAndGradient(model, parameters, scaled, l2, gradient);
            if (factor * direction.Max(Math.Abs) < StepTolerance)
            {
                return parameters;
            }
        }

        throw new HorizontalException(HorizontalError.InvalidInput, $"The centralised fit did not converge in {MostSteps} steps.");
    }

    private static double[] Moved(double[] from, double[] direction, double factor) => [.. from.Zip(direction, (at, by) => at - (factor * by))];

    // Of [weights, bias]: the mean of p (1 − p) x x' over rows with a last feature 1, and λ on the weights' diagonal. Lower triangle.
    private static double[] Hessian(FederatedModel model, double[] parameters, Examples scaled, double l2)
    {
        int size = parameters.Length;
        double[] hessian = new double[size * size];
        double[] row = new double[size];
        row[^1] = 1;
        ModelScratch scratch = model.CreateScratch();
        for (int i = 0; i < scaled.Count; i++)
        {
            scaled.Row(i).CopyTo(row);
            double p = 1 / (1 + Math.Exp(-model.Outputs(parameters, scaled.Row(i), scratch)[0]));
            double weight = p * (1 - p) / scaled.Count;
            for (int j = 0; j < size; j++)
            {
                double weighted = weight * row[j];
                for (int k = 0; k <= j; k++)
                {
                    hessian[(j * size) + k] += weighted * row[k];
                }
            }
        }

        for (int j = 0; j < size - 1; j++)
        {
            hessian[(j * size) + j] += l2;
        }

        return hessian;
    }
}
