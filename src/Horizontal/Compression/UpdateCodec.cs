using System.Buffers.Binary;
using VertFed.Horizontal.Learning;
using VertFed.Primitives;

namespace VertFed.Horizontal.Compression;

/// <summary>How a vector of an update travels. What is sent is what is counted: <see cref="Encode"/> gives the bytes themselves.</summary>
public abstract class UpdateCodec
{
    private protected UpdateCodec(string name) => Name = name;

    /// <summary>"none", "quantise:8", "quantise:4" or "top-k:SHARE".</summary>
    public string Name { get; }

    /// <summary>Whether the client has to keep the error of each round and add it to the next update (error feedback).</summary>
    public virtual bool KeepsError => false;

    /// <summary>The bytes of a vector.</summary>
    /// <param name="vector">Finite numbers.</param>
    /// <param name="stream">For stochastic rounding.</param>
    public abstract byte[] Encode(ReadOnlySpan<double> vector, RandomStream stream);

    /// <summary>The vector that the bytes stand for.</summary>
    /// <param name="bytes">From a client, so everything about them is checked.</param>
    /// <param name="length">The length that the model says.</param>
    /// <exception cref="HorizontalException">Not an encoding of a finite vector of that length.</exception>
    public abstract double[] Decode(ReadOnlySpan<byte> bytes, int length);

    /// <summary>"none", "quantise:8", "quantise:4" or "top-k:SHARE".</summary>
    /// <exception cref="HorizontalException">None of them.</exception>
    public static UpdateCodec Parse(string text)
    {
        switch (text)
        {
            case "none":
                return new PlainCodec();
            case "quantise:8":
                return new QuantisingCodec(8);
            case "quantise:4":
                return new QuantisingCodec(4);
        }

        double share = 0;
        Throw.Invalid(
            !text.StartsWith("top-k:", StringComparison.Ordinal)
                || !double.TryParse(text.AsSpan(6), System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out share),
            $"There is no compression '{text}': none, quantise:8, quantise:4 or top-k:SHARE.");
        return new TopCodec(share);
    }

    private protected static void WrongLength(bool wrong) =>
        Throw.If(wrong, HorizontalError.WrongShape, "A compressed update does not have the length of the model's.");
}

/// <summary>Every number as a 64-bit float, little-endian.</summary>
public sealed class PlainCodec() : UpdateCodec("none")
{
    public override byte[] Encode(ReadOnlySpan<double> vector, RandomStream stream)
    {
        byte[] bytes = new byte[8 * vector.Length];
        for (int i = 0; i < vector.Length; i++)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(8 * i), vector[i]);
        }

        return bytes;
    }

    public override double[] Decode(ReadOnlySpan<byte> bytes, int length)
    {
        WrongLength(bytes.Length != 8L * length);
        double[] vector = new double[length];
        for (int i = 0; i < length; i++)
        {
            vector[i] = BinaryPrimitives.ReadDoubleLittleEndian(bytes[(8 * i)..]);
        }

        Throw.IfNotFinite(vector, "A client's update");
        return vector;
    }
}

/// <summary>
/// QSGD (Alistarh et al. 2017, section 3.1) in buckets of 512: v_i → ||v||₂ · sign(v_i) · ξ_i with ξ_i one of l/s and (l + 1)/s around
/// |v_i| / ||v||₂, drawn so that E ξ_i is |v_i| / ||v||₂. Unbiased, E||Q(v) − v||² ≤ min(d/s², √d/s) ||v||² for a bucket of d numbers. 8 bits:
/// a sign and s = 127 levels; 4 bits: a sign and s = 7. A bucket is its norm (64-bit float) and its codes.
/// </summary>
public sealed class QuantisingCodec : UpdateCodec
{
    /// <summary>Numbers that share a norm.</summary>
    public const int Bucket = 512;

    // Times a number of levels it is still finite.
    private const double LargestNorm = 1e300;

    private readonly int _bits;
    private readonly int _levels;

    /// <param name="bits">8 or 4.</param>
    public QuantisingCodec(int bits)
        : base(bits == 8 ? "quantise:8" : "quantise:4")
    {
        Throw.Invalid(bits is not (4 or 8), "Updates are quantised to 8 or 4 bits.");
        _bits = bits;
        _levels = (1 << (bits - 1)) - 1;
    }

    public override byte[] Encode(ReadOnlySpan<double> vector, RandomStream stream)
    {
        byte[] bytes = new byte[Size(vector.Length)];
        int at = 0;
        for (int start = 0; start < vector.Length; start += Bucket)
        {
            ReadOnlySpan<double> bucket = vector[start..Math.Min(start + Bucket, vector.Length)];
            double norm = Kernels.Norm(bucket);
            BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(at), norm);
            at += 8;
            for (int i = 0; i < bucket.Length; i++)
            {
                int code = norm == 0 ? 0 : Code(bucket[i] / norm, stream);
                bytes[at + (i * _bits / 8)] |= (byte)(_bits == 8 ? code : code << (4 * (i & 1)));
            }

            at += CodeBytes(bucket.Length);
        }

