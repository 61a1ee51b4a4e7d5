namespace VertFed.Models;

/// <summary>The feature party's half of a separable link: what the label party sends. Coefficients of α, then of φ_1 … φ_K.</summary>
/// <param name="Version">Grows with every refit.</param>
/// <param name="Pairs">K; 0 says that the residual needs no ciphertext (u = 0 everywhere).</param>
/// <param name="RmsError">Weighted root mean square error of the link, by which both parties judge gradients.</param>
/// <param name="Final">No later tables will have more pairs.</param>
/// <param name="Coefficients">(K + 1) × (<see cref="ChebyshevSeries.Degree"/> + 1) numbers.</param>
public sealed record LinkSeries(int Version, int Pairs, double RmsError, bool Final, double[] Coefficients)
{
    /// <summary>Largest |coefficient| that a receiver takes: series values stay below 2^20 then.</summary>
    private const double LargestCoefficient = 8192;

    /// <summary>What the optimiser needs to know of these tables.</summary>
    public LinkQuality Quality => new(Version, RmsError, Final);

    /// <summary>α′(u): the expected curvature of the loss given u, by which the feature party whitens.</summary>
    public double[] Curvature(ReadOnlySpan<double> clippedU) => LinkTables.CurvatureOf(this[0], clippedU);

    /// <summary>The series of α (index 0) or φ_index.</summary>
    public ReadOnlySpan<double> this[int index] =>
        Coefficients.AsSpan(index * ChebyshevSeries.Coefficients, ChebyshevSeries.Coefficients);

    /// <summary>Checks a received half.</summary>
    /// <exception cref="ModelException">Wrong length, too many pairs, or numbers out of range.</exception>
    public void Validate()
    {
        Throw.If(Version < 0, ModelError.InvalidInput, "A link table version cannot be negative.");
        Throw.If(Pairs is < 0 or > SeparableKernel.MaxPairs, ModelError.InvalidInput, $"A link has 0 to {SeparableKernel.MaxPairs} pairs.");
        Throw.If(
            Coefficients.Length != (Pairs + 1) * ChebyshevSeries.Coefficients,
            ModelError.InvalidInput,
            "Link tables have the wrong number of coefficients.");
        Throw.If(!(RmsError >= 0) || RmsError > 1, ModelError.InvalidInput, "A link's error has to lie in [0, 1].");
        Throw.If(
            Array.Exists(Coefficients, c => !(Math.Abs(c) <= LargestCoefficient)),
            ModelError.NotFinite,
            "Link tables hold a coefficient out of range.");
    }
}

/// <summary>
/// The label party's separable link σ̂(u, v) = α(u) + β(v) + Σ_k φ_k(u) ψ_k(v) on [−12, 12]². It depends on the scale buckets and K
/// alone. <see cref="ForFeatureParty"/> is what is sent; β and ψ stay.
/// </summary>
public sealed class LinkTables
{
    // Tables are made a little wider than the data; values far out stay within the residual bound thanks to the floor.
    private const double Widening = 1.3;
    private const double BoundStep = 0.1;
    private const int BoundPoints = (int)((2 * ChebyshevSeries.Range / BoundStep) + 1.5);

    private readonly double[] _label;

    private LinkTables(LinkSeries forFeatureParty, double[] label, double maxError, double residualBound)
    {
        ForFeatureParty = forFeatureParty;
        _label = label;
        MaxError = maxError;
        ResidualBound = residualBound;
    }

    public LinkSeries ForFeatureParty { get; }

    public int Version => ForFeatureParty.Version;

    public int Pairs => ForFeatureParty.Pairs;

    /// <summary>Root mean square of f̂ − f under the widened normal weights: what rows within the buckets see.</summary>
    public double RmsError => ForFeatureParty.RmsError;

    /// <summary>Largest |f̂ − f| on the square, seen on a grid of step 0.1.</summary>
    public double MaxError { get; }

    /// <summary>Largest |σ̂ − y| on the square for y in {0, 1}, with 1% for what lies between the grid points.</summary>
    public double ResidualBound { get; }

