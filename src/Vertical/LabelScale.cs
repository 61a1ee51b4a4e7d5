using VertFed.Models;

namespace VertFed.Vertical;

/// <summary>
/// The label party's labels on the scale that training uses: as they are for the logistic family, standardised on the training rows for
/// the linear one.
/// </summary>
internal sealed class LabelScale
{
    private readonly bool _isLinear;
    private readonly double[] _test;

    private LabelScale(bool isLinear, double mean, double scale, double[] train, double[] test)
    {
        _isLinear = isLinear;
        (Mean, Scale, Train, _test) = (mean, scale, train, test);
    }

    /// <summary>Mean of y over the training rows for the linear family, else 0.</summary>
    public double Mean { get; }

    /// <summary>Population standard deviation of y over the training rows for the linear family, else 1.</summary>
    public double Scale { get; }

    /// <summary>y of the training rows on the training scale.</summary>
    public double[] Train { get; }

    /// <exception cref="ModelException">Labels that the family cannot take, or all the same.</exception>
    public static LabelScale Of(GlmFamily family, double[] labels, int[] trainRows)
    {
        double[] train = [.. trainRows.Select(i => labels[i])];
        HashSet<int> training = [.. trainRows];
        double[] test = [.. labels.Where((_, i) => !training.Contains(i))];
        family.ValidateLabels(train);
        if (family.HasLink)
        {
            return new LabelScale(isLinear: false, 0, 1, train, test);
        }

        int[] all = [.. Enumerable.Range(0, train.Length)];
        Standardiser scaling = Standardiser.Fit(["y"], [train], all);
        double[] standardised = new double[train.Length];
        scaling.Apply(0, train, all, standardised);
        return new LabelScale(isLinear: true, scaling.Means[0], scaling.Deviations[0], standardised, test);
    }

    /// <summary>Metrics of the test rows on y's own scale; none where there are no test rows, no ranks where one class is missing.</summary>
    /// <param name="joint">Linear predictors of the joint model on the training scale.</param>
    /// <param name="alone">Those of the model of the label party's columns alone.</param>
    public TestMetrics Metrics(double[] joint, double[] alone)
    {
        if (_test.Length == 0)
        {
            return new TestMetrics(null, null, null, null, null, null);
        }

        if (_isLinear)
        {
            return new TestMetrics(null, null, Models.Metrics.Rmse(Back(joint), _test), null, null, Models.Metrics.Rmse(Back(alone), _test));
        }

        bool bothClasses = _test.Contains(0) && _test.Contains(1);
        return bothClasses
            ? new TestMetrics(
                Models.Metrics.Auc(joint, _test),
                Models.Metrics.Ks(joint, _test),
                null,
                Models.Metrics.Auc(alone, _test),
                Models.Metrics.Ks(alone, _test),
                null)
            : new TestMetrics(null, null, null, null, null, null);
    }

    private double[] Back(double[] predictor) => [.. predictor.Select(eta => (eta * Scale) + Mean)];
}
