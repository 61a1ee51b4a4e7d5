using System.Runtime.Intrinsics;

namespace VertFed.Lattice;

/// <summary>
/// A polynomial with signed integer coefficients in evaluation form modulo q, for products with ciphertexts. Immutable until
/// disposal, which gives the buffer back; disposing is optional but saves allocations where many are made.
/// </summary>
public sealed class PreparedPlaintext : IDisposable
{
    private const int LowBits = 30;
    private RingElement? _evaluations;

    private PreparedPlaintext(RingElement evaluations)
    {
        Parameters = evaluations.Parameters;
        _evaluations = evaluations;
    }

    public LatticeParameters Parameters { get; }

    internal RingElement Evaluations
    {
        get
        {
            ObjectDisposedException.ThrowIf(_evaluations is null, this);
            return _evaluations;
        }
    }

    /// <summary>Prepares at most N coefficients of size up to (t−1)/2, of X^0 upwards; the rest are zero.</summary>
    /// <exception cref="LatticeException">There are too many, or one is too large.</exception>
    public static PreparedPlaintext FromSignedCoefficients(LatticeParameters parameters, ReadOnlySpan<long> coefficients)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        if (coefficients.Length > parameters.Degree)
        {
            LatticeError.Malformed("polynomial", "it has more than N coefficients");
        }

        ulong size = 0;
        foreach (long coefficient in coefficients)
        {
            size |= (ulong)(coefficient ^ (coefficient >> 63));
        }

        long half = (long)(parameters.PlainModulus / 2);
        if (size > (ulong)half)
        {
            CheckEach(coefficients, half);
        }

        RingElement element = RingElement.Rent(parameters);
        if (size < parameters.Primes[^1].Prime / 2)
        {
            Span<double> first = element[0];
            Convert(coefficients, first);
            for (int i = 1; i < parameters.PrimeCount; i++)
            {
                first.CopyTo(element[i]);
            }
        }
        else
        {
            SetWide(parameters, coefficients, element);
        }

        element.ToEvaluations();
        return new PreparedPlaintext(element);
    }

    /// <summary>Prepares a plaintext, lifted to centred coefficients (which keeps the noise of products small).</summary>
    /// <exception cref="LatticeException">A coefficient is not below t.</exception>
    public static PreparedPlaintext FromPlaintext(LatticeParameters parameters, Plaintext plaintext)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(plaintext);
        if (plaintext.Coefficients.Length != parameters.Degree || plaintext.Parameters.PlainModulus != parameters.PlainModulus)
        {
            LatticeError.Malformed("plaintext", "it belongs to another ring");
        }

        plaintext.Check();
        RingElement element = RingElement.Rent(parameters);
        long[] centred = System.Buffers.ArrayPool<long>.Shared.Rent(parameters.Degree);
        for (int k = 0; k < parameters.Degree; k++)
        {
            centred[k] = parameters.Plain.Centre(plaintext.Coefficients[k]);
        }

        SetWide(parameters, centred.AsSpan(0, parameters.Degree), element);
        System.Buffers.ArrayPool<long>.Shared.Return(centred, clearArray: true);
        element.ToEvaluations();
        return new PreparedPlaintext(element);
    }

    public void Dispose()
    {
        Interlocked.Exchange(ref _evaluations, null)?.Return(zero: false);
    }

    private static void CheckEach(ReadOnlySpan<long> coefficients, long half)
    {
        foreach (long coefficient in coefficients)
        {
            if (coefficient > half || coefficient < -half)
            {
                LatticeError.Malformed("polynomial", "a coefficient is larger than (t-1)/2");
            }
        }
    }

    private static void Convert(ReadOnlySpan<long> integers, Span<double> destination)
    {
        int k = 0;
        for (; k + Vector256<long>.Count <= integers.Length; k += Vector256<long>.Count)
        {
            Vector256.ConvertToDouble(Vector256.Create(integers[k..])).CopyTo(destination[k..]);
        }

        for (; k < integers.Length; k++)
        {
            destination[k] = integers[k];
        }

        destination[integers.Length..].Clear();
    }

    private static void SetWide(LatticeParameters parameters, ReadOnlySpan<long> coefficients, RingElement element)
    {
        double[] scratch = parameters.Doubles.Rent();
        Span<double> high = scratch.AsSpan(0, parameters.Degree), low = element[0];
        for (int k = 0; k < coefficients.Length; k++)
        {
            low[k] = coefficients[k] & ((1L << LowBits) - 1);
            high[k] = coefficients[k] >> LowBits;
        }

        low[coefficients.Length..].Clear();
        high[coefficients.Length..].Clear();

        for (int i = parameters.PrimeCount - 1; i >= 0; i--)
        {
            if (i > 0)
            {
                element[0].CopyTo(element[i]);
            }

            parameters.Kernel.MultiplyAddConstant(parameters.Primes[i], high, 1L << LowBits, element[i]);
        }

        parameters.Doubles.Return(scratch, zero: false);
    }
}
