using VertFed.Horizontal;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Learning;
using VertFed.Primitives;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

public sealed class CompressionTests
{
    [Theory]
    [InlineData(8, 127)]
    [InlineData(4, 7)]
    public void Quantised_vectors_are_unbiased_and_within_the_bound_of_their_paper(int bits, int levels)
    {
        const int Trials = 2000;
        double[] vector = Given.Vector(1, 40);
        double norm = Kernels.Norm(vector);
        var codec = new QuantisingCodec(bits);
        using RandomStream stream = Given.Stream(2);
        double[] mean = new double[vector.Length];
        double error = 0;
        for (int trial = 0; trial < Trials; trial++)
        {
            double[] sent = codec.Decode(codec.Encode(vector, stream), vector.Length);
            Kernels.AddScaled(1.0 / Trials, sent, mean);
            error += Kernels.SquaredDistance(sent, vector) / Trials;
        }

        // A number lies within one level; its mean over the trials has a deviation of at most half a level / √trials.
        Given.AssertClose(vector, mean, 5 * norm / (2 * levels * Math.Sqrt(Trials)));
        double bound = Math.Min(40.0 / (levels * levels), Math.Sqrt(40) / levels) * norm * norm;
        Assert.InRange(error, bound / 100, bound);
    }

    [Theory]
    [InlineData(8, 1000, 1000 + 16)]
    [InlineData(4, 1000, 500 + 16)]
    [InlineData(4, 7, 4 + 8)]
    [InlineData(8, 0, 0)]
    public void Quantised_vectors_have_the_size_of_their_codes(int bits, int length, int bytes)
    {
        using RandomStream stream = Given.Stream(1);
        Assert.Equal(bytes, new QuantisingCodec(bits).Encode(new double[length], stream).Length);
        Assert.Equal(new double[length], new QuantisingCodec(bits).Decode(new byte[bytes], length));
    }

    [Fact]
    public void Top_k_sends_the_largest_numbers_and_says_where_they_are()
    {
        using RandomStream stream = Given.Stream(1);
        var codec = new TopCodec(0.01);
        double[] vector = new double[1000];
        (vector[3], vector[400], vector[401], vector[999], vector[5]) = (-5, 2, -2, 3, 1);
        vector[7] = vector[8] = vector[9] = vector[10] = vector[11] = vector[12] = 0.5;
        byte[] bytes = codec.Encode(vector, stream);
        double[] expected = [.. vector];
        expected[12] = 0;
        Assert.Equal(expected, codec.Decode(bytes, 1000));
        Assert.Equal((10 * 9) + 2, bytes.Length);
    }

    [Fact]
    public void With_error_feedback_all_of_a_constant_update_arrives_in_the_end()
    {
        using RandomStream stream = Given.Stream(1);
        var codec = new TopCodec(0.2);
        double[] update = [1, 0.5, 0.25, 0.125, -0.3];
        double[] error = new double[5];
        double[] arrived = new double[5];
        for (int round = 0; round < 100; round++)
        {
            double[] sent = [.. update.Zip(error, (a, b) => a + b)];
            double[] received = codec.Decode(codec.Encode(sent, stream), 5);
            error = Kernels.Subtract(sent, received);
            Kernels.AddScaled(1, received, arrived);
        }

        Given.AssertClose([.. update.Select(u => 100 * u)], [.. arrived.Zip(error, (a, e) => a + e)], 1e-9);
        Assert.True(Kernels.Norm(error) < 10, "what is owed stays bounded");
    }

    [Fact]
    public void Bytes_that_are_no_encoding_are_refused()
    {
        using RandomStream stream = Given.Stream(1);
        foreach (UpdateCodec codec in (UpdateCodec[])[new PlainCodec(), new QuantisingCodec(8), new QuantisingCodec(4), new TopCodec(0.5)])
        {
            byte[] good = codec.Encode(Given.Vector(1, 10), stream);
            Assert.Equal(HorizontalError.WrongShape, Assert.Throws<HorizontalException>(() => codec.Decode(good.AsSpan(1), 10)).Error);
            Assert.Equal(HorizontalError.WrongShape, Assert.Throws<HorizontalException>(() => codec.Decode([.. good, 0], 10)).Error);
            byte[] infinite = [.. good];
            int at = codec is TopCodec ? 1 : 0;
            BitConverter.TryWriteBytes(infinite.AsSpan(at), double.PositiveInfinity);
            Assert.Equal(HorizontalError.NotFinite, Assert.Throws<HorizontalException>(() => codec.Decode(infinite, 10)).Error);
        }

        byte[] endless = [.. Enumerable.Repeat((byte)255, 100)];
        Assert.Equal(HorizontalError.WrongShape, Assert.Throws<HorizontalException>(() => new TopCodec(0.5).Decode(endless, 10)).Error);
    }

    [Theory]
    [InlineData("quantise:3")]
    [InlineData("top-k")]
    [InlineData("top-k:0")]
    [InlineData("top-k:x")]
    public void Codecs_that_do_not_parse_are_refused(string text) =>
        Assert.Equal(HorizontalError.InvalidInput, Assert.Throws<HorizontalException>(() => UpdateCodec.Parse(text)).Error);
}
