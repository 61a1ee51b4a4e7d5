using FsCheck;
using FsCheck.Fluent;
using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

/// <summary>What holds of updates and of what is made of them, whatever a hostile client sends.</summary>
public sealed class UpdatePropertyTests
{
    private const int Length = 3;

    [Theory]
    [InlineData("median")]
    [InlineData("trimmed-mean")]
    public void No_coordinate_leaves_the_range_of_the_honest_ones_while_they_are_in_the_majority(string strategy) => Property((honest, hostile) =>
    {
        double share = (double)hostile.Length / (honest.Length + hostile.Length);
        double[] outcome = Outcome(strategy == "median" ? strategy : FormattableString.Invariant($"{strategy}:{share}"), honest, hostile);
        return Enumerable.Range(0, Length).All(k =>
            outcome[k] >= honest.Min(update => update[k]) - 1e-12 && outcome[k] <= honest.Max(update => update[k]) + 1e-12);
    });

    [Fact]
    public void The_geometric_median_stays_with_the_honest_ones_while_they_are_in_the_majority() => Property((honest, hostile) =>
    {
        // Minsker 2015, lemma 2.1: farther than (1 - a) / sqrt(1 - 2a) times their radius from the centre of a share 1 - a of the points, none is the median.
        double[] centre = [.. Enumerable.Range(0, Length).Select(k => honest.Average(update => update[k]))];
        double radius = honest.Max(update => Math.Sqrt(Kernels.SquaredDistance(update, centre)));
        double share = (double)hostile.Length / (honest.Length + hostile.Length);
        double allowed = (1 - share) / Math.Sqrt(1 - (2 * share)) * radius;
        return Math.Sqrt(Kernels.SquaredDistance(Outcome("geometric-median", honest, hostile), centre)) <= (1.05 * allowed) + 1e-9;
    });

    [Fact]
    public void No_step_of_norm_bounding_is_longer_than_the_bound() => Property((honest, hostile) =>
        Kernels.Norm(Outcome("norm-bound:1", honest, hostile)) <= honest.Max(update => Kernels.Norm(update)) * (1 + 1e-9));

    [Fact]
    public void Bytes_that_nobody_encoded_decode_to_finite_numbers_or_are_refused() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            using RandomStream stream = Given.Stream((ulong)seed);
            UpdateCodec codec = (seed % 4) switch { 0 => new PlainCodec(), 1 => new QuantisingCodec(8), 2 => new QuantisingCodec(4), _ => new TopCodec(0.3) };
            int length = (int)stream.NextBelow(20);
            byte[] bytes = codec.Encode(Given.Vector((ulong)seed, length), stream);
            for (int change = (int)stream.NextBelow(9); change > 0 && bytes.Length > 0; change--)
            {
                bytes[(int)stream.NextBelow((ulong)bytes.Length)] = (byte)stream.NextBelow(256);
            }

            bytes = stream.NextBelow(4) == 0 ? bytes[..(int)stream.NextBelow((ulong)bytes.Length + 1)] : bytes;
            try
            {
                double[] vector = codec.Decode(bytes, length);
                return vector.Length == length && vector.All(double.IsFinite);
            }
            catch (HorizontalException e)
            {
                return e.Error is HorizontalError.WrongShape or HorizontalError.NotFinite;
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(400));

    // Three to nine honest updates of any size and place, and fewer hostile ones, of any length and with any claim.
    private static void Property(Func<double[][], double[][], bool> holds) => Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
    {
        using RandomStream stream = Given.Stream((ulong)seed);
        int honest = 3 + (int)stream.NextBelow(7);
        int hostile = (int)Math.Min((ulong)(honest - 1) * 2 / 3, stream.NextBelow((ulong)honest));
        double[] place = Vector(10);
        double[][] near = [.. Enumerable.Range(0, honest).Select(_ => Vector(1).Zip(place, (a, b) => a + b).ToArray())];
        double[][] far = [.. Enumerable.Range(0, hostile).Select(_ => Vector(Math.Pow(10, stream.NextBelow(12))))];
        return holds(near, far);

        double[] Vector(double scale) => [.. Enumerable.Range(0, Length).Select(_ => scale * Draws.Normal(stream))];
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(200));

    private static double[] Outcome(string strategy, double[][] honest, double[][] hostile)
    {
        ClientUpdate[] updates =
        [
            .. honest.Select((delta, i) => AggregationTests.Update(i, delta)),
            .. hostile.Select((delta, i) => AggregationTests.Update(honest.Length + i, delta, 1_000_000_000)),
        ];
        return StrategyParser.Parse(strategy).Aggregate(ServerState.Start(new double[Length]), updates, updates.Length).State.Parameters;
    }
}
