using VertFed.Primitives;

namespace VertFed.Lattice;

/// <summary>
/// Computes one response from the peer's ciphertexts: Σ c·p, then plaintexts (the mask among them), then, in
/// <see cref="Finish(PublicKey,FloodingBound,RandomStream)"/>, a fresh encryption of zero under the peer's key, flooding noise, and the modulus switch.
/// Nothing else leaves this class: the bare sum's second polynomial reveals p. For use by one thread at a time, and reusable.
/// </summary>
public sealed class ResponseBuilder
{
    private readonly LatticeParameters _parameters;
    private readonly RingElement _first;
    private readonly RingElement _second;
    private readonly ulong[] _plain;

    public ResponseBuilder(LatticeParameters parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        _parameters = parameters;
        _first = new RingElement(parameters);
        _second = new RingElement(parameters);
        _plain = new ulong[parameters.Degree];
    }

    public LatticeParameters Parameters => _parameters;

    /// <summary>The bare sum (c0, c1) in evaluation form, without mask or noise. For the test that shows why it must not leave.</summary>
    internal (RingElement First, RingElement Second) UnmaskedSum => (_first, _second);

    /// <summary>Starts again from zero.</summary>
    public void Clear()
    {
        _first.Clear();
        _second.Clear();
        Array.Clear(_plain);
    }

    /// <summary>Adds a ciphertext.</summary>
    public void Add(Ciphertext ciphertext)
    {
        ArgumentNullException.ThrowIfNull(ciphertext);
        LatticeError.CheckSame(_parameters, ciphertext.Parameters);
        _first.Add(ciphertext.First);
        _second.Add(ciphertext.Second);
    }

    /// <summary>Adds ciphertext times plaintext: the negacyclic product of the coefficients, or the slot-wise product.</summary>
    public void MultiplyAdd(Ciphertext ciphertext, PreparedPlaintext plaintext)
    {
        ArgumentNullException.ThrowIfNull(ciphertext);
        ArgumentNullException.ThrowIfNull(plaintext);
        LatticeError.CheckSame(_parameters, ciphertext.Parameters);
        LatticeError.CheckSame(_parameters, plaintext.Parameters);
        _first.MultiplyAdd(ciphertext.First, plaintext.Evaluations);
        _second.MultiplyAdd(ciphertext.Second, plaintext.Evaluations);
    }

    /// <summary>Adds a plaintext, exactly.</summary>
    /// <exception cref="LatticeException">A coefficient is not below t.</exception>
    public void AddPlain(Plaintext plaintext)
    {
        ArgumentNullException.ThrowIfNull(plaintext);
        LatticeError.CheckSame(_parameters, plaintext.Parameters);
        plaintext.Check();
        for (int k = 0; k < _plain.Length; k++)
        {
            _plain[k] = _parameters.Plain.Add(_plain[k], plaintext.Coefficients[k]);
        }
    }

    /// <summary>Adds a plaintext at one coefficient, exactly: the mask of a scalar.</summary>
    /// <param name="coefficient">0 … N−1.</param>
    /// <param name="value">In [0, t).</param>
    /// <exception cref="LatticeException">The value is not below t.</exception>
    public void AddPlain(int coefficient, ulong value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(coefficient);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(coefficient, _parameters.Degree);
        if (value >= _parameters.PlainModulus)
        {
            LatticeError.Malformed("plaintext", "a coefficient is not below t");
        }

        _plain[coefficient] = _parameters.Plain.Add(_plain[coefficient], value);
    }

    /// <summary>Re-randomises, floods and switches; all N coefficients can be decrypted. Clears the builder.</summary>
    /// <param name="peerKey">The public key of the party that will decrypt.</param>
    /// <param name="flood">The flooding bound that covers this response.</param>
    /// <param name="secret">A secret stream of this response's own.</param>
    public SwitchedCiphertext Finish(PublicKey peerKey, FloodingBound flood, RandomStream secret)
    {
        Check(peerKey, flood, secret);
        Rerandomise(peerKey, secret);
        int n = _parameters.Degree;
        ulong[] first = FinishFirst(_first.Residues, n, _plain, n, flood, secret);
        return SwitchSecond(first);
    }

