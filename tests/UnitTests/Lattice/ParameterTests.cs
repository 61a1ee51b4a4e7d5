using VertFed.Lattice;
using Xunit;

namespace VertFed.UnitTests.Lattice;

public sealed class ParameterTests
{
    [Fact]
    public void The_standard_sets_have_the_sizes_that_the_protocol_counts_on()
    {
        Assert.Equal(8192, LatticeParameters.Link.Degree);
        Assert.InRange(LatticeParameters.Link.LogQ, 199.99, 200);
        Assert.InRange(LatticeParameters.Gradient.LogQ, 149.99, 150);
        Assert.NotEqual(LatticeParameters.Link.Id, LatticeParameters.Gradient.Id);
        Assert.Equal(
            "vertfed-rlwe/1;n=8192;t=288230376150876161;q=1125899906826241,1125899906629633,1125899905744897;secret=uniform-ternary;error=cbd21;switch=64,72",
            LatticeLiteral.Gradient.ToCanonicalText());
        Assert.Equal("b8237d5303017a4e", Convert.ToHexStringLower(LatticeParameters.Link.Id));
        Assert.Equal([1125899906826241UL, 1125899906629633UL, 1125899905744897UL, 1125899905351681UL], LatticeParameters.Link.Literal.Primes.ToArray());
    }

    [Theory]
    [InlineData(4096, 2, true)]
    [InlineData(4096, 3, false)]
    [InlineData(8192, 4, true)]
    [InlineData(8192, 5, false)]
    [InlineData(16384, 8, true)]
    [InlineData(2048, 2, false)]
    public void Moduli_beyond_the_security_limit_of_their_degree_are_refused(int degree, int primes, bool accepted)
    {
        LatticeLiteral literal = LatticeLiteral.Standard(degree, primes);
        if (accepted)
        {
            Assert.Equal(primes, new LatticeParameters(literal).PrimeCount);
        }
        else
        {
            Assert.Contains("degree", Assert.Throws<LatticeException>(() => new LatticeParameters(literal)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Literals_are_equal_when_they_say_the_same()
    {
        Assert.Equal(LatticeLiteral.Gradient, LatticeLiteral.Standard(8192, 3));
        Assert.Equal(LatticeLiteral.Gradient.GetHashCode(), LatticeLiteral.Standard(8192, 3).GetHashCode());
        Assert.NotEqual(LatticeLiteral.Gradient, LatticeLiteral.Link);
    }

    [Fact]
    public void Literals_that_break_a_rule_are_refused_by_name()
    {
        LatticeLiteral good = LatticeLiteral.Gradient;
        ulong[] primes = [.. good.Primes];
        Refuse(good with { PlainModulus = good.PlainModulus - 16384 }, "not prime");
        Refuse(good with { PlainModulus = (1UL << 58) + 1 }, "not below");
        Refuse(good with { PlainModulus = PrimeNumbers.LargestBelow(1UL << 57, 2, 1)[0] }, "modulo 16384");
        Refuse(good with { PlainModulus = primes[1] }, "t divides q");
        Refuse(good with { PlainModulus = 0 }, "modulo");
        Refuse(good with { Primes = [primes[0], primes[0]] }, "repeated");
        Refuse(good with { Primes = [primes[0]] }, "two to eight");
        Refuse(good with { Primes = default }, "two to eight");
        Refuse(good with { Primes = [primes[0], primes[1] - 16384] }, "not prime");
        Refuse(good with { Primes = [primes[0], primes[1] + 2] }, "modulo 16384");
        Refuse(good with { Primes = [primes[0], good.PlainModulus] }, "not below");
        Refuse(good with { Degree = 8191 }, "degree");
        Refuse(good with { Degree = -8192 }, "degree");
    }

    [Fact]
    public void Primality_is_decided_right_around_known_cases()
    {
        ulong[] primes = [2, 3, 37, 41, 65537, 4294967291, 18446744073709551557];
        ulong[] composites = [0, 1, 4, 1369, 3215031751, 3474749660383, 341550071728321, 3825123056546413051, 18446744073709551615];
        Assert.All(primes, p => Assert.True(PrimeNumbers.IsPrime(p)));
        Assert.All(composites, c => Assert.False(PrimeNumbers.IsPrime(c)));
        for (ulong n = 0; n < 3000; n++)
        {
            bool divisible = n < 2 || Enumerable.Range(2, (int)Math.Sqrt(n)).Any(d => (ulong)d < n && n % (ulong)d == 0);
            Assert.Equal(!divisible, PrimeNumbers.IsPrime(n));
        }
    }

    [Fact]
    public void Objects_of_different_parameters_do_not_mix()
    {
        using TestKeys link = new(LatticeParameters.Link, "mix link");
        LatticeParameters p = LatticeParameters.Gradient;
        ResponseBuilder builder = new(p);
        Assert.Throws<LatticeException>(() => builder.AddPlain(new Plaintext(LatticeParameters.Link)));
        Assert.Throws<LatticeException>(() => builder.Add(link.Encrypt(new Plaintext(LatticeParameters.Link), "mix")));
        Assert.Throws<LatticeException>(() => builder.Finish(link.Public, new FloodingBound(p, 1, 1), LatticeFixtures.Stream("mix own")));
        Assert.Throws<LatticeException>(() => link.Encrypt(new Plaintext(p), "mix"));
    }

    private static void Refuse(LatticeLiteral literal, string rule) =>
        Assert.Contains(rule, Assert.Throws<LatticeException>(() => new LatticeParameters(literal)).Message, StringComparison.Ordinal);
}
