using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using VertFed.Models;
using VertFed.Primitives;

namespace VertFed.Horizontal;

/// <summary>
/// One stream of randomness for each purpose, round and client, all from one root key: HKDF-SHA256 over (purpose ‖ 0 ‖ round ‖ client),
/// the numbers as 64-bit little-endian integers. Work in parallel takes a stream each, so the number of threads changes nothing.
/// </summary>
public sealed class RandomStreams : IDisposable
{
    /// <summary>The client's place in the context where the server itself draws.</summary>
    public const long Server = -1;

    private readonly byte[] _key;

    /// <param name="key">32 uniform bytes; copied, and zeroed on disposal.</param>
    /// <exception cref="HorizontalException">The key is not 32 bytes long.</exception>
    public RandomStreams(ReadOnlySpan<byte> key)
    {
        Throw.Invalid(key.Length != RandomStream.KeyBytes, $"A root key has {RandomStream.KeyBytes} bytes, not {key.Length}.");
        _key = key.ToArray();
    }

    /// <summary>For simulations and tests: a root key that is the hash of a public number. It hides nothing.</summary>
    public static RandomStreams InsecureFromSeed(ulong seed)
    {
        Span<byte> text = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(text, seed);
        return new RandomStreams(SHA256.HashData(text));
    }

    /// <summary>The stream of one purpose. The caller disposes it.</summary>
    public RandomStream For(string purpose, long round, long client)
    {
        Span<byte> info = stackalloc byte[Encoding.UTF8.GetMaxByteCount(purpose.Length) + 17];
        int length = Encoding.UTF8.GetBytes(purpose, info);
        info[length] = 0;
        BinaryPrimitives.WriteInt64LittleEndian(info[(length + 1)..], round);
        BinaryPrimitives.WriteInt64LittleEndian(info[(length + 9)..], client);
        return RandomStream.Derive(_key, info[..(length + 17)]);
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(_key);
}

/// <summary>Draws from a stream that are the same on every machine.</summary>
public static class Draws
{
    /// <summary>Uniform in [0, 1), a multiple of 2^−53.</summary>
    public static double Uniform(RandomStream stream) => (stream.NextUInt64() >> 11) * (1.0 / 9007199254740992.0);

    /// <summary>
    /// Standard normal, by Marsaglia's polar method (1964); floating point, so its tails end near 8.6 and its last bits are no secret.
    /// Noise that has to hide something at the server's bit level is drawn by the discrete Gaussian.
    /// </summary>
    public static double Normal(RandomStream stream)
    {
        while (true)
        {
            double u = (2 * Uniform(stream)) - 1;
            double v = (2 * Uniform(stream)) - 1;
            double s = (u * u) + (v * v);
            if (s is > 0 and < 1)
            {
                return u * Math.Sqrt(-2 * DeterministicMath.Log(s) / s);
            }
        }
    }

    /// <summary>Gamma with the given shape (above 0) and scale 1: Marsaglia and Tsang 2000, with the boost u^(1/a) for shapes below 1.</summary>
    public static double Gamma(RandomStream stream, double shape)
    {
        Throw.Invalid(!(shape > 0) || !double.IsFinite(shape), "A gamma variate needs a shape above 0.");
        return DeterministicMath.Exp(LogGamma(stream, shape));
    }

    /// <summary>The logarithm of a gamma variate: shapes far below 1 give variates that no double holds.</summary>
    public static double LogGamma(RandomStream stream, double shape)
    {
        if (shape < 1)
        {
            double boost = DeterministicMath.Log(1 - Uniform(stream)) / shape;
            return LogGamma(stream, shape + 1) + boost;
        }

        double d = shape - (1.0 / 3.0);
        double c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            double x = Normal(stream);
            double root = 1 + (c * x);
            if (root <= 0)
            {
                continue;
            }

            double v = root * root * root;
            if (DeterministicMath.Log(1 - Uniform(stream)) < (0.5 * x * x) + d - (d * v) + (d * DeterministicMath.Log(v)))
            {
                return DeterministicMath.Log(d * v);
            }
        }
    }

    /// <summary>A uniform order, in place (Fisher and Yates).</summary>
    public static void Shuffle<T>(RandomStream stream, Span<T> items)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int j = (int)stream.NextBelow((ulong)i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }
}
