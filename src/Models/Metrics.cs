namespace VertFed.Models;

/// <summary>Measures of a model on labelled rows. Ties are always handled together, so the order of rows never matters.</summary>
public static class Metrics
{
    /// <summary>
    /// Area under the ROC curve by the Mann–Whitney statistic with mid-ranks: the probability that a random event scores above a
    /// random non-event, ties counting one half. NaN without both kinds.
    /// </summary>
    public static double Auc(ReadOnlySpan<double> scores, ReadOnlySpan<double> y)
    {
        (double[] sorted, double[] labels, double events, double others) = Sort(scores, y);
        if (events == 0 || others == 0)
        {
            return double.NaN;
        }

        double rankSum = 0;
        for (int start = 0; start < sorted.Length;)
        {
            int end = start;
            double tied = 0;
            while (end < sorted.Length && sorted[end] == sorted[start])
            {
                tied += labels[end];
                end++;
            }

            // Ranks start + 1 … end have this mean.
            rankSum += tied * 0.5 * (start + 1 + end);
            start = end;
        }

        return (rankSum - (events * (events + 1) / 2)) / (events * others);
    }

    /// <summary>Kolmogorov–Smirnov: the largest |true positive rate − false positive rate| over all thresholds.</summary>
    public static double Ks(ReadOnlySpan<double> scores, ReadOnlySpan<double> y)
    {
        (double[] sorted, double[] labels, double events, double others) = Sort(scores, y);
        if (events == 0 || others == 0)
        {
            return double.NaN;
        }

        double best = 0;
        double seenEvents = 0;
        double seenOthers = 0;
        for (int i = 0; i < sorted.Length; i++)
        {
            seenEvents += labels[i];
            seenOthers += 1 - labels[i];
            if (i + 1 == sorted.Length || sorted[i + 1] != sorted[i])
            {
                best = Math.Max(best, Math.Abs((seenEvents / events) - (seenOthers / others)));
            }
        }

        return best;
    }

    /// <summary>Root mean square of prediction − y.</summary>
    public static double Rmse(ReadOnlySpan<double> predictions, ReadOnlySpan<double> y)
    {
        Throw.If(predictions.Length != y.Length, ModelError.InvalidInput, "There has to be one label per prediction.");
        double[] squares = new double[y.Length];
        for (int i = 0; i < squares.Length; i++)
        {
            double error = predictions[i] - y[i];
            squares[i] = error * error;
        }

        return Math.Sqrt(Reductions.Sum(squares) / squares.Length);
    }

    /// <summary>Mean logistic loss log(1 + e^η) − yη of linear predictors.</summary>
    public static double LogLoss(ReadOnlySpan<double> eta, ReadOnlySpan<double> y) => LocalFit.MeanLoss(GlmFamily.Logistic, eta, y);

    private static (double[] Sorted, double[] Labels, double Events, double Others) Sort(ReadOnlySpan<double> scores, ReadOnlySpan<double> y)
    {
        Throw.If(scores.Length != y.Length, ModelError.InvalidInput, "There has to be one label per score.");
        Throw.IfNotFinite(scores, "The list of scores");
        double[] sorted = scores.ToArray();
        double[] labels = y.ToArray();
        Array.Sort(sorted, labels);
        double events = 0;
        foreach (double label in labels)
        {
            Throw.If(label is not (0 or 1), ModelError.InvalidLabels, "AUC and KS take labels 0 and 1.");
            events += label;
        }

        return (sorted, labels, events, labels.Length - events);
    }
}
