namespace VertFed.Models;

/// <summary>
/// The best separable approximation of f(u + v) on [−12, 12]² in a weighted square norm:
/// f(u + v) ≈ α(u) + β(v) + Σ_k φ_k(u) ψ_k(v). The main effects α, β are the weighted means over the other argument; the pairs are
/// the leading singular functions of what they leave (Schmidt 1907; Eckart and Young 1936), found by subspace iteration on a
/// grid and continued between grid points by the singular equation itself (Nyström).
/// </summary>
/// <remarks>Only + − × ÷ sqrt and FMA in a fixed order: the same bits on every machine.</remarks>
internal sealed class SeparableKernel
{
    /// <summary>Most pairs that can be asked for.</summary>
    public const int MaxPairs = 16;

    private const int GridPoints = 481;
    private const int Oversampling = 6;
    private const int Sweeps = 4;

    // Scores have heavier tails than a normal distribution: a hundredth of the weight is spread 1.9 times as wide.
    private const double TailShare = 0.01;
    private const double TailWidth = 1.9;

    private readonly double[] _sums; // f at the 2·481 − 1 possible values of u + v on the grid
    private readonly double[] _grid = new double[GridPoints];
    private readonly double[] _weightU;
    private readonly double[] _weightV;
    private readonly double[] _effectU = new double[GridPoints];
    private readonly double[] _effectV = new double[GridPoints];
    private double _mean;

    private SeparableKernel(Func<double, double> kernel, double sigmaU, double muV, double sigmaV, double floor)
    {
        const double step = 2 * ChebyshevSeries.Range / (GridPoints - 1);
        for (int i = 0; i < GridPoints; i++)
        {
            _grid[i] = (i * step) - ChebyshevSeries.Range;
        }

        _sums = new double[(2 * GridPoints) - 1];
        for (int i = 0; i < _sums.Length; i++)
        {
            _sums[i] = kernel((i * step) - (2 * ChebyshevSeries.Range));
        }

        _weightU = Weights(0, sigmaU, floor);
        _weightV = Weights(muV, sigmaV, floor);
    }

    /// <summary>Singular values, largest first; one per pair found, some past the number that will be used.</summary>
    public double[] SingularValues { get; private set; } = [];

    /// <summary>Series of α, then of each φ_k.</summary>
    public double[][] SeriesU { get; private set; } = [];

    /// <summary>Series of β, then of each ψ_k.</summary>
    public double[][] SeriesV { get; private set; } = [];

    /// <param name="kernel">f, evaluated on [−24, 24].</param>
    /// <param name="sigmaU">Standard deviation of the normal weight of u (its mean is 0).</param>
    /// <param name="floor">Uniform weight added to the normal ones, so that no corner of the square goes unwatched.</param>
    public static SeparableKernel Fit(Func<double, double> kernel, int pairs, double sigmaU, double muV, double sigmaV, double floor)
    {
        SeparableKernel fit = new(kernel, sigmaU, muV, sigmaV, floor);
        fit.FindEffects();
        double[][] left = fit.FindPairs(pairs + Oversampling, out double[][] right);
        fit.MakeSeries(kernel, pairs, left, right);
        return fit;
    }

    /// <summary>Weight of the grid points for one argument: normal, with a wider tail and a uniform floor; sums to 1.</summary>
    private double[] Weights(double mu, double sigma, double floor)
    {
        double[] weights = new double[GridPoints];
        for (int i = 0; i < GridPoints; i++)
        {
            double z = (_grid[i] - mu) / sigma;
            double wide = z / TailWidth;
            weights[i] = DeterministicMath.Exp(-0.5 * z * z)
                + (TailShare / TailWidth * DeterministicMath.Exp(-0.5 * wide * wide));
        }

        double total = Reductions.Sum(weights);
        for (int i = 0; i < GridPoints; i++)
        {
            weights[i] = ((weights[i] / total) + (floor / GridPoints)) / (1 + floor);
        }

        return weights;
    }

    private void FindEffects()
    {
        for (int i = 0; i < GridPoints; i++)
        {
            _effectU[i] = Reductions.Dot(_sums.AsSpan(i, GridPoints), _weightV);
            _effectV[i] = Reductions.Dot(_sums.AsSpan(i, GridPoints), _weightU);
        }

        _mean = Reductions.Dot(_effectU, _weightU);
    }

