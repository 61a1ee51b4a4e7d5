using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Vertical;

/// <summary>
/// One party's half of a trained model, as its model.json holds it: what turns own columns into the own part of the linear predictor,
/// intercept + Σ w_j (x_j − mean_j) / deviation_j.
/// </summary>
public sealed class ModelHalf
{
    /// <param name="columns">Own feature names, d of them, in the order of training.</param>
    /// <param name="weights">d coefficients on the standardised scale of x; linear family: on y's own scale.</param>
    /// <param name="means">d means of the training rows.</param>
    /// <param name="deviations">d population standard deviations of the training rows.</param>
    /// <param name="intercept">The label party's; 0 at the feature party.</param>
    /// <param name="labelScale">Linear family: the standard deviation of y in training, in y's unit; else 1.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: lengths differ, a number is not finite, or a scale is not
    /// positive.</exception>
    public ModelHalf(
        Family family, IReadOnlyList<string> columns, double[] weights, double[] means, double[] deviations, double intercept, double labelScale)
    {
        int count = columns.Count;
        if (count is < 1 or > Limits.MaxColumns || weights.Length != count || means.Length != count || deviations.Length != count
            || !weights.Concat(means).Append(intercept).All(double.IsFinite)
            || !deviations.Append(labelScale).All(scale => scale > 0 && double.IsFinite(scale))
            || family is not (Family.Logistic or Family.Linear))
        {
            throw new VertFedException(ErrorCode.BadInput, "This half of the model holds a number, or a count of numbers, that no training gives.");
        }

        (Family, Columns, Intercept, LabelScale) = (family, columns, intercept, labelScale);
        (_weights, _means, _deviations) = (weights, means, deviations);
    }

    private readonly double[] _weights;
    private readonly double[] _means;
    private readonly double[] _deviations;

    public Family Family { get; }

    public IReadOnlyList<string> Columns { get; }

    public double Intercept { get; }

    public double LabelScale { get; }

    /// <summary>The own coefficients as ResultCommitment binds them: the label party's intercept first.</summary>
    /// <param name="isLabelParty">Whether the intercept is among them.</param>
    public byte[] Encode(bool isLabelParty) => ResultValues.Encode(
    [
        .. isLabelParty ? [(VerticalResult.InterceptName, Intercept)] : Array.Empty<(string, double)>(),
        .. Columns.Select((name, j) => (name, _weights[j])),
    ]);

    /// <summary>The own part of the linear predictor of each row.</summary>
    /// <param name="features">d arrays of one value a row, in own units, in the order of <see cref="Columns"/>.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: a sum is not finite.</exception>
    public double[] Predict(double[][] features, int rows)
    {
        if (features.Length != Columns.Count || features.Any(column => column.Length != rows))
        {
            throw new ArgumentException("There has to be one column of all rows for each of the model's.", nameof(features));
        }

        double[] predictor = new double[rows];
        Array.Fill(predictor, Intercept);
        double[] standardised = new double[rows];
        for (int j = 0; j < features.Length; j++)
        {
            for (int i = 0; i < rows; i++)
            {
                standardised[i] = (features[j][i] - _means[j]) / _deviations[j];
            }

            Reductions.MultiplyAdd(_weights[j], standardised, predictor);
        }

        return Array.TrueForAll(predictor, double.IsFinite)
            ? predictor
            : throw new VertFedException(ErrorCode.BadInput, "A customer's values are so far from those of training that its score is not a finite number.");
    }
}
