using System.Buffers.Binary;

namespace VertFed.Psi.Group;

/// <summary>The batches of <see cref="RistrettoBatch"/> over one field implementation.</summary>
internal static class LaneBatch<F>
    where F : unmanaged, ILaneField<F>
{
    private const int ElementBytes = RistrettoBatch.ElementBytes;
    private const int UniformBytes = RistrettoBatch.UniformBytes;

    public static void DeriveAndMultiply(ReadOnlySpan<byte> uniform, Scalar k, Span<byte> elements)
    {
        DoublingEncoder encoder = new();
        while (!elements.IsEmpty)
        {
            int count = Math.Min(RistrettoBatch.BatchSize, elements.Length / ElementBytes);
            for (int i = 0; i < count; i += F.Lanes)
            {
                int lanes = Math.Min(F.Lanes, count - i);
                LoadMapInputs(uniform[(i * UniformBytes)..], lanes, out F t1, out F t2);
                RistrettoFormulas.Map(t1, out EdwardsPoint<F> p1);
                RistrettoFormulas.Map(t2, out EdwardsPoint<F> p2);
                Edwards.ToAddend(p2, out EdwardsAddend<F> addend);
                Edwards.Add(p1, addend, out EdwardsPoint<F> sum);
                ScalarMultiplication.Multiply(k.HalfDigits, sum, out EdwardsPoint<F> product);
                encoder.Append(product);
            }

            encoder.Flush(elements[..(count * ElementBytes)]);
            uniform = uniform[(count * UniformBytes)..];
            elements = elements[(count * ElementBytes)..];
        }
    }

    public static int DecodeAndMultiply(ReadOnlySpan<byte> encoded, Scalar k, Span<byte> elements)
    {
        DoublingEncoder encoder = new();
        int done = 0;
        while (done * ElementBytes < encoded.Length)
        {
            int count = Math.Min(RistrettoBatch.BatchSize, (encoded.Length / ElementBytes) - done);
            ReadOnlySpan<byte> input = encoded.Slice(done * ElementBytes, count * ElementBytes);
            for (int i = 0; i < count; i += F.Lanes)
            {
                int bad = Decode(input[(i * ElementBytes)..], Math.Min(F.Lanes, count - i), out EdwardsPoint<F> p);
                if (bad >= 0)
                {
                    return done + i + bad;
                }

                ScalarMultiplication.Multiply(k.HalfDigits, p, out EdwardsPoint<F> product);
                encoder.Append(product);
            }

            encoder.Flush(elements.Slice(done * ElementBytes, count * ElementBytes));
            done += count;
        }

        return -1;
    }

    public static int FindInvalid(ReadOnlySpan<byte> encoded)
    {
        int count = encoded.Length / ElementBytes;
        for (int i = 0; i < count; i += F.Lanes)
        {
            int bad = Decode(encoded[(i * ElementBytes)..], Math.Min(F.Lanes, count - i), out _);
            if (bad >= 0)
            {
                return i + bad;
            }
        }

        return -1;
    }

    /// <summary>Decodes up to one element a lane; returns the first bad one, or −1. Encodings are public: time may show which.</summary>
    private static int Decode(ReadOnlySpan<byte> encoded, int lanes, out EdwardsPoint<F> p)
    {
        F s = CurveConstants<F>.Zero;
        uint wellFormed = 0;
        for (int i = 0; i < lanes; i++)
        {
            ReadOnlySpan<byte> bytes = encoded.Slice(i * ElementBytes, ElementBytes);
            F.SetLane(ref s, i, FieldElement.FromBytes(bytes));
            wellFormed |= IsNonNegativeNonZero(bytes) ? 1u << i : 0;
        }

        uint wanted = (uint)((1UL << lanes) - 1);
        uint bad = ~(RistrettoFormulas.Decode(s, out p) & wellFormed) & wanted;
        return bad == 0 ? -1 : System.Numerics.BitOperations.TrailingZeroCount(bad);
    }

    /// <summary>Below p, even, and not zero, which alone encodes the identity.</summary>
    private static bool IsNonNegativeNonZero(ReadOnlySpan<byte> bytes)
    {
        ulong w0 = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        ulong w1 = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        ulong w2 = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
        ulong w3 = BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]);
        bool belowP = w3 < 0x7fffffffffffffff
            || (w3 == 0x7fffffffffffffff && !(w2 == ulong.MaxValue && w1 == ulong.MaxValue && w0 >= 0xffffffffffffffed));
        return belowP && (w0 & 1) == 0 && (w0 | w1 | w2 | w3) != 0;
    }

    private static void LoadMapInputs(ReadOnlySpan<byte> uniform, int lanes, out F t1, out F t2)
    {
        t1 = CurveConstants<F>.Zero;
        t2 = CurveConstants<F>.Zero;
        for (int i = 0; i < lanes; i++)
        {
            ReadOnlySpan<byte> bytes = uniform.Slice(i * UniformBytes, UniformBytes);
            F.SetLane(ref t1, i, FieldElement.FromBytes(bytes));
            F.SetLane(ref t2, i, FieldElement.FromBytes(bytes[32..]));
        }
    }

    /// <summary>
    /// Collects points and writes the encodings of their doubles with one inversion for all (P. Montgomery, "Speeding the
    /// Pollard and elliptic curve methods of factorization", 1987, section 10.3.1).
    /// </summary>
    private sealed class DoublingEncoder
    {
        private readonly EdwardsPoint<F>[] _doubles = new EdwardsPoint<F>[RistrettoBatch.BatchSize / F.Lanes];
        private readonly F[] _denominators = new F[RistrettoBatch.BatchSize / F.Lanes];
        private readonly F[] _products = new F[RistrettoBatch.BatchSize / F.Lanes];
        private int _count;

        public void Append(in EdwardsPoint<F> p)
        {
            Edwards.Double(p, out DoubledPoint<F> factors);
            Edwards.Complete(factors, ref _doubles[_count]);
            RistrettoFormulas.EncodingDenominator(factors, _doubles[_count], out F denominator);
            _denominators[_count] = denominator;
            // A zero would spoil the whole product: it counts as one, and its encoding, the identity's, is all zeros anyway.
            F.Assign(ref denominator, CurveConstants<F>.One, FieldPowers.Zero(denominator));
            if (_count == 0)
            {
                _products[0] = denominator;
            }
            else
            {
                F.Mul(_products[_count - 1], denominator, out _products[_count]);
            }

            _count++;
        }

        public void Flush(Span<byte> elements)
        {
            FieldPowers.Invert(_products[_count - 1], out F inverse);
            for (int i = _count - 1; i >= 0; i--)
            {
                uint zero = FieldPowers.Zero(_denominators[i]);
                F denominator = _denominators[i];
                F.Assign(ref denominator, CurveConstants<F>.One, zero);
                F own = inverse;
                if (i > 0)
                {
                    F.Mul(inverse, _products[i - 1], out own);
                    F.Mul(inverse, denominator, out inverse);
                }

                F.Assign(ref own, CurveConstants<F>.Zero, zero);
                RistrettoFormulas.EncodeDoubled(_doubles[i], own, out F s);
                int first = i * F.Lanes;
                int lanes = Math.Min(F.Lanes, (elements.Length / ElementBytes) - first);
                for (int lane = 0; lane < lanes; lane++)
                {
                    F.GetLane(s, lane).ToBytes(elements.Slice((first + lane) * ElementBytes, ElementBytes));
                }
            }

            _count = 0;
        }
    }
}