    private double[][] FindPairs(int count, out double[][] right)
    {
        double[] rootU = Roots(_weightU);
        double[] rootV = Roots(_weightV);

        // The weighted, doubly centred kernel and its transpose, row by row.
        double[][] matrix = new double[GridPoints][];
        double[][] transposed = new double[GridPoints][];
        for (int i = 0; i < GridPoints; i++)
        {
            matrix[i] = new double[GridPoints];
            transposed[i] = new double[GridPoints];
        }

        for (int i = 0; i < GridPoints; i++)
        {
            for (int j = 0; j < GridPoints; j++)
            {
                double value = (_sums[i + j] - _effectU[i] - _effectV[j] + _mean) * rootU[i] * rootV[j];
                matrix[i][j] = value;
                transposed[j][i] = value;
            }
        }

        // Start: Chebyshev polynomials under the weight, which span nearly the right space.
        double[][] basis = new double[count][];
        for (int k = 0; k < count; k++)
        {
            basis[k] = new double[GridPoints];
            for (int i = 0; i < GridPoints; i++)
            {
                double t = _grid[i] / ChebyshevSeries.Range;
                double previous = k == 0 ? 1 : basis[k - 1][i] / rootV[i];
                double before = k < 2 ? 0 : basis[k - 2][i] / rootV[i];
                basis[k][i] = (k == 0 ? 1 : k == 1 ? t : (2 * t * previous) - before) * rootV[i];
            }
        }

        Orthonormalise(basis);
        double[][] image = [];
        for (int sweep = 0; sweep < Sweeps; sweep++)
        {
            image = Multiply(matrix, basis);
            Orthonormalise(image);
            basis = Multiply(transposed, image);
            if (sweep < Sweeps - 1)
            {
                Orthonormalise(basis);
            }
        }

        // basis = M'·image: one-sided Jacobi makes its columns orthogonal, rotating image along; their lengths are the values.
        OneSidedJacobi(basis, image);
        SingularValues = new double[count];
        for (int k = 0; k < count; k++)
        {
            SingularValues[k] = Math.Sqrt(Reductions.Dot(basis[k], basis[k]));
        }

        (double[] Right, double[] Left)[] pairs = [.. basis.Zip(image)];
        double[] keys = [.. SingularValues.Select(value => -value)];
        Array.Sort(keys, pairs);
        SingularValues = [.. keys.Select(value => -value)];
        right = [.. pairs.Select(pair => pair.Right)];
        for (int k = 0; k < count; k++)
        {
            double inverse = SingularValues[k] > 0 ? 1 / SingularValues[k] : 0;
            for (int i = 0; i < GridPoints; i++)
            {
                right[k][i] *= inverse;
            }
        }

        return [.. pairs.Select(pair => pair.Left)];
    }

    private void MakeSeries(Func<double, double> kernel, int pairs, double[][] left, double[][] right)
    {
        SeriesU = Continue(kernel, pairs, right, _weightV, _effectV, _mean);
        SeriesV = Continue(kernel, pairs, left, _weightU, _effectU, 0);
    }

