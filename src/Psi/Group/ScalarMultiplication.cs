namespace VertFed.Psi.Group;

/// <summary>
/// Multiplication of points by one secret scalar in constant time: signed windows of four bits over a table of 1P to 8P
/// that is read in full for every digit, so that neither time nor memory addresses depend on the scalar.
/// </summary>
internal static class ScalarMultiplication
{
    private const int TableSize = 8;

    /// <summary>Σ digits[i]·16^i · P in every lane; digits in [−8, 7]. X, Y and Z of the result are set, T as well.</summary>
    public static void Multiply<F>(ReadOnlySpan<sbyte> digits, in EdwardsPoint<F> p, out EdwardsPoint<F> r)
        where F : unmanaged, ILaneField<F>
    {
        Span<EdwardsAddend<F>> table = stackalloc EdwardsAddend<F>[TableSize];
        Edwards.ToAddend(p, out table[0]);
        for (int i = 1; i < TableSize; i++)
        {
            Edwards.Add(p, table[i - 1], out EdwardsPoint<F> multiple);
            Edwards.ToAddend(multiple, out table[i]);
        }

        r = EdwardsPoint<F>.Identity;
        for (int i = digits.Length - 1; i >= 0; i--)
        {
            if (i < digits.Length - 1)
            {
                for (int j = 0; j < 3; j++)
                {
                    Edwards.Double(r, out DoubledPoint<F> d);
                    Edwards.CompleteWithoutT(d, ref r);
                }

                Edwards.Double(r, out DoubledPoint<F> last);
                Edwards.Complete(last, ref r);
            }

            Select(table, digits[i], out EdwardsAddend<F> addend);
            Edwards.Add(r, addend, out r);
        }
    }

    /// <summary>digit·P from the table, reading every entry; the identity (1, 1, 2, 0) for zero.</summary>
    private static void Select<F>(ReadOnlySpan<EdwardsAddend<F>> table, sbyte digit, out EdwardsAddend<F> r)
        where F : unmanaged, ILaneField<F>
    {
        ulong negative = (ulong)((long)digit >> 63);
        ulong magnitude = ((ulong)(long)digit ^ negative) - negative;
        r = default;
        ulong isZero = EqualMask(magnitude, 0);
        F.OrMasked(ref r.YPlusX, CurveConstants<F>.One, isZero);
        F.OrMasked(ref r.YMinusX, CurveConstants<F>.One, isZero);
        F.OrMasked(ref r.TwiceZ, CurveConstants<F>.Two, isZero);
        for (int i = 0; i < table.Length; i++)
        {
            ulong mask = EqualMask(magnitude, (ulong)i + 1);
            ref readonly EdwardsAddend<F> entry = ref table[i];
            F.OrMasked(ref r.YPlusX, entry.YPlusX, mask);
            F.OrMasked(ref r.YMinusX, entry.YMinusX, mask);
            F.OrMasked(ref r.TwiceZ, entry.TwiceZ, mask);
            F.OrMasked(ref r.TwiceDT, entry.TwiceDT, mask);
        }

        // Full lanes: the digit is the same for all.
        Edwards.NegateIf(ref r, negative);
    }

    private static ulong EqualMask(ulong a, ulong b)
    {
        ulong difference = a ^ b;
        return ((difference | (0 - difference)) >> 63) - 1;
    }
}
