using VertFed.Primitives;

namespace VertFed.Lattice;

/// <summary>
/// (b, a) with b = −a·s + e, and a expanded from a seed that both sides derive, so that the owner cannot choose it. Immutable.
/// </summary>
public sealed class PublicKey
{
    private const string What = "public key";

    private PublicKey(LatticeParameters parameters, RingElement uniform, RingElement masked)
    {
        Parameters = parameters;
        Uniform = uniform;
        Masked = masked;
    }

    public LatticeParameters Parameters { get; }

    /// <summary>a, in evaluation form.</summary>
    internal RingElement Uniform { get; }

    /// <summary>b, in evaluation form.</summary>
    internal RingElement Masked { get; }

    private static ReadOnlySpan<byte> Purpose => "vertfed lattice public key uniform part"u8;

    /// <summary>Makes the public key of a secret key.</summary>
    /// <param name="secretKey">The key that will decrypt.</param>
    /// <param name="uniformSeed">32 public bytes from which a is expanded.</param>
    /// <param name="secret">Secret stream for the error.</param>
    public static PublicKey Generate(SecretKey secretKey, ReadOnlySpan<byte> uniformSeed, RandomStream secret)
    {
        ArgumentNullException.ThrowIfNull(secretKey);
        ArgumentNullException.ThrowIfNull(secret);
        LatticeParameters parameters = secretKey.Parameters;
        RingElement uniform = Expand(parameters, uniformSeed);
        RingElement masked = new(parameters);
        double[] scratch = parameters.Doubles.Rent();
        Span<double> error = scratch.AsSpan(0, parameters.Degree);
        ErrorSampler.Fill(secret, error);
        masked.SetSmall(error);
        parameters.Doubles.Return(scratch, zero: true);
        masked.ToEvaluations();
        masked.MultiplySubtract(uniform, secretKey.Evaluations);
        return new PublicKey(parameters, uniform, masked);
    }

    /// <summary>The non-uniform half b; the other half is the seed's.</summary>
    public byte[] Serialize()
    {
        byte[] bytes = new byte[WireFormat.HeaderBytes + WireFormat.RingBytes(Parameters)];
        WireFormat.WriteRing(Masked, WireFormat.WriteHeader(WireFormat.PublicKeyKind, Parameters, bytes));
        return bytes;
    }

    /// <summary>Reads b and expands a.</summary>
    /// <exception cref="LatticeException">Length, kind, parameter id or a residue is wrong.</exception>
    public static PublicKey Deserialize(LatticeParameters parameters, ReadOnlySpan<byte> uniformSeed, ReadOnlySpan<byte> bytes)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        LatticeError.CheckLength(bytes.Length, WireFormat.HeaderBytes + WireFormat.RingBytes(parameters), What);
        ReadOnlySpan<byte> body = WireFormat.ReadHeader(WireFormat.PublicKeyKind, parameters, bytes, What);
        return new PublicKey(parameters, Expand(parameters, uniformSeed), WireFormat.ReadRing(parameters, body, What));
    }

    private static RingElement Expand(LatticeParameters parameters, ReadOnlySpan<byte> seed)
    {
        RingElement uniform = new(parameters);
        UniformSampler.Expand(parameters, seed, Purpose, uniform);
        return uniform;
    }
}
