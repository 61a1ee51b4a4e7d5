using VertFed.Lattice;
using VertFed.Models;

namespace VertFed.Vertical;

/// <summary>
/// Fixed-point format of the train loss: factors of f bits each, their products and both parties' own sums at 2f bits, and a sum over
/// n rows of at most 2^7 each on average (logistic: log(1 + e^24) + 12; linear: root mean squares of at most 8) below t/2.
/// </summary>
internal sealed record LossPlan(int FactorBits)
{
    private const int RowBits = 7;
    private const int MostFactorBits = 20;

    public int SumBits => 2 * FactorBits;

    public static LossPlan Choose(int rows)
    {
        double room = DeterministicMath.Log2(PlainField.Modulus) - 1.1 - DeterministicMath.Log2(rows) - RowBits;
        return new LossPlan(Math.Min(MostFactorBits, (int)Math.Floor(room / 2)));
    }

    /// <summary>A party's own sum as an integer modulo t.</summary>
    public ulong OwnSum(double sum) =>
        PlainField.FromSigned((long)Math.Round(sum * DeterministicMath.PowerOfTwo(SumBits), MidpointRounding.ToEven));

    /// <summary>The mean over n rows of an unmasked sum.</summary>
    public double Mean(ulong sum, int rows) => PlainField.Centre(sum) * DeterministicMath.PowerOfTwo(-SumBits) / rows;
}