    /// <summary>As the other overload, for the listed coefficients only: c1 in full and these coefficients of c0. Clears the builder.</summary>
    /// <param name="peerKey">The public key of the party that will decrypt.</param>
    /// <param name="flood">The flooding bound that covers this response.</param>
    /// <param name="secret">A secret stream of this response's own.</param>
    /// <param name="coefficients">Strictly ascending positions in 0 … N−1, at least one.</param>
    /// <exception cref="LatticeException">The positions are not as demanded.</exception>
    public SwitchedCiphertext Finish(
        PublicKey peerKey, FloodingBound flood, RandomStream secret, ReadOnlySpan<int> coefficients)
    {
        Check(peerKey, flood, secret);
        SwitchedCiphertext.CheckPositions(_parameters, coefficients);
        Rerandomise(peerKey, secret);

        // The kernel works on whole vectors: pad the few coefficients to a multiple of eight.
        int length = (coefficients.Length + 7) & ~7;
        double[] gathered = new double[length * _parameters.PrimeCount];
        ulong[] plain = new ulong[coefficients.Length];
        for (int k = 0; k < coefficients.Length; k++)
        {
            plain[k] = _plain[coefficients[k]];
            for (int i = 0; i < _parameters.PrimeCount; i++)
            {
                gathered[(i * length) + k] = _first[i][coefficients[k]];
            }
        }

        ulong[] first = FinishFirst(gathered, length, plain, coefficients.Length, flood, secret);
        return SwitchSecond(first);
    }

    private void Check(PublicKey peerKey, FloodingBound flood, RandomStream secret)
    {
        ArgumentNullException.ThrowIfNull(peerKey);
        ArgumentNullException.ThrowIfNull(flood);
        ArgumentNullException.ThrowIfNull(secret);
        LatticeError.CheckSame(_parameters, peerKey.Parameters);
        LatticeError.CheckSame(_parameters, flood.Parameters);
    }

    /// <summary>
    /// Adds the public-key encryption of zero (b·u + e0, a·u + e1), but for e0, and brings both sums to coefficients.
    /// </summary>
    /// <remarks>e0 follows in <see cref="FinishFirst"/>, where only the coefficients that are sent need it.</remarks>
    internal void Rerandomise(PublicKey key, RandomStream secret)
    {
        RingElement u = RingElement.Rent(_parameters);
        TernarySampler.Fill(secret, u[0]);
        for (int i = 1; i < _parameters.PrimeCount; i++)
        {
            u[0].CopyTo(u[i]);
        }

        u.ToEvaluations();
        _first.MultiplyAdd(key.Masked, u);
        _second.MultiplyAdd(key.Uniform, u);
        _first.ToCoefficients();
        _second.ToCoefficients();
        Span<double> error = u[0];
        ErrorSampler.Fill(secret, error);
        _second.AddSmall(error);
        u.Return(zero: true);
    }

    /// <summary>Error, scaled plaintext, flood and switch of c0, <paramref name="length"/> residues a prime of which
    /// <paramref name="count"/> count.</summary>
    private ulong[] FinishFirst(
        Span<double> residues, int length, ReadOnlySpan<ulong> plain, int count, FloodingBound flood, RandomStream secret)
    {
        double[] scratch = _parameters.Doubles.Rent();
        Span<double> error = scratch.AsSpan(0, length);
        ErrorSampler.Fill(secret, error[..count]);
        error[count..].Clear();
        for (int i = 0; i < _parameters.PrimeCount; i++)
        {
            _parameters.Kernel.Add(_parameters.Primes[i], error, residues.Slice(i * length, length));
        }

        _parameters.Doubles.Return(scratch, zero: true);
        _parameters.Scaling.Add(plain, residues, length);
        FloodSampler.Add(_parameters, flood.Exponent, secret, residues, length, count);
        ulong[] first = new ulong[count];
        _parameters.Switching.ToFirst(residues, length, first);
        return first;
    }

    private SwitchedCiphertext SwitchSecond(ulong[] first)
    {
        int n = _parameters.Degree;
        double[] high = new double[n], low = new double[n];
        _parameters.Switching.ToSecond(_second.Residues, n, high, low);
        SwitchedCiphertext response = new(_parameters, first, high, low);
        Clear();
        return response;
    }
}
