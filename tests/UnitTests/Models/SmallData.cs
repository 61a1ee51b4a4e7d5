using VertFed.Models;

namespace VertFed.UnitTests.Models;

/// <summary>Random columns of a wanted size, for tests of the numerical parts.</summary>
internal static class SmallData
{
    /// <summary>Columns that share one hidden factor with the given correlation.</summary>
    public static (QuantisedColumns Columns, double[] Factor) Random(int rows, int count, int seed, double correlation, bool withIntercept)
    {
        Random random = new(seed);
        double[] factor = [.. Enumerable.Range(0, rows).Select(_ => Gauss(random))];
        double[][] columns = new double[count][];
        double own = Math.Sqrt(1 - (correlation * correlation));
        for (int j = 0; j < count; j++)
        {
            columns[j] = [.. factor.Select(f => (correlation * f) + (own * Gauss(random)))];
        }

        return (Quantise(columns, withIntercept), factor);
    }

    public static QuantisedColumns Quantise(double[][] columns, bool withIntercept, int bits = 14)
    {
        int[] rows = [.. Enumerable.Range(0, columns[0].Length)];
        return Standardiser.Fit([.. columns.Select((_, j) => $"x{j}")], columns, rows).Quantise(columns, rows, bits, withIntercept);
    }

    public static double Gauss(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
