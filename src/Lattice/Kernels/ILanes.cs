namespace VertFed.Lattice;

/// <summary>
/// The few operations that the double-residue kernel needs, over one, four or eight lanes. The generic kernel is
/// specialised by the JIT for each implementation, so the formula is written once and every width runs the same
/// sequence of correctly rounded operations.
/// </summary>
/// <typeparam name="TVector">double, Vector256 or Vector512.</typeparam>
internal interface ILanes<TVector>
    where TVector : struct
{
    /// <summary>log2 of the number of lanes L.</summary>
    static abstract int LogCount { get; }

    static abstract TVector Broadcast(double value);

    static abstract TVector Load(ref double origin, nuint index);

    static abstract void Store(TVector value, ref double origin, nuint index);

    static abstract TVector Add(TVector a, TVector b);

    static abstract TVector Subtract(TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    /// <summary>a·b + c with one rounding.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    /// <summary>a·b − c with one rounding.</summary>
    static abstract TVector MultiplySubtract(TVector a, TVector b, TVector c);

    /// <summary>a where a ≥ 0, otherwise a + b; no branch.</summary>
    static abstract TVector AddWhereNegative(TVector a, TVector b);

    /// <summary>
    /// The last log2 L layers of a forward transform on L·L consecutive residues, with the final reduction:
    /// transpose, butterflies between registers, transpose back. Twiddles lie as <see cref="NttTables"/> lays them out.
    /// </summary>
    static abstract void ForwardTail(ref double block, ref double twiddle, ref double quotient, double prime);

    /// <summary>The first log2 L layers of an inverse transform on L·L consecutive residues.</summary>
    static abstract void InverseTail(ref double block, ref double twiddle, ref double quotient, double prime);
}
