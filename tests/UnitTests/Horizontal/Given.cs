using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Models;
using VertFed.Primitives;

namespace VertFed.UnitTests.Horizontal;

/// <summary>Rows, models and streams for the tests of the horizontal mode.</summary>
internal static class Given
{
    public static RandomStream Stream(ulong seed) => RandomStreams.InsecureFromSeed(seed).For("test", 0, 0);

    public static double[] Vector(ulong seed, int length, double scale = 1)
    {
        using RandomStream stream = Stream(seed);
        return [.. Enumerable.Range(0, length).Select(_ => scale * Draws.Normal(stream))];
    }

    /// <summary>Rows whose labels follow a logistic model with weights that fall off; columns standard normal.</summary>
    public static Examples Logistic(ulong seed, int rows, int features, double shift = 0)
    {
        using RandomStream stream = Stream(seed);
        double[] x = new double[rows * features];
        double[] y = new double[rows];
        for (int i = 0; i < rows; i++)
        {
            double eta = -0.5;
            for (int j = 0; j < features; j++)
            {
                x[(i * features) + j] = Draws.Normal(stream) + shift;
                eta += (j % 2 == 0 ? 1.5 : -1.5) / (1 + j) * x[(i * features) + j];
            }

            y[i] = Draws.Uniform(stream) < DeterministicMath.Sigmoid(eta) ? 1 : 0;
        }

        return Examples.FromRows(x, y, features);
    }

    public static Examples WithLabels(ulong seed, int rows, int features, Func<RandomStream, double> label)
    {
        using RandomStream stream = Stream(seed);
        double[] x = [.. Enumerable.Range(0, rows * features).Select(_ => Draws.Normal(stream))];
        double[] y = [.. Enumerable.Range(0, rows).Select(_ => label(stream))];
        return Examples.FromRows(x, y, features);
    }

    public static void AssertClose(ReadOnlySpan<double> expected, ReadOnlySpan<double> actual, double tolerance = 1e-12)
    {
        Xunit.Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Xunit.Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance, $"element {i}: {expected[i]:g17} expected, {actual[i]:g17} found");
        }
    }
}
