using System.Globalization;

namespace VertFed.Lattice;

/// <summary>The common start of every serialised object: one byte of kind, then the parameter id.</summary>
internal static class WireFormat
{
    internal const byte PublicKeyKind = 1;
    internal const byte SeededCiphertextKind = 2;
    internal const byte SwitchedCiphertextKind = 3;
    internal const int HeaderBytes = 1 + LatticeParameters.IdBytes;

    internal static Span<byte> WriteHeader(byte kind, LatticeParameters parameters, Span<byte> destination)
    {
        destination[0] = kind;
        parameters.IdSpan.CopyTo(destination[1..]);
        return destination[HeaderBytes..];
    }

    /// <summary>Checks kind and id and returns what follows. The length was checked before.</summary>
    internal static ReadOnlySpan<byte> ReadHeader(byte kind, LatticeParameters parameters, ReadOnlySpan<byte> bytes, string what)
    {
        if (bytes[0] != kind)
        {
            LatticeError.Malformed(what, string.Create(CultureInfo.InvariantCulture, $"its kind is {bytes[0]}, not {kind}"));
        }

        if (!bytes.Slice(1, LatticeParameters.IdBytes).SequenceEqual(parameters.IdSpan))
        {
            LatticeError.Malformed(what, "it was made with other lattice parameters");
        }

        return bytes[HeaderBytes..];
    }

    internal static int RingBytes(LatticeParameters parameters) =>
        ResiduePacking.PackedBytes(parameters.Degree) * parameters.PrimeCount;

    internal static void WriteRing(RingElement element, Span<byte> destination)
    {
        LatticeParameters parameters = element.Parameters;
        RingElement canonical = RingElement.Rent(parameters);
        canonical.CopyFrom(element);
        canonical.Canonicalise();
        int each = ResiduePacking.PackedBytes(parameters.Degree);
        for (int i = 0; i < parameters.PrimeCount; i++)
        {
            ResiduePacking.Pack(canonical[i], destination.Slice(i * each, each));
        }

        canonical.Return(zero: false);
    }

    /// <exception cref="LatticeException">A residue is not below its prime, or all are zero.</exception>
    internal static RingElement ReadRing(LatticeParameters parameters, ReadOnlySpan<byte> bytes, string what)
    {
        RingElement element = new(parameters);
        int each = ResiduePacking.PackedBytes(parameters.Degree);
        for (int i = 0; i < parameters.PrimeCount; i++)
        {
            if (!ResiduePacking.Unpack(bytes.Slice(i * each, each), element[i], parameters.Primes[i].P))
            {
                LatticeError.Malformed(what, "a residue is not below its prime");
            }
        }

        if (!bytes.ContainsAnyExcept((byte)0))
        {
            LatticeError.Malformed(what, "it is the zero polynomial");
        }

        return element;
    }
}
