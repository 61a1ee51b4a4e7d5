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
        var pool = new Pool(model, examples.Count);
        pool.Add(parameters, examples);
        return pool.Close();
    }

    /// <summary>All rows together, each by the parameters that stand beside them: models of several clients or clusters, measured as one.</summary>
    public static Evaluation Pooled(FederatedModel model, IReadOnlyList<(double[] Parameters, Examples Rows)> parts)
    {
        var pool = new Pool(model, parts.Sum(static part => part.Rows.Count));
        foreach ((double[] parameters, Examples rows) in parts)
        {
            pool.Add(parameters, rows);
        }

        return pool.Close();
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

    private sealed class Pool(FederatedModel model, int rows)
    {
        private readonly double[] _predictions = new double[rows];
        private readonly double[] _labels = new double[rows];
        private readonly ModelScratch _scratch = model.CreateScratch();
        private double _loss;
        private long _right;
        private int _count;

        public void Add(ReadOnlySpan<double> parameters, Examples examples)
        {
            Objective.Check(model, parameters, examples);
            for (int i = 0; i < examples.Count; i++, _count++)
            {
                Span<double> outputs = model.Outputs(parameters, examples.Row(i), _scratch);
                double label = examples.Label(i);
                _labels[_count] = label;
                _loss += model.Head.Loss(outputs, label);
                if (model.Head.Name == "softmax")
                {
                    _right += Largest(outputs) == (int)label ? 1 : 0;
                    continue;
                }

                // Ranks and the threshold need no probability; errors need the mean.
                _right += (outputs[0] > 0) == (label == 1) ? 1 : 0;
                if (model.Head.Name != "logistic")
                {
                    model.Head.ToMean(outputs);
                }

                _predictions[_count] = outputs[0];
            }
        }

        public Evaluation Close()
        {
            if (_count == 0)
            {
                return new Evaluation(0, double.NaN, double.NaN, double.NaN);
            }

            double loss = _loss / _count;
            double accuracy = (double)_right / _count;
            return model.Head.Name switch
            {
                "logistic" => new Evaluation(_count, loss, Metrics.Auc(_predictions, _labels), accuracy),
                "softmax" => new Evaluation(_count, loss, accuracy, accuracy),
                _ => new Evaluation(_count, loss, Metrics.Rmse(_predictions, _labels), double.NaN),
            };
        }
    }
}
