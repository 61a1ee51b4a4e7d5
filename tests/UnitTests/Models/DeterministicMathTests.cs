using System.Numerics;
using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class DeterministicMathTests
{
    // Fixed point with 200 fractional bits: about 60 decimal digits.
    private const int Bits = 200;
    private static readonly BigInteger s_one = BigInteger.One << Bits;

    [Fact]
    public void Exp_is_within_two_ulp_of_a_sixty_digit_reference() =>
        Check(Points(-60, 300), DeterministicMath.Exp, x => ExpBig(ToBig(x)), 2);

    [Fact]
    public void Log_is_within_two_ulp_of_a_sixty_digit_reference() =>
        Check(Points(-40, 40).Select(Math.Exp).Append(1 + 1e-12).Append(1 - 1e-9), DeterministicMath.Log, LogBig, 2);

    [Fact]
    public void Sigmoid_is_within_three_ulp_of_a_sixty_digit_reference() =>
        Check(Points(-40, 40), DeterministicMath.Sigmoid, x => Divide(s_one, s_one + ExpBig(-ToBig(x))), 3);

    [Fact]
    public void Log1pExp_is_within_three_ulp_of_a_sixty_digit_reference() =>
        Check(Points(-30, 30), DeterministicMath.Log1pExp, x => LogOfFixed(s_one + ExpBig(ToBig(x))), 3);

    [Fact]
    public void CosPi_is_within_1e_15()
    {
        foreach (double x in Points(0, 1))
        {
            Assert.Equal(Math.Cos(Math.PI * x), DeterministicMath.CosPi(x), 1e-15);
        }
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1000, double.PositiveInfinity)]
    [InlineData(-1000, 0)]
    [InlineData(double.NegativeInfinity, 0)]
    [InlineData(double.NaN, double.NaN)]
    public void Exp_has_the_right_limits(double x, double expected) => Assert.Equal(expected, DeterministicMath.Exp(x));

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0, double.NegativeInfinity)]
    [InlineData(-1, double.NaN)]
    [InlineData(double.PositiveInfinity, double.PositiveInfinity)]
    public void Log_has_the_right_limits(double x, double expected) => Assert.Equal(expected, DeterministicMath.Log(x));

    [Fact]
    public void Subnormal_results_and_arguments_are_right()
    {
        Assert.Equal(Math.Exp(-740), DeterministicMath.Exp(-740), 1e-320);
        Assert.Equal(Math.Log(5e-320), DeterministicMath.Log(5e-320), 1e-12);
    }

    // A change of one bit on any machine would make a replay diverge: these bits are pinned.
    [Fact]
    public void Bits_are_pinned()
    {
        ulong hash = 14695981039346656037;
        foreach (double x in Points(-30, 30))
        {
            foreach (double value in (double[])[DeterministicMath.Exp(x), DeterministicMath.Log(Math.Abs(x) + 0.01), DeterministicMath.Sigmoid(x), DeterministicMath.Log1pExp(x)])
            {
                hash = (hash ^ BitConverter.DoubleToUInt64Bits(value)) * 1099511628211;
            }
        }

        Assert.Equal(PinnedHash, hash);
    }

    private const ulong PinnedHash = 13804011750692190847;

    private static IEnumerable<double> Points(double low, double high)
    {
        ulong state = 12345;
        for (int i = 0; i < 1500; i++)
        {
            state = (state * 6364136223846793005) + 1442695040888963407;
            yield return low + ((high - low) * ((state >> 11) / 9007199254740992.0));
        }
    }

    private static void Check(IEnumerable<double> points, Func<double, double> function, Func<double, BigInteger> reference, double ulps)
    {
        foreach (double x in points)
        {
            double value = function(x);
            if (Math.Abs(value) < 1e-30)
            {
                continue;
            }

            BigInteger exact = reference(x);
            double error = (double)(ToBig(value) - exact) / (double)s_one;
            Assert.True(Math.Abs(error) <= ulps * (Math.BitIncrement(Math.Abs(value)) - Math.Abs(value)), $"x = {x:R}: off by {error:E2}");
        }
    }

    private static BigInteger ToBig(double x)
    {
        long bits = BitConverter.DoubleToInt64Bits(x);
        int exponent = (int)((bits >> 52) & 0x7FF);
        BigInteger mantissa = (bits & 0xFFFFFFFFFFFFF) | (exponent == 0 ? 0 : 1L << 52);
        int shift = Math.Max(exponent, 1) - 1075 + Bits;
        BigInteger magnitude = shift >= 0 ? mantissa << shift : mantissa >> -shift;
        return bits < 0 ? -magnitude : magnitude;
    }

    private static BigInteger Divide(BigInteger a, BigInteger b) => (a << Bits) / b;

    // e^x by x / 2^20, Taylor, and twenty squarings.
    private static BigInteger ExpBig(BigInteger x)
    {
        const int guard = 1100;
        BigInteger reduced = (x << guard) >> 20;
        BigInteger one = s_one << guard;
        BigInteger term = one;
        BigInteger sum = one;
        for (int n = 1; n < 200 && !term.IsZero; n++)
        {
            term = (term * reduced / n) >> (Bits + guard);
            sum += term;
        }

        for (int i = 0; i < 20; i++)
        {
            sum = (sum * sum) >> (Bits + guard);
        }

        return sum >> guard;
    }

    private static BigInteger LogBig(double x) => LogOfFixed(ToBig(x));

    // Newton on e^y = x from a double start.
    private static BigInteger LogOfFixed(BigInteger x)
    {
        BigInteger y = ToBig(BigInteger.Log(x) - (Bits * Math.Log(2)));
        for (int i = 0; i < 4; i++)
        {
            BigInteger e = ExpBig(y);
            y += Divide(2 * (x - e), x + e);
        }

        return y;
    }
}
