using FsCheck;
using FsCheck.Fluent;
using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class ReductionsTests
{
    [Fact]
    public void Vector_and_scalar_dot_products_have_the_same_bits() =>
        Prop.ForAll(ArbMap.Default.ArbFor<int>().Generator.ToArbitrary(), seed =>
        {
            Random random = new(seed);
            int length = random.Next(0, 300);
            double[] a = Values(random, length);
            double[] b = Values(random, length);
            double scalar = Reductions.DotScalar(a, b);
            return BitConverter.DoubleToInt64Bits(scalar) == BitConverter.DoubleToInt64Bits(Reductions.DotVector256(a, b))
                && BitConverter.DoubleToInt64Bits(scalar) == BitConverter.DoubleToInt64Bits(Reductions.DotVector512(a, b))
                && BitConverter.DoubleToInt64Bits(scalar) == BitConverter.DoubleToInt64Bits(Reductions.Dot(a, b));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Sums_go_to_lanes_by_index()
    {
        double[] a = Values(new Random(3), 1001);
        double[] ones = [.. Enumerable.Repeat(1.0, a.Length)];
        Assert.Equal(Reductions.DotScalar(a, ones), Reductions.Sum(a));
    }

    [Fact]
    public void Multiply_add_fuses_every_element()
    {
        double[] x = Values(new Random(4), 77);
        double[] y = Values(new Random(5), 77);
        double[] expected = [.. x.Zip(y, (a, b) => Math.FusedMultiplyAdd(0.1, a, b))];
        Reductions.MultiplyAdd(0.1, x, y);
        Assert.Equal(expected, y);
    }

    [Fact]
    public void Integers_convert_exactly()
    {
        int[] source = [.. Enumerable.Range(0, 37).Select(i => (i * 123_456_789) - int.MaxValue)];
        double[] destination = new double[source.Length];
        Reductions.ToDouble(source, destination);
        Assert.Equal([.. source.Select(i => (double)i)], destination);
    }

    [Fact]
    public void Vectors_of_different_length_are_refused() =>
        Assert.Throws<ArgumentException>(() => Reductions.Dot(new double[3], new double[4]));

    private static double[] Values(Random random, int length) =>
        [.. Enumerable.Range(0, length).Select(_ => (random.NextDouble() - 0.5) * Math.Exp(20 * (random.NextDouble() - 0.5)))];
}
