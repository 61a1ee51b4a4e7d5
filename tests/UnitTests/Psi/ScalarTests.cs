using System.Numerics;
using VertFed.Primitives;
using VertFed.Psi.Group;
using Xunit;

namespace VertFed.UnitTests.Psi;

public sealed class ScalarTests
{
    private static readonly BigInteger s_order =
        BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493");

    [Fact]
    public void Zero_and_values_from_the_order_up_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Scalar.FromBytes(Bytes(0)));
        Assert.Throws<ArgumentException>(() => Scalar.FromBytes(Bytes(s_order)));
        Assert.Throws<ArgumentException>(() => Scalar.FromBytes(Bytes(s_order + 1)));
        Assert.Throws<ArgumentException>(() => Scalar.FromBytes(Bytes(BigInteger.Pow(2, 256) - 1)));
        Assert.Throws<ArgumentException>(() => Scalar.FromBytes(new byte[31]));
        Scalar.FromBytes(Bytes(s_order - 1)).Dispose();
        Scalar.FromBytes(Bytes(1)).Dispose();
    }

    [Fact]
    public void Digits_are_half_of_the_scalar_modulo_the_order()
    {
        using RandomStream stream = new(new byte[32]);
        List<BigInteger> values = [1, 2, 3, s_order - 1, s_order - 2, BigInteger.Pow(2, 252), BigInteger.Pow(2, 252) - 1];
        byte[] bytes = new byte[32];
        for (int i = 0; i < 200; i++)
        {
            stream.Fill(bytes);
            values.Add(BigInteger.Max(1, new BigInteger(bytes, isUnsigned: true) % s_order));
        }

        foreach (BigInteger value in values)
        {
            using Scalar scalar = Scalar.FromBytes(Bytes(value));
            BigInteger sum = 0;
            for (int i = 63; i >= 0; i--)
            {
                Assert.InRange(scalar.HalfDigits[i], -8, 7);
                sum = (sum * 16) + scalar.HalfDigits[i];
            }

            Assert.InRange(sum, 1, s_order - 1);
            Assert.Equal(value, sum * 2 % s_order);
        }
    }

    [Fact]
    public void The_same_stream_gives_the_same_scalar_and_a_later_draw_another()
    {
        using RandomStream one = new(new byte[32]);
        using RandomStream two = new(new byte[32]);
        using Scalar a = Scalar.Random(one);
        using Scalar b = Scalar.Random(two);
        using Scalar c = Scalar.Random(two);
        Assert.Equal(a.HalfDigits.ToArray(), b.HalfDigits.ToArray());
        Assert.NotEqual(b.HalfDigits.ToArray(), c.HalfDigits.ToArray());
    }

    [Fact]
    public void A_disposed_scalar_is_zeroed_and_unusable()
    {
        using RandomStream stream = new(new byte[32]);
        Scalar scalar = Scalar.Random(stream);
        ref readonly sbyte first = ref scalar.HalfDigits[0];
        ReadOnlySpan<sbyte> memory = System.Runtime.InteropServices.MemoryMarshal.CreateReadOnlySpan(in first, 64);
        Assert.True(memory.ContainsAnyExcept((sbyte)0));
        scalar.Dispose();
        Assert.False(memory.ContainsAnyExcept((sbyte)0));
        Assert.Throws<ObjectDisposedException>(() => scalar.HalfDigits.Length);
    }

    private static byte[] Bytes(BigInteger value)
    {
        byte[] bytes = new byte[32];
        value.TryWriteBytes(bytes, out _, isUnsigned: true);
        return bytes;
    }
}