    /// <summary>
    /// Functions of one argument at the Chebyshev nodes: the main effect (minus <paramref name="mean"/>), and
    /// φ_k(x) = s_k^−1/2 Σ_j √w_j C(x, grid_j) q_k,j with C doubly centred.
    /// </summary>
    private double[][] Continue(
        Func<double, double> kernel, int pairs, double[][] vectors, double[] weights, double[] otherEffect, double mean)
    {
        int nodes = ChebyshevSeries.Nodes.Length;
        double[] roots = Roots(weights);
        double[][] scaled = new double[pairs][];
        double[] sums = new double[pairs];
        double[] centring = new double[pairs];
        for (int k = 0; k < pairs; k++)
        {
            double inverse = SingularValues[k] > 1e-14 ? 1 / Math.Sqrt(SingularValues[k]) : 0;
            scaled[k] = new double[GridPoints];
            for (int j = 0; j < GridPoints; j++)
            {
                scaled[k][j] = roots[j] * vectors[k][j] * inverse;
            }

            sums[k] = Reductions.Sum(scaled[k]);
            centring[k] = Reductions.Dot(scaled[k], otherEffect);
        }

        double[][] samples = new double[pairs + 1][];
        for (int k = 0; k <= pairs; k++)
        {
            samples[k] = new double[nodes];
        }

        double[] row = new double[GridPoints];
        for (int i = 0; i < nodes; i++)
        {
            for (int j = 0; j < GridPoints; j++)
            {
                row[j] = kernel(ChebyshevSeries.Nodes[i] + _grid[j]);
            }

            double effect = Reductions.Dot(row, weights);
            samples[0][i] = effect - mean;
            for (int k = 0; k < pairs; k++)
            {
                samples[k + 1][i] = Reductions.Dot(row, scaled[k]) - ((effect - _mean) * sums[k]) - centring[k];
            }
        }

        double[][] series = new double[pairs + 1][];
        for (int k = 0; k <= pairs; k++)
        {
            series[k] = new double[ChebyshevSeries.Coefficients];
            ChebyshevSeries.Interpolate(samples[k], series[k]);
        }

        return series;
    }

    private static double[][] Multiply(double[][] rows, double[][] vectors)
    {
        double[][] result = new double[vectors.Length][];
        for (int k = 0; k < vectors.Length; k++)
        {
            double[] product = new double[GridPoints];
            for (int i = 0; i < GridPoints; i++)
            {
                product[i] = Reductions.Dot(rows[i], vectors[k]);
            }

            result[k] = product;
        }

        return result;
    }

    /// <summary>Modified Gram–Schmidt, twice; a column with nothing left becomes zero.</summary>
    private static void Orthonormalise(double[][] vectors)
    {
        for (int k = 0; k < vectors.Length; k++)
        {
            double before = Math.Sqrt(Reductions.Dot(vectors[k], vectors[k]));
            for (int pass = 0; pass < 2; pass++)
            {
                for (int j = 0; j < k; j++)
                {
                    Reductions.MultiplyAdd(-Reductions.Dot(vectors[j], vectors[k]), vectors[j], vectors[k]);
                }
            }

            double norm = Math.Sqrt(Reductions.Dot(vectors[k], vectors[k]));
            double inverse = norm > 1e-13 * before ? 1 / norm : 0;
            for (int i = 0; i < vectors[k].Length; i++)
            {
                vectors[k][i] *= inverse;
            }
        }
    }

    /// <summary>Rotates pairs of columns until all are orthogonal (Hestenes 1958); the same rotations go to the companions.</summary>
    private static void OneSidedJacobi(double[][] columns, double[][] companions)
    {
        for (int sweep = 0; sweep < 20; sweep++)
        {
            bool rotated = false;
            for (int p = 0; p < columns.Length; p++)
            {
                for (int q = p + 1; q < columns.Length; q++)
                {
                    double pp = Reductions.Dot(columns[p], columns[p]);
                    double qq = Reductions.Dot(columns[q], columns[q]);
                    double pq = Reductions.Dot(columns[p], columns[q]);
                    if (!(Math.Abs(pq) > 1e-15 * Math.Sqrt(pp * qq)))
                    {
                        continue;
                    }

                    rotated = true;
                    double tau = (qq - pp) / (2 * pq);
                    double t = (tau >= 0 ? 1.0 : -1.0) / (Math.Abs(tau) + Math.Sqrt(1 + (tau * tau)));
                    double cosine = 1 / Math.Sqrt(1 + (t * t));
                    Rotate(columns[p], columns[q], cosine, cosine * t);
                    Rotate(companions[p], companions[q], cosine, cosine * t);
                }
            }

            if (!rotated)
            {
                return;
            }
        }
    }

    private static void Rotate(double[] a, double[] b, double cosine, double sine)
    {
        for (int i = 0; i < a.Length; i++)
        {
            double x = a[i];
            double y = b[i];
            a[i] = (cosine * x) - (sine * y);
            b[i] = (sine * x) + (cosine * y);
        }
    }

    private static double[] Roots(double[] weights) => [.. weights.Select(Math.Sqrt)];
}
