using System.Buffers.Binary;
using System.Globalization;

namespace VertFed.Lattice;

/// <summary>
/// A response: c1 in full modulo 2^72 and some or all coefficients of c0 modulo 2^64 (in units of 2^-64 of q, c1 in units of 2^-72). Immutable.
/// </summary>
/// <remarks>
/// Eight and nine bytes a coefficient. c1's rounding is multiplied by the ternary secret, so it is at most N/2 units in all; with t below 2^58
/// the limit is 2^72/2t &gt; 2^13 units, N = 8192 leaves nearly half of it to the flooded noise, in the worst case and
/// without an appeal to averaging. The rounding of c0 is not multiplied, so c0 needs eight bits less.
/// </remarks>
public sealed class SwitchedCiphertext
{
    private const string What = "response";
    private const int FirstBytes = LatticeParameters.FirstSwitchedBits / 8;
    private const int SecondBytes = LatticeParameters.SecondSwitchedBits / 8;
    private const int Shift = LatticeParameters.SecondSwitchedBits - LatticeParameters.FirstSwitchedBits;

    private readonly ulong[] _first;
    private readonly double[] _high;
    private readonly double[] _low;

    internal SwitchedCiphertext(LatticeParameters parameters, ulong[] first, double[] high, double[] low)
    {
        Parameters = parameters;
        _first = first;
        _high = high;
        _low = low;
    }

    public LatticeParameters Parameters { get; }

    /// <summary>How many coefficients can be decrypted.</summary>
    public int CoefficientCount => _first.Length;

