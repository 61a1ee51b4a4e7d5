using System.Numerics;
using VertFed.Lattice;
using VertFed.Primitives;
using Xunit;
using static VertFed.UnitTests.Lattice.LatticeFixtures;

namespace VertFed.UnitTests.Lattice;

public sealed class KernelTests
{
    private static readonly Kernel[] Kernels = [Kernel.Scalar, Kernel.Wide256, Kernel.Wide512];

    public static TheoryData<int, int> KernelsAndDegrees()
    {
        TheoryData<int, int> data = [];
        for (int kernel = 0; kernel < Kernels.Length; kernel++)
        {
            foreach (int degree in (int[])[64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384])
            {
                if (kernel == 0 || degree >= Kernel.MinimumVectorDegree)
                {
                    data.Add(kernel, degree);
                }
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(KernelsAndDegrees))]
    public void The_forward_transform_evaluates_at_the_odd_powers_of_the_root(int kernel, int degree)
    {
        ulong prime = PrimeNumbers.LargestBelow(1UL << 50, 2 * (ulong)degree, 1)[0];
        NttTables tables = new(prime, degree, Kernels[kernel].LogLanes);
        using RandomStream stream = Stream("evaluate " + degree);
        double[] x = RandomResidues(stream, degree, prime);
        double[] y = [.. x];
        Kernels[kernel].Forward(tables, y);
        ulong[] actual = Canonical(Kernels[kernel], tables, y);
        ulong root = PrimeNumbers.RootOfUnity(prime, 2 * (ulong)degree);
        foreach (int i in (int[])[0, 1, 2, 3, 5, degree / 2, degree - 7, degree - 2, degree - 1])
        {
            ulong point = PrimeNumbers.PowMod(root, (2 * (ulong)NttTables.ReverseBits(i, tables.LogDegree)) + 1, prime), value = 0;
            for (int k = degree - 1; k >= 0; k--)
            {
                value = (PrimeNumbers.MulMod(value, point, prime) + (ulong)x[k]) % prime;
            }

            Assert.Equal(value, actual[i]);
        }
    }

    [Theory]
    [MemberData(nameof(KernelsAndDegrees))]
    public void The_inverse_transform_undoes_the_forward_transform(int kernel, int degree)
    {
        ulong prime = PrimeNumbers.LargestBelow(1UL << 50, 2 * (ulong)degree, 2)[1];
        NttTables tables = new(prime, degree, Kernels[kernel].LogLanes);
        using RandomStream stream = Stream("invert " + degree);
        double[] x = RandomResidues(stream, degree, prime);
        double[] y = [.. x];
        Kernels[kernel].Forward(tables, y);
        Kernels[kernel].Inverse(tables, y);
        Assert.Equal(x.Select(v => (ulong)v), Canonical(Kernels[kernel], tables, y));
    }

    [Theory]
    [InlineData(256)]
    [InlineData(8192)]
    public void Every_path_gives_the_same_residues(int degree)
    {
        ulong prime = PrimeNumbers.LargestBelow(1UL << 50, 2 * (ulong)degree, 1)[0];
        using RandomStream stream = Stream("paths " + degree);
        double[] a = RandomResidues(stream, degree, prime), b = RandomResidues(stream, degree, prime);
        List<ulong[]> results = [];
        foreach (Kernel kernel in Kernels)
        {
            NttTables tables = new(prime, degree, kernel.LogLanes);
            double[] x = [.. a], y = [.. b], sum = [.. b];
            kernel.Forward(tables, x);
            results.Add(Canonical(kernel, tables, x));
            kernel.Forward(tables, y);
            kernel.MultiplyAdd(tables, x, y, sum);
            kernel.MultiplySubtract(tables, x, y, sum, y);
            kernel.Multiply(tables, x, y);
            kernel.MultiplyAddConstant(tables, x, tables.Forward[1], y);
            kernel.MultiplyConstant(tables, tables.Forward[2], y);
            kernel.Add(tables, sum, y);
            kernel.Inverse(tables, y);
            results.Add(Canonical(kernel, tables, y));
        }

        for (int i = 2; i < results.Count; i++)
        {
            Assert.Equal(results[i % 2], results[i]);
        }
    }

    [Fact]
    public void Products_are_exact_at_the_edges_of_the_allowed_ranges()
    {
        NttTables tables = LatticeParameters.Link.Primes[0];
        double p = tables.P;
        double[] edges = [0, 1, -1, 2, p - 1, 1 - p, p, -p, (p - 1) / 2, (p + 1) / 2, -(p - 1) / 2, p - 2, Math.Floor(p / 3)];
        double[] wide = [.. edges, 4 * p, -4 * p, (4 * p) - 1, (2 * p) + 1, (3.5 * p) + 0.5];
        foreach (Kernel kernel in Kernels)
        {
            foreach (double a in edges)
            {
                foreach (double b in edges)
                {
                    double[] sum = [.. Enumerable.Repeat(a, 8)];
                    kernel.MultiplyAdd(tables, [.. Enumerable.Repeat(a, 8)], [.. Enumerable.Repeat(b, 8)], sum);
                    BigInteger expected = Mod(((BigInteger)a * (BigInteger)b) + (BigInteger)a, tables.Prime);
                    Assert.All(sum, r => AssertResidue(expected, r, tables, 0.5));
                }
            }

            foreach (double x in wide)
            {
                foreach (double w in (double[])[0, 1, -1, (p - 1) / 2, -(p - 1) / 2, 1L << 48])
                {
                    double[] product = [.. Enumerable.Repeat(x, 8)];
                    kernel.MultiplyConstant(tables, w, product);
                    Assert.All(product, r => AssertResidue(Mod((BigInteger)x * (BigInteger)w, tables.Prime), r, tables, 0.75));
                }

                double[] canonical = [.. Enumerable.Repeat(x, 8)];
                kernel.Canonicalise(tables, canonical);
                Assert.All(canonical, r => Assert.Equal(Mod((BigInteger)x, tables.Prime), (BigInteger)r));
            }
        }
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(1.0)]
    [InlineData(-1.0)]
    public void Transforms_stay_exact_when_every_input_is_extreme(double sign)
    {
        NttTables reference = new(LatticeParameters.Link.Literal.Primes[0], 8192, 0);
        double[] input = [.. Enumerable.Range(0, 8192).Select(i => sign == 0 ? ((i * 7) % 3 == 0 ? reference.P : -reference.P) : sign * (reference.P - 1))];
        double[] expected = [.. input];
        Kernel.Scalar.Forward(reference, expected);
        Assert.All(expected, r => Assert.True(Math.Abs(r) <= (reference.P / 2) + 1));
        foreach (Kernel kernel in Kernels)
        {
            NttTables tables = new(reference.Prime, 8192, kernel.LogLanes);
            double[] x = [.. input];
            kernel.Forward(tables, x);
            Assert.Equal(Canonical(Kernel.Scalar, reference, expected), Canonical(kernel, tables, x));
            kernel.Inverse(tables, x);
            Assert.Equal(Canonical(Kernel.Scalar, reference, input), Canonical(kernel, tables, x));
            Array.Copy(input, x, x.Length);
            kernel.Inverse(tables, x);
            kernel.Forward(tables, x);
            Assert.Equal(Canonical(Kernel.Scalar, reference, input), Canonical(kernel, tables, x));
        }
    }

    [Fact]
    public void The_inner_product_of_integers_is_exact_for_any_length()
    {
        foreach (Kernel kernel in Kernels)
        {
            for (int length = 0; length < 70; length++)
            {
                double[] a = [.. Enumerable.Range(0, length).Select(i => (double)((1L << 36) - 1 - i))];
                double[] b = [.. Enumerable.Range(0, length).Select(i => (double)((i % 3) - 1))];
                long expected = a.Zip(b, (x, y) => (long)x * (long)y).Sum();
                Assert.Equal(expected, kernel.DotExact(a, b));
            }
        }
    }

    private static void AssertResidue(BigInteger expected, double actual, NttTables tables, double bound)
    {
        Assert.Equal(expected, Mod((BigInteger)actual, tables.Prime));
        Assert.True(Math.Abs(actual) <= (bound * tables.P) + 1, $"{actual} is not loosely reduced");
    }
}