    /// <summary>The series of β (index 0) or ψ_index.</summary>
    public ReadOnlySpan<double> LabelSeries(int index) =>
        _label.AsSpan(index * ChebyshevSeries.Coefficients, ChebyshevSeries.Coefficients);

    /// <summary>β′(v): the expected curvature of the loss given v, by which the label party whitens.</summary>
    public double[] Curvature(ReadOnlySpan<double> clippedV) => CurvatureOf(LabelSeries(0), clippedV);

    /// <summary>
    /// For u = 0 everywhere (the feature party has not moved yet): β = σ and α(0) = 0, so the residual is exact without a pair. α is the
    /// mean of σ(u + v) over v up to a constant, whose slope tells the feature party the curvature.
    /// </summary>
    public static LinkTables ForZeroScores(int version, ScaleBuckets buckets)
    {
        SeparableKernel fit = SeparableKernel.Fit(
            DeterministicMath.Sigmoid, 0, Widening * buckets.SigmaU, buckets.MuV, Widening * buckets.SigmaV, 1e-6);
        double[] feature = (double[])fit.SeriesU[0].Clone();
        feature[0] -= ChebyshevSeries.Evaluate(feature, 0);
        double[] label = new double[ChebyshevSeries.Coefficients];
        double[] samples = [.. ChebyshevSeries.Nodes.ToArray().Select(DeterministicMath.Sigmoid)];
        ChebyshevSeries.Interpolate(samples, label);
        return new LinkTables(new LinkSeries(version, 0, 0, false, feature), label, 0, 1);
    }

    internal static double[] CurvatureOf(ReadOnlySpan<double> mainEffect, ReadOnlySpan<double> clipped)
    {
        double[] curvature = new double[clipped.Length];
        ChebyshevSeries.Evaluate(ChebyshevSeries.Derivative(mainEffect), clipped, curvature);
        for (int i = 0; i < curvature.Length; i++)
        {
            // The slope of a logistic mean; the series' own error of 1e-13 may leave these bounds far out.
            curvature[i] = Math.Clamp(curvature[i], 1e-9, 0.25);
        }

        return curvature;
    }

    /// <summary>Tables of the logistic link for K pairs.</summary>
    /// <exception cref="ModelException">The residual bound of 2 cannot be held with so few pairs at these scales.</exception>
    public static LinkTables Logistic(int version, int pairs, ScaleBuckets buckets) =>
        LogisticFamilyOfTables(version, buckets, pairs)[^1];

    /// <summary>Tables of log(1 + e^(u+v)), for the train loss at the end.</summary>
    public static LinkTables LogisticLoss(int version, int pairs, ScaleBuckets buckets)
    {
        SeparableKernel fit = SeparableKernel.Fit(
            DeterministicMath.Log1pExp, pairs, Widening * buckets.SigmaU, buckets.MuV, Widening * buckets.SigmaV, 1e-6);
        return Assemble(version, pairs, fit, DeterministicMath.Log1pExp, buckets);
    }

    /// <summary>One fit that serves several K: the leading pairs of the same expansion.</summary>
    /// <param name="pairs">Numbers of pairs, the largest last.</param>
    internal static LinkTables[] LogisticFamilyOfTables(int version, ScaleBuckets buckets, params ReadOnlySpan<int> pairs)
    {
        int most = pairs[^1];
        Throw.If(most is < 1 or > SeparableKernel.MaxPairs, ModelError.InvalidInput, $"A link has 1 to {SeparableKernel.MaxPairs} pairs.");
        for (double floor = 1e-6; ; floor *= 10)
        {
            SeparableKernel fit = SeparableKernel.Fit(
                DeterministicMath.Sigmoid, most, Widening * buckets.SigmaU, buckets.MuV, Widening * buckets.SigmaV, floor);
            LinkTables[] tables = new LinkTables[pairs.Length];
            bool bounded = true;
            for (int i = 0; i < tables.Length; i++)
            {
                tables[i] = Assemble(version, pairs[i], fit, DeterministicMath.Sigmoid, buckets);
                bounded &= tables[i].ResidualBound <= ScalePlanner.LogisticResidualBound;
            }

            // A heavier floor trades accuracy where the data is for the bound where it is not.
            if (bounded)
            {
                return tables;
            }

            Throw.If(
                floor > 0.05,
                ModelError.ResidualOutOfBounds,
                $"The separable link with {pairs[0]} pairs leaves residuals above {ScalePlanner.LogisticResidualBound} at these scales.");
        }
    }

