using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using VertFed.Lattice;
using VertFed.Primitives;

namespace VertFed.UnitTests.Lattice;

/// <summary>Seeded streams, small insecure rings and naive big-integer arithmetic for the tests of this folder.</summary>
internal static class LatticeFixtures
{
    internal static LatticeParameters Tiny { get; } = LatticeParameters.CreateInsecureForTests(
        new LatticeLiteral(64, PrimeNumbers.LargestBelow(1UL << 20, 128, 1)[0], [.. PrimeNumbers.LargestBelow(1UL << 50, 128, 3)]));

    /// <summary>A small ring that is large enough for the vector kernels.</summary>
    internal static LatticeParameters Small { get; } = LatticeParameters.CreateInsecureForTests(
        new LatticeLiteral(256, PrimeNumbers.LargestBelow(1UL << 58, 512, 1)[0], [.. PrimeNumbers.LargestBelow(1UL << 50, 512, 4)]));

    private static readonly System.Runtime.CompilerServices.ConditionalWeakTable<LatticeParameters, BigInteger[]> Factors = [];

    internal static byte[] Seed(string label) => SHA256.HashData(Encoding.UTF8.GetBytes(label));

    internal static RandomStream Stream(string label) => new(Seed(label));

    internal static long[] RandomSigned(RandomStream stream, int count, ulong bound)
    {
        long[] values = new long[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (long)stream.NextBelow((2 * bound) + 1) - (long)bound;
        }

        return values;
    }

    internal static double[] RandomResidues(RandomStream stream, int count, ulong prime)
    {
        double[] values = new double[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = stream.NextBelow(prime);
        }

        return values;
    }

    /// <summary>a·b in Z[X]/(X^N + 1), by the definition.</summary>
    internal static BigInteger[] NegacyclicProduct(ReadOnlySpan<BigInteger> a, ReadOnlySpan<BigInteger> b)
    {
        int n = a.Length;
        BigInteger[] product = new BigInteger[n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                int k = i + j;
                product[k % n] += k < n ? a[i] * b[j] : -(a[i] * b[j]);
            }
        }

        return product;
    }

    internal static BigInteger Mod(BigInteger value, BigInteger modulus)
    {
        BigInteger rest = value % modulus;
        return rest.Sign < 0 ? rest + modulus : rest;
    }

    internal static BigInteger Centred(BigInteger value, BigInteger modulus)
    {
        BigInteger rest = Mod(value, modulus);
        return 2 * rest > modulus ? rest - modulus : rest;
    }

    internal static BigInteger Q(LatticeParameters parameters) =>
        parameters.Literal.Primes.Aggregate(BigInteger.One, (product, prime) => product * prime);

    /// <summary>Coefficient k of a polynomial in residue form, as an integer in [0, q), by the Chinese remainder theorem.</summary>
    internal static BigInteger Coefficient(LatticeParameters parameters, RingElement element, int k)
    {
        BigInteger[] factors = Factors.GetValue(parameters, p =>
        [
            .. p.Literal.Primes.Select(prime => Q(p) / prime * BigInteger.ModPow(Q(p) / prime, prime - 2, prime)),
        ]);
        BigInteger sum = 0;
        for (int i = 0; i < parameters.PrimeCount; i++)
        {
            sum += (BigInteger)element[i][k] * factors[i];
        }

        return Mod(sum, Q(parameters));
    }

    internal static RingElement Copy(RingElement element)
    {
        RingElement copy = new(element.Parameters);
        copy.CopyFrom(element);
        return copy;
    }

    internal static ulong[] Canonical(Kernel kernel, NttTables tables, ReadOnlySpan<double> values)
    {
        double[] copy = values.ToArray();
        kernel.Canonicalise(tables, copy);
        return [.. copy.Select(x => (ulong)x)];
    }
}

/// <summary>A key pair of the party that decrypts.</summary>
internal sealed class TestKeys : IDisposable
{
    internal TestKeys(LatticeParameters parameters, string label)
    {
        using RandomStream secret = LatticeFixtures.Stream(label);
        Secret = SecretKey.Generate(parameters, secret);
        Public = PublicKey.Generate(Secret, LatticeFixtures.Seed(label + " uniform"), secret);
    }

    internal SecretKey Secret { get; }

    internal PublicKey Public { get; }

    internal Ciphertext Encrypt(Plaintext plaintext, string label)
    {
        using RandomStream secret = LatticeFixtures.Stream(label);
        return SeededCiphertext.Encrypt(Secret, plaintext, LatticeFixtures.Seed(label + " public"), secret).Expand();
    }

    public void Dispose() => Secret.Dispose();
}
