namespace VertFed.Psi.Group;

/// <summary>
/// The work of the set intersection on many elements at once: k·H(id) and k·E, encoded. Results are the same bytes whatever
/// the processor and the size of the batch; only the lanes and the shared inversions differ.
/// </summary>
public static class RistrettoBatch
{
    /// <summary>Length of an encoded element in bytes.</summary>
    public const int ElementBytes = 32;

    /// <summary>Uniform bytes that make one element.</summary>
    public const int UniformBytes = 64;

    /// <summary>Elements that share one inversion; callers that split work lose nothing with multiples of it.</summary>
    public const int BatchSize = 128;

    /// <summary>
    /// k · DeriveElement(u) (RFC 9496, section 4.3.4) for every 64-byte string u, encoded.
    /// </summary>
    /// <param name="uniform">n × 64 bytes.</param>
    /// <param name="k">The secret scalar.</param>
    /// <param name="elements">n × 32 bytes.</param>
    /// <exception cref="ArgumentException">The lengths do not fit.</exception>
    public static void DeriveAndMultiply(ReadOnlySpan<byte> uniform, Scalar k, Span<byte> elements)
    {
        ArgumentNullException.ThrowIfNull(k);
        if (uniform.Length % UniformBytes != 0 || uniform.Length / UniformBytes * ElementBytes != elements.Length)
        {
            throw new ArgumentException("n × 64 bytes in, n × 32 bytes out.", nameof(uniform));
        }

        if (FieldElementX4.IsSupported)
        {
            LaneBatch<FieldElementX4>.DeriveAndMultiply(uniform, k, elements);
        }
        else
        {
            LaneBatch<FieldElement>.DeriveAndMultiply(uniform, k, elements);
        }
    }

    /// <summary>k · E for every encoded element E, encoded.</summary>
    /// <param name="encoded">n × 32 bytes.</param>
    /// <param name="k">The secret scalar.</param>
    /// <param name="elements">n × 32 bytes; meaningless from the first bad element's batch on.</param>
    /// <returns>The index of the first input that is not the canonical encoding of an element other than the identity, or −1.</returns>
    /// <exception cref="ArgumentException">The lengths do not fit.</exception>
    public static int DecodeAndMultiply(ReadOnlySpan<byte> encoded, Scalar k, Span<byte> elements)
    {
        ArgumentNullException.ThrowIfNull(k);
        if (encoded.Length % ElementBytes != 0 || encoded.Length != elements.Length)
        {
            throw new ArgumentException("n × 32 bytes in, n × 32 bytes out.", nameof(encoded));
        }

        return FieldElementX4.IsSupported
            ? LaneBatch<FieldElementX4>.DecodeAndMultiply(encoded, k, elements)
            : LaneBatch<FieldElement>.DecodeAndMultiply(encoded, k, elements);
    }

    /// <summary>Checks encodings without computing anything from them.</summary>
    /// <param name="encoded">n × 32 bytes.</param>
    /// <returns>The index of the first input that is not the canonical encoding of an element other than the identity, or −1.</returns>
    /// <exception cref="ArgumentException">The length is no multiple of 32.</exception>
    public static int FindInvalid(ReadOnlySpan<byte> encoded)
    {
        if (encoded.Length % ElementBytes != 0)
        {
            throw new ArgumentException("n × 32 bytes.", nameof(encoded));
        }

        return FieldElementX4.IsSupported
            ? LaneBatch<FieldElementX4>.FindInvalid(encoded)
            : LaneBatch<FieldElement>.FindInvalid(encoded);
    }
}
