using VertFed.Primitives;

namespace VertFed.Lattice;

/// <summary>
/// A ciphertext under its owner's secret key with c1 expanded from a public seed: half the bytes, and c1 cannot be crafted. Immutable.
/// </summary>
public sealed class SeededCiphertext
{
    /// <summary>Bytes of the public seed.</summary>
    public const int SeedBytes = RandomStream.KeyBytes;

    private const string What = "seeded ciphertext";
    private readonly byte[] _seed;
    private readonly RingElement _first;

    private SeededCiphertext(LatticeParameters parameters, byte[] seed, RingElement first)
    {
        Parameters = parameters;
        _seed = seed;
        _first = first;
    }

    public LatticeParameters Parameters { get; }

    private static ReadOnlySpan<byte> Purpose => "vertfed lattice ciphertext uniform part"u8;

    /// <summary>The exact length of a serialised ciphertext.</summary>
    public static int SerializedBytes(LatticeParameters parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return WireFormat.HeaderBytes + SeedBytes + WireFormat.RingBytes(parameters);
    }

    /// <summary>Encrypts: c0 = round(q·m/t) + e − c1·s.</summary>
    /// <param name="secretKey">The owner's key.</param>
    /// <param name="plaintext">The message.</param>
    /// <param name="publicSeed">32 bytes, used once, from an output of their own: never from the stream that yields secrets.</param>
    /// <param name="secret">Secret stream for the error.</param>
    public static SeededCiphertext Encrypt(
        SecretKey secretKey, Plaintext plaintext, ReadOnlySpan<byte> publicSeed, RandomStream secret)
    {
        ArgumentNullException.ThrowIfNull(secretKey);
        ArgumentNullException.ThrowIfNull(plaintext);
        ArgumentNullException.ThrowIfNull(secret);
        LatticeParameters parameters = secretKey.Parameters;
        LatticeError.CheckSame(parameters, plaintext.Parameters);
        plaintext.Check();
        RingElement uniform = RingElement.Rent(parameters);
        UniformSampler.Expand(parameters, publicSeed, Purpose, uniform);
        double[] scratch = parameters.Doubles.Rent();
        Span<double> error = scratch.AsSpan(0, parameters.Degree);
        ErrorSampler.Fill(secret, error);
        RingElement first = new(parameters);
        first.SetSmall(error);
        parameters.Doubles.Return(scratch, zero: true);
        parameters.Scaling.Add(plaintext.Coefficients, first.Residues, parameters.Degree);
        first.ToEvaluations();
        first.MultiplySubtract(uniform, secretKey.Evaluations);
        uniform.Return(zero: false);
        return new SeededCiphertext(parameters, publicSeed.ToArray(), first);
    }

    /// <summary>Kind, parameter id, seed, c0.</summary>
    public byte[] Serialize()
    {
        byte[] bytes = new byte[SerializedBytes(Parameters)];
        Span<byte> body = WireFormat.WriteHeader(WireFormat.SeededCiphertextKind, Parameters, bytes);
        _seed.CopyTo(body);
        WireFormat.WriteRing(_first, body[SeedBytes..]);
        return bytes;
    }

    /// <exception cref="LatticeException">Length, kind, parameter id or a residue is wrong.</exception>
    public static SeededCiphertext Deserialize(LatticeParameters parameters, ReadOnlySpan<byte> bytes)
    {
        LatticeError.CheckLength(bytes.Length, SerializedBytes(parameters), What);
        ReadOnlySpan<byte> body = WireFormat.ReadHeader(WireFormat.SeededCiphertextKind, parameters, bytes, What);
        RingElement first = WireFormat.ReadRing(parameters, body[SeedBytes..], What);
        return new SeededCiphertext(parameters, body[..SeedBytes].ToArray(), first);
    }

    /// <summary>Both polynomials, ready for products.</summary>
    public Ciphertext Expand()
    {
        RingElement second = new(Parameters);
        UniformSampler.Expand(Parameters, _seed, Purpose, second);
        return new Ciphertext(_first, second);
    }
}
