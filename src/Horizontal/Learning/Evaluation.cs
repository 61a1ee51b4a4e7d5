using VertFed.Models;

namespace VertFed.Horizontal.Learning;

/// <summary>How a model does on a set of rows.</summary>
/// <param name="Rows">Rows measured.</param>
/// <param name="Loss">Mean loss without penalty; NaN without rows.</param>
/// <param name="Score">AUC (logistic; NaN with one class only), accuracy (softmax), or root mean square error (linear, Poisson).</param>
/// <param name="Accuracy">Share of rows whose most probable class is the label (logistic, softmax), else NaN.</param>
public sealed record Evaluation(int Rows, double Loss, double Score, double Accuracy)
{
    /// <summary>"auc", "accuracy" or "rmse".</summary>
    public static string ScoreName(LossHead head) => head.Name switch
    {
        "logistic" => "auc",
        "softmax" => "accuracy",
        _ => "rmse",
    };

    /// <summary>Whether a larger score is a better one.</summary>
    public static bool LargerIsBetter(LossHead head) => head.Name is "logistic" or "softmax";

    public static Evaluation Of(FederatedModel model, ReadOnlySpan<double> parameters, Examples examples)
    {
        Objective.Check(model, parameters, examples);
        if (examples.Count == 0)
        {
            return new Evaluation(0, double.NaN, double.NaN, double.NaN);
        }

        ModelScratch scratch = model.CreateScratch();
        double[] predictions = new double[examples.Count];
        double loss = 0;
        long right = 0;
        for (int i = 0; i < predictions.Length; i++)
        {
            Span<double> outputs = model.Outputs(parameters, examples.Row(i), scratch);
            double label = examples.Label(i);
            loss += model.Head.Loss(outputs, label);
            if (model.Head.Name == "softmax")
            {
                right += Largest(outputs) == (int)label ? 1 : 0;
            }
            else
            {
                // Ranks and the threshold need no probability; errors need the mean.
                right += (outputs[0] > 0) == (label == 1) ? 1 : 0;
                if (model.Head.Name != "logistic")
                {
                    model.Head.ToMean(outputs);
                }

                predictions[i] = outputs[0];
            }
        }

        double accuracy = (double)right / predictions.Length;
        return model.Head.Name switch
        {
            "logistic" => new Evaluation(predictions.Length, loss / predictions.Length, Metrics.Auc(predictions, examples.Labels()), accuracy),
            "softmax" => new Evaluation(predictions.Length, loss / predictions.Length, accuracy, accuracy),
            _ => new Evaluation(predictions.Length, loss / predictions.Length, Metrics.Rmse(predictions, examples.Labels()), double.NaN),
        };
    }

    private static int Largest(ReadOnlySpan<double> values)
    {
        int best = 0;
        for (int k = 1; k < values.Length; k++)
        {
            best = values[k] > values[best] ? k : best;
        }

        return best;
    }
}
