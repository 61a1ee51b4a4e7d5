namespace VertFed.Lattice;

/// <summary>Values as the coefficients of X^0, X^1, …: products of ciphertexts and plaintexts are negacyclic convolutions.</summary>
public static class CoefficientEncoder
{
    /// <summary>Encodes at most N signed values of size up to (t−1)/2; the remaining coefficients are zero.</summary>
    /// <exception cref="LatticeException">There are too many values.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A value is too large.</exception>
    public static void Encode(ReadOnlySpan<long> centred, Plaintext destination)
    {
        Check(centred.Length, destination);
        PlainModulus field = destination.Parameters.Plain;
        for (int k = 0; k < centred.Length; k++)
        {
            destination.Coefficients[k] = field.FromSigned(centred[k]);
        }

        Array.Clear(destination.Coefficients, centred.Length, destination.Coefficients.Length - centred.Length);
    }

    /// <summary>Encodes at most N residues in [0, t); the remaining coefficients are zero.</summary>
    /// <exception cref="LatticeException">There are too many values, or one is not below t.</exception>
    public static void Encode(ReadOnlySpan<ulong> residues, Plaintext destination)
    {
        Check(residues.Length, destination);
        residues.CopyTo(destination.Coefficients);
        Array.Clear(destination.Coefficients, residues.Length, destination.Coefficients.Length - residues.Length);
        destination.Check();
    }

    /// <summary>The first coefficients, centred, as many as the destination takes.</summary>
    public static void Decode(Plaintext plaintext, Span<long> centred)
    {
        Check(centred.Length, plaintext);
        plaintext.Check();
        for (int k = 0; k < centred.Length; k++)
        {
            centred[k] = plaintext.Parameters.Plain.Centre(plaintext.Coefficients[k]);
        }
    }

    private static void Check(int count, Plaintext plaintext)
    {
        ArgumentNullException.ThrowIfNull(plaintext);
        if (count > plaintext.Coefficients.Length)
        {
            LatticeError.Malformed("list of values", "it is longer than N");
        }
    }
}