        return bytes;
    }

    public override double[] Decode(ReadOnlySpan<byte> bytes, int length)
    {
        WrongLength(bytes.Length != Size(length));
        double[] vector = new double[length];
        int at = 0;
        for (int start = 0; start < length; start += Bucket)
        {
            int count = Math.Min(Bucket, length - start);
            double norm = BinaryPrimitives.ReadDoubleLittleEndian(bytes[at..]);
            Throw.If(!(norm >= 0 && norm <= LargestNorm), HorizontalError.NotFinite, "A compressed update has a norm that is not a number from 0 to 1e300.");
            at += 8;
            for (int i = 0; i < count; i++)
            {
                int code = bytes[at + (i * _bits / 8)];
                code = _bits == 8 ? code : (code >> (4 * (i & 1))) & 15;
                double magnitude = norm * (code & _levels) / _levels;
                vector[start + i] = code > _levels ? -magnitude : magnitude;
            }

            at += CodeBytes(count);
        }

        return vector;
    }

    private int Code(double ratio, RandomStream stream)
    {
        double scaled = Math.Min(Math.Abs(ratio), 1) * _levels;
        int level = (int)Math.Floor(scaled);
        if (level < _levels && Draws.Uniform(stream) < scaled - level)
        {
            level++;
        }

        return ratio < 0 ? level | (_levels + 1) : level;
    }

    private int Size(int length)
    {
        int whole = length / Bucket;
        int rest = length % Bucket;
        return (whole * (8 + CodeBytes(Bucket))) + (rest == 0 ? 0 : 8 + CodeBytes(rest));
    }

    private int CodeBytes(int count) => ((count * _bits) + 7) / 8;
}

/// <summary>
/// Top-k sparsification (Stich et al. 2018): the k = ⌈share · d⌉ numbers of largest magnitude are sent, the rest is kept by the client and added
/// to its next update: p = Δ + e, send top_k(p), e ← p − top_k(p). Of equal magnitudes the first is taken. An entry is the gap to the one
/// before as a base-128 number and a 64-bit float.
/// </summary>
public sealed class TopCodec : UpdateCodec
{
    private readonly double _share;

    /// <param name="share">In (0, 1].</param>
    public TopCodec(double share)
        : base(FormattableString.Invariant($"top-k:{share}"))
    {
        Throw.Invalid(!(share > 0 && share <= 1), "The share of numbers that top-k sends is above 0 and at most 1.");
        _share = share;
    }

    public override bool KeepsError => true;

    public override byte[] Encode(ReadOnlySpan<double> vector, RandomStream stream)
    {
        double[] magnitudes = new double[vector.Length];
        int[] order = new int[vector.Length];
        for (int i = 0; i < order.Length; i++)
        {
            order[i] = i;
            magnitudes[i] = Math.Abs(vector[i]);
        }

        Array.Sort(order, (a, b) => magnitudes[a] == magnitudes[b] ? a.CompareTo(b) : magnitudes[b].CompareTo(magnitudes[a]));
        int[] kept = order[..Count(vector.Length)];
        Array.Sort(kept);
        var bytes = new List<byte>(kept.Length * 10);
        int before = -1;
        Span<byte> number = stackalloc byte[8];
        foreach (int index in kept)
        {
            uint gap = (uint)(index - before - 1);
            for (; gap >= 128; gap >>= 7)
            {
                bytes.Add((byte)(gap | 128));
            }

            bytes.Add((byte)gap);
            BinaryPrimitives.WriteDoubleLittleEndian(number, vector[index]);
            bytes.AddRange(number);
            before = index;
        }

        return [.. bytes];
    }

    public override double[] Decode(ReadOnlySpan<byte> bytes, int length)
    {
        double[] vector = new double[length];
        long index = -1;
        for (int entry = 0; entry < Count(length); entry++)
        {
            long gap = 0;
            int shift = 0;
            byte next;
            do
            {
                WrongLength(bytes.IsEmpty || shift > 28);
                next = bytes[0];
                bytes = bytes[1..];
                gap |= (long)(next & 127) << shift;
                shift += 7;
            }
            while (next >= 128);

            index += gap + 1;
            WrongLength(index >= length || bytes.Length < 8);
            vector[index] = BinaryPrimitives.ReadDoubleLittleEndian(bytes);
            bytes = bytes[8..];
        }

        WrongLength(!bytes.IsEmpty);
        Throw.IfNotFinite(vector, "A client's update");
        return vector;
    }

    private int Count(int length) => Math.Clamp(Shares.Up(_share, length), Math.Min(1, length), length);
}