    internal LinkTables With(int version, bool final) =>
        new(ForFeatureParty with { Version = version, Final = final }, _label, MaxError, ResidualBound);

    private static LinkTables Assemble(int version, int pairs, SeparableKernel fit, Func<double, double> kernel, ScaleBuckets buckets)
    {
        double[] feature = Flatten(fit.SeriesU, pairs);
        double[] label = Flatten(fit.SeriesV, pairs);
        LinkSeries sent = new(version, pairs, 0, false, feature);
        (double rms, double error, double bound) = Errors(sent, label, kernel, buckets);
        return new LinkTables(sent with { RmsError = rms }, label, error, bound);
    }

    private static (double Rms, double Error, double Bound) Errors(
        LinkSeries sent, double[] label, Func<double, double> kernel, ScaleBuckets buckets)
    {
        double[] grid = new double[BoundPoints];
        double[] exact = new double[(2 * BoundPoints) - 1];
        for (int i = 0; i < grid.Length; i++)
        {
            grid[i] = Math.Min((i * BoundStep) - ChebyshevSeries.Range, ChebyshevSeries.Range);
        }

        for (int i = 0; i < exact.Length; i++)
        {
            exact[i] = kernel((i * BoundStep) - (2 * ChebyshevSeries.Range));
        }

        int functions = sent.Pairs + 1;
        double[][] u = new double[functions][];
        double[][] v = new double[functions][];
        for (int k = 0; k < functions; k++)
        {
            u[k] = new double[BoundPoints];
            v[k] = new double[BoundPoints];
            ChebyshevSeries.Evaluate(sent[k], grid, u[k]);
            ChebyshevSeries.Evaluate(label.AsSpan(k * ChebyshevSeries.Coefficients, ChebyshevSeries.Coefficients), grid, v[k]);
        }

        double[] weightU = new double[BoundPoints];
        double[] weightV = new double[BoundPoints];
        for (int i = 0; i < BoundPoints; i++)
        {
            double zu = grid[i] / (Widening * buckets.SigmaU);
            double zv = (grid[i] - buckets.MuV) / (Widening * buckets.SigmaV);
            weightU[i] = DeterministicMath.Exp(-0.5 * zu * zu);
            weightV[i] = DeterministicMath.Exp(-0.5 * zv * zv);
        }

        double squares = 0;
        double error = 0;
        double low = 0;
        double high = 1;
        double[] row = new double[BoundPoints];
        for (int i = 0; i < BoundPoints; i++)
        {
            v[0].CopyTo(row, 0);
            for (int k = 1; k < functions; k++)
            {
                Reductions.MultiplyAdd(u[k][i], v[k], row);
            }

            for (int j = 0; j < BoundPoints; j++)
            {
                double value = u[0][i] + row[j];
                double miss = value - exact[i + j];
                squares += weightU[i] * weightV[j] * miss * miss;
                error = Math.Max(error, Math.Abs(miss));
                low = Math.Min(low, value);
                high = Math.Max(high, value);
            }
        }

        double rms = Math.Sqrt(squares / (Reductions.Sum(weightU) * Reductions.Sum(weightV)));
        return (Math.Min(1, rms), error, 1.01 * Math.Max(high, 1 - low));
    }

    private static double[] Flatten(double[][] series, int pairs)
    {
        double[] flat = new double[(pairs + 1) * ChebyshevSeries.Coefficients];
        for (int k = 0; k <= pairs; k++)
        {
            series[k].CopyTo(flat, k * ChebyshevSeries.Coefficients);
        }

        return flat;
    }
}
