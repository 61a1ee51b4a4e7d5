namespace VertFed.Psi.Group;

/// <summary>
/// Arithmetic modulo p = 2^255 − 19 on one or several independent elements side by side (lanes). The group formulas are
/// written once over this interface; the runtime compiles them once per implementation.
/// </summary>
/// <remarks>
/// <para>All operations run in constant time. Every output may alias every input.</para>
/// <para>Magnitudes. <i>Tight</i>: what <see cref="Mul"/>, <see cref="Square"/>, <see cref="Reduce"/>,
/// <see cref="Broadcast"/> and <see cref="SetLane"/> give. <i>Loose</i>: the sum or the difference of two tight elements.
/// <i>Wide</i>: a loose one plus or minus a tight one. The subtrahend of <see cref="Sub"/> is always tight.</para>
/// </remarks>
internal interface ILaneField<F>
    where F : unmanaged, ILaneField<F>
{
    /// <summary>Elements side by side, at most 32.</summary>
    static abstract int Lanes { get; }

    /// <summary>a + b, not reduced.</summary>
    static abstract void Add(in F a, in F b, out F r);

    /// <summary>a − b + 2p, not reduced; b is tight.</summary>
    static abstract void Sub(in F a, in F b, out F r);

    /// <summary>a·b, tight; a is at most wide and b at most loose.</summary>
    static abstract void Mul(in F a, in F b, out F r);

    /// <summary>a², tight; a is at most loose.</summary>
    static abstract void Square(in F a, out F r);

    /// <summary>The same value, tight; a is at most wide plus a tight one.</summary>
    static abstract void Reduce(in F a, out F r);

    /// <summary>r = a in the lanes whose bit is set; bit i stands for lane i.</summary>
    static abstract void Assign(ref F r, in F a, uint lanes);

    /// <summary>r = r | (a &amp; mask), limb by limb, with an all-ones or all-zeros mask: one step of a table look-up.</summary>
    static abstract void OrMasked(ref F r, in F a, ulong mask);

    /// <summary>The same tight value in every lane.</summary>
    static abstract void Broadcast(in FieldElement value, out F r);

    /// <summary>Replaces one lane by a tight value.</summary>
    static abstract void SetLane(ref F r, int lane, in FieldElement value);

    /// <summary>One lane, at most loose as the input is.</summary>
    static abstract FieldElement GetLane(in F a, int lane);
}
