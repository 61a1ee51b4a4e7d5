namespace VertFed.Psi.Group;

/// <summary>The constants of RFC 9496, section 4.1, little-endian, and their copies in every lane of a field type.</summary>
internal static class CurveConstants
{
    public const string D = "a3785913ca4deb75abd841414d0a700098e879777940c78c73fe6f2bee6c0352";
    public const string TwiceD = "59f1b226949bd6eb56b183829a14e00030d1f3eef2808e19e7fcdf56dcd90624";
    public const string SqrtMinusOne = "b0a00e4a271beec478e42fad0618432fa7d7fb3d99004d2b0bdfc14f8024832b";
    public const string SqrtAdMinusOne = "1b2e7b49a0f6977ebd54781b0c8e9daffdd1f531c9fc3c0fac48832bbf316937";
    public const string InvSqrtAMinusD = "ea405d80aafdc899be72415a17162f9d40d801fe917bc216a2fcafcf05896c78";
    public const string OneMinusDSquared = "76c15f94c1097ce20f355ecd38a1812ce4df70beddab9499d7e0b3b2a8729002";
    public const string DMinusOneSquared = "204ded44aa5aad3199191eb02c4a9ed2eb4e9b522fd3dc4c41226cf67ab36859";
}

/// <inheritdoc cref="CurveConstants"/>
internal static class CurveConstants<F>
    where F : unmanaged, ILaneField<F>
{
    public static readonly F Zero = Small(0);
    public static readonly F One = Small(1);
    public static readonly F Two = Small(2);
    public static readonly F MinusOne = Negated(One);
    public static readonly F D = Parse(CurveConstants.D);
    public static readonly F TwiceD = Parse(CurveConstants.TwiceD);
    public static readonly F SqrtMinusOne = Parse(CurveConstants.SqrtMinusOne);
    public static readonly F SqrtAdMinusOne = Parse(CurveConstants.SqrtAdMinusOne);
    public static readonly F InvSqrtAMinusD = Parse(CurveConstants.InvSqrtAMinusD);
    public static readonly F OneMinusDSquared = Parse(CurveConstants.OneMinusDSquared);
    public static readonly F DMinusOneSquared = Parse(CurveConstants.DMinusOneSquared);

    private static F Small(ulong value)
    {
        F.Broadcast(new FieldElement(value), out F r);
        return r;
    }

    private static F Parse(string hex)
    {
        F.Broadcast(FieldElement.FromBytes(Convert.FromHexString(hex)), out F r);
        return r;
    }

    private static F Negated(in F a)
    {
        F.Sub(Zero, a, out F r);
        F.Reduce(r, out r);
        return r;
    }
}
