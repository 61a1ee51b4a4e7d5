using VertFed.Lattice;
using Xunit;

namespace VertFed.UnitTests.Lattice;

public sealed class FloodingBoundTests
{
    /// <summary>21·(2·8192 + 1), the most that a fresh encryption of zero adds.</summary>
    private const double Fresh = 344085;

    [Theory]
    [InlineData(1048576 - Fresh, 1, 59)]
    [InlineData(1048577 - Fresh, 1, 60)]
    [InlineData(1048576 - Fresh, 2, 60)]
    [InlineData(1048576 - Fresh, 1024, 69)]
    [InlineData(1048576 - Fresh, 1025, 70)]
    [InlineData(1.0, 1, 58)]
    public void The_flood_is_the_next_power_of_two_of_the_whole_noise_times_M_2_to_the_39(double v, long m, int exponent) =>
        Assert.Equal(exponent, new FloodingBound(LatticeParameters.Gradient, v, m).Exponent);

    [Theory]
    [InlineData(true, 139)]
    [InlineData(false, 89)]
    public void The_largest_flood_that_fits_is_accepted_and_the_next_is_refused_with_the_numbers(bool link, int largest)
    {
        LatticeParameters p = link ? LatticeParameters.Link : LatticeParameters.Gradient;
        double v = Math.ScaleB(1, largest - 39 - 10) - Fresh;
        FloodingBound accepted = new(p, v, 1024);
        Assert.Equal(largest, accepted.Exponent);

        // 2^11 units of flood and 0.5625·(8192 + 1 + 256) of rounding beside a limit of 2^13.
        Assert.InRange(accepted.MarginBits, 0.268, 0.269);
        string message = Assert.Throws<LatticeException>(() => new FloodingBound(p, v, 1025)).Message;
        Assert.Contains("Noise budget", message, StringComparison.Ordinal);
        Assert.Contains("M = 1025", message, StringComparison.Ordinal);
        Assert.Contains($"B = 2^{largest + 1}", message, StringComparison.Ordinal);
        Assert.Contains("2^72/2t = 2^13.00", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Impossible_floods_are_refused_before_switching_is_considered() =>
        Assert.Contains("q/2t", Assert.Throws<LatticeException>(
            () => new FloodingBound(LatticeParameters.Gradient, Math.ScaleB(1, 90), long.MaxValue)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(0.5, 1)]
    [InlineData(double.NaN, 1)]
    [InlineData(double.PositiveInfinity, 1)]
    [InlineData(-1.0, 1)]
    [InlineData(1.0, 0)]
    [InlineData(1.0, -5)]
    public void Senseless_arguments_are_refused(double v, long m) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new FloodingBound(LatticeParameters.Gradient, v, m));

    [Fact]
    public void The_protocol_s_largest_jobs_fit()
    {
        // Link: K = 12; thirty iterations of ten million rows. Gradient: norm of ten million features at 13 bits and 20 deviations.
        LatticeParameters link = LatticeParameters.Link, gradient = LatticeParameters.Gradient;
        Assert.True(new FloodingBound(link, FloodingBound.SlotProductNoise(link, 12), 30L * 10_000_000).MarginBits > 0);
        double norm = Math.Sqrt(1e7) * 8192 * 20;
        Assert.True(new FloodingBound(gradient, FloodingBound.ColumnProductNoise(norm), 30L * 1000).MarginBits > 0);
    }

    [Theory]
    [InlineData(1.0, 0)]
    [InlineData(1.0000000000000002, 1)]
    [InlineData(2.0, 1)]
    [InlineData(3.0, 2)]
    [InlineData(4.0, 2)]
    [InlineData(1e30, 100)]
    public void Ceilings_of_logarithms_come_from_the_bits(double value, int expected) =>
        Assert.Equal(expected, FloodingBound.CeilingLog2(value));
}
