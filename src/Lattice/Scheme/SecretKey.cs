using System.Security.Cryptography;
using VertFed.Primitives;

namespace VertFed.Lattice;

/// <summary>
/// A uniform ternary secret s. Zeroed on disposal. It serves one iteration: a peer that sends crafted ciphertexts turns
/// returned scalars into bits of it.
/// </summary>
public sealed class SecretKey : IDisposable
{
    private readonly RingElement _evaluations;
    private readonly double[] _reversed;
    private bool _disposed;

    private SecretKey(LatticeParameters parameters, RingElement evaluations, double[] reversed)
    {
        Parameters = parameters;
        _evaluations = evaluations;
        _reversed = reversed;
    }

    public LatticeParameters Parameters { get; }

    /// <summary>s in evaluation form.</summary>
    internal RingElement Evaluations
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _evaluations;
        }
    }

    /// <summary>s_{N−1}, …, s_0 as doubles: a coefficient of c·s is two inner products with stretches of it.</summary>
    internal ReadOnlySpan<double> Reversed
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _reversed;
        }
    }

    /// <summary>Draws a key from a secret stream.</summary>
    public static SecretKey Generate(LatticeParameters parameters, RandomStream secret)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(secret);
        double[] reversed = GC.AllocateArray<double>(parameters.Degree, pinned: true);
        TernarySampler.Fill(secret, reversed);
        RingElement evaluations = new(parameters);
        evaluations.SetSmall(reversed);
        for (int i = 0; i < parameters.PrimeCount; i++)
        {
            evaluations[i].Reverse();
        }

        evaluations.ToEvaluations();
        return new SecretKey(parameters, evaluations, reversed);
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        Zero(_reversed);
        Zero(_evaluations.Residues);
    }

    private static void Zero(double[] values) =>
        CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
}
