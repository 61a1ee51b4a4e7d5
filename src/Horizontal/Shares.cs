namespace VertFed.Horizontal;

/// <summary>
/// Shares of a count, as they are meant in decimals: 0.07 of 100 is 7, though the product of doubles is 7.000000000000001, and 0.29 of 100 is 29,
/// though that product is 28.999999999999996.
/// </summary>
internal static class Shares
{
    private const double Tolerance = 1e-9;

    /// <summary>⌈share · count⌉.</summary>
    public static int Up(double share, int count) => (int)Math.Ceiling(Product(share, count));

    /// <summary>⌊share · count⌋.</summary>
    public static int Down(double share, int count) => (int)Math.Floor(Product(share, count));

    private static double Product(double share, int count)
    {
        double product = share * count;
        double whole = Math.Round(product, MidpointRounding.ToEven);
        return Math.Abs(product - whole) <= Tolerance * Math.Max(1, whole) ? whole : product;
    }
}