    /// <summary>The exact length of a serialised response with so many coefficients.</summary>
    public static int SerializedBytes(LatticeParameters parameters, int coefficientCount)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return WireFormat.HeaderBytes + (coefficientCount * FirstBytes) + (parameters.Degree * SecondBytes);
    }

    /// <summary>Kind, parameter id, c0 (8 bytes each), c1 (9 bytes each), little-endian. Positions are the protocol's to know.</summary>
    public byte[] Serialize()
    {
        byte[] bytes = new byte[SerializedBytes(Parameters, _first.Length)];
        Span<byte> body = WireFormat.WriteHeader(WireFormat.SwitchedCiphertextKind, Parameters, bytes);
        foreach (ulong value in _first)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(body, value);
            body = body[FirstBytes..];
        }

        for (int k = 0; k < _high.Length; k++, body = body[SecondBytes..])
        {
            ulong high = (ulong)(long)_high[k];
            BinaryPrimitives.WriteUInt64LittleEndian(body, (ulong)(long)_low[k] | (high << ModulusSwitch.HalfBits));
            body[8] = (byte)(high >> (64 - ModulusSwitch.HalfBits));
        }

        return bytes;
    }

    /// <summary>Reads a response of a known number of coefficients.</summary>
    /// <exception cref="LatticeException">Length, kind or parameter id is wrong, or the second polynomial is zero.</exception>
    public static SwitchedCiphertext Deserialize(LatticeParameters parameters, ReadOnlySpan<byte> bytes, int expectedCoefficientCount)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentOutOfRangeException.ThrowIfLessThan(expectedCoefficientCount, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(expectedCoefficientCount, parameters.Degree);
        LatticeError.CheckLength(bytes.Length, SerializedBytes(parameters, expectedCoefficientCount), What);
        ReadOnlySpan<byte> body = WireFormat.ReadHeader(WireFormat.SwitchedCiphertextKind, parameters, bytes, What);
        ulong[] first = new ulong[expectedCoefficientCount];
        for (int k = 0; k < first.Length; k++, body = body[FirstBytes..])
        {
            first[k] = BinaryPrimitives.ReadUInt64LittleEndian(body);
        }

        if (!body.ContainsAnyExcept((byte)0))
        {
            LatticeError.Malformed(What, "its second polynomial is zero");
        }

        double[] high = new double[parameters.Degree], low = new double[parameters.Degree];
        for (int k = 0; k < high.Length; k++, body = body[SecondBytes..])
        {
            ulong word = BinaryPrimitives.ReadUInt64LittleEndian(body);
            low[k] = word & ((1UL << ModulusSwitch.HalfBits) - 1);
            high[k] = (word >> ModulusSwitch.HalfBits) | ((ulong)body[8] << (64 - ModulusSwitch.HalfBits));
        }

        return new SwitchedCiphertext(parameters, first, high, low);
    }

    /// <summary>Decrypts a whole response.</summary>
    /// <exception cref="LatticeException">The response holds only some coefficients.</exception>
    public Plaintext Decrypt(SecretKey secretKey)
    {
        ArgumentNullException.ThrowIfNull(secretKey);
        LatticeError.CheckSame(Parameters, secretKey.Parameters);
        if (_first.Length != Parameters.Degree)
        {
            LatticeError.Malformed(What, string.Create(CultureInfo.InvariantCulture, $"it holds {_first.Length} coefficients, not {Parameters.Degree}"));
        }

        Plaintext plaintext = new(Parameters);
        double[] scratch = Parameters.Doubles.Rent();
        SwitchedProduct.Multiply(secretKey, _high, _low, scratch, plaintext.Coefficients.Length);
        for (int k = 0; k < plaintext.Coefficients.Length; k++)
        {
            plaintext.Coefficients[k] = Round(_first[k], SwitchedProduct.Combine(Parameters, scratch, k));
        }

        Parameters.Doubles.Return(scratch, zero: true);
        return plaintext;
    }

    /// <summary>Decrypts the coefficients that the response holds.</summary>
    /// <param name="secretKey">The key.</param>
    /// <param name="positions">Their positions, as they were given when the response was made.</param>
    /// <returns>One value in [0, t) for each position.</returns>
    /// <exception cref="LatticeException">The positions do not fit the response.</exception>
    public ulong[] DecryptCoefficients(SecretKey secretKey, ReadOnlySpan<int> positions)
    {
        ArgumentNullException.ThrowIfNull(secretKey);
        LatticeError.CheckSame(Parameters, secretKey.Parameters);
        CheckPositions(Parameters, positions);
        if (positions.Length != _first.Length)
        {
            LatticeError.Malformed(What, string.Create(CultureInfo.InvariantCulture, $"it holds {_first.Length} coefficients, not {positions.Length}"));
        }

        ulong[] values = new ulong[positions.Length];
        if (positions.Length <= SwitchedProduct.FewCoefficients)
        {
            for (int k = 0; k < values.Length; k++)
            {
                values[k] = Round(_first[k], SwitchedProduct.OneCoefficient(secretKey, _high, _low, positions[k]));
            }

            return values;
        }

        double[] scratch = Parameters.Doubles.Rent();
        SwitchedProduct.Multiply(secretKey, _high, _low, scratch, Parameters.Degree);
        for (int k = 0; k < values.Length; k++)
        {
            values[k] = Round(_first[k], SwitchedProduct.Combine(Parameters, scratch, positions[k]));
        }

        Parameters.Doubles.Return(scratch, zero: true);
        return values;
    }

    /// <summary>c0 + c1·s modulo 2^72 at the given positions of a whole response. For noise measurements.</summary>
    internal UInt128[] PhaseForTests(SecretKey secretKey, ReadOnlySpan<int> positions)
    {
        UInt128[] phases = new UInt128[positions.Length];
        for (int k = 0; k < phases.Length; k++)
        {
            phases[k] = Phase(_first[positions[k]], SwitchedProduct.OneCoefficient(secretKey, _high, _low, positions[k]));
        }

        return phases;
    }

    internal static void CheckPositions(LatticeParameters parameters, ReadOnlySpan<int> positions)
    {
        int previous = -1;
        foreach (int position in positions)
        {
            if (position <= previous || position >= parameters.Degree)
            {
                LatticeError.Malformed("list of coefficients", "positions must ascend strictly and lie below N");
            }

            previous = position;
        }

        if (positions.IsEmpty)
        {
            LatticeError.Malformed("list of coefficients", "it is empty");
        }
    }

    private static UInt128 Phase(ulong first, Int128 product) =>
        (((UInt128)first << Shift) + (UInt128)product) & ((UInt128.One << LatticeParameters.SecondSwitchedBits) - 1);

    /// <summary>round(t·v/2^72) mod t for v = c0·2^8 + (c1·s) mod 2^72.</summary>
    private ulong Round(ulong first, Int128 product)
    {
        UInt128 phase = Phase(first, product);
        ulong t = Parameters.PlainModulus;
        UInt128 low = ((UInt128)t * (ulong)phase) + (UInt128.One << (LatticeParameters.SecondSwitchedBits - 1));
        UInt128 high = ((UInt128)t * (ulong)(phase >> 64)) + (low >> 64);
        ulong rounded = (ulong)(high >> (LatticeParameters.SecondSwitchedBits - 64));
        return PlainModulus.SubtractWhereNotBelow(rounded, t);
    }
}
