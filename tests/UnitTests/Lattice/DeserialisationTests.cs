using VertFed.Lattice;
using VertFed.Primitives;
using Xunit;
using static VertFed.UnitTests.Lattice.LatticeFixtures;

namespace VertFed.UnitTests.Lattice;

/// <summary>Bytes from a hostile peer.</summary>
public sealed class DeserialisationTests : IDisposable
{
    private static readonly LatticeParameters P = LatticeParameters.Gradient;
    private readonly TestKeys _keys = new(P, "hostile keys");

    public void Dispose() => _keys.Dispose();

    [Fact]
    public void Every_length_but_the_right_one_is_refused()
    {
        byte[] key = _keys.Public.Serialize(), sent = Sent(), response = Response();
        foreach (int cut in (int[])[0, 1, 8, 9, 41, 100, -1])
        {
            Refuse("bytes", () => PublicKey.Deserialize(P, Seed("u"), Resize(key, cut)));
            Refuse("bytes", () => SeededCiphertext.Deserialize(P, Resize(sent, cut)));
            Refuse("bytes", () => SwitchedCiphertext.Deserialize(P, Resize(response, cut), 1));
        }

        Refuse("bytes", () => SwitchedCiphertext.Deserialize(P, response, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => SwitchedCiphertext.Deserialize(P, response, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => SwitchedCiphertext.Deserialize(P, response, P.Degree + 1));
    }

    [Fact]
    public void Another_kind_or_another_parameter_id_is_refused()
    {
        byte[] key = _keys.Public.Serialize(), sent = Sent(), response = Response();
        for (int position = 0; position < 9; position++)
        {
            string rule = position == 0 ? "kind" : "other lattice parameters";
            Refuse(rule, () => PublicKey.Deserialize(P, Seed("u"), Change(key, position)));
            Refuse(rule, () => SeededCiphertext.Deserialize(P, Change(sent, position)));
            Refuse(rule, () => SwitchedCiphertext.Deserialize(P, Change(response, position), 1));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4095)]
    [InlineData(8190)]
    [InlineData(8191)]
    public void A_residue_at_its_prime_is_refused_and_one_below_is_read(int position)
    {
        byte[] key = _keys.Public.Serialize(), sent = Sent();
        for (int i = 0; i < P.PrimeCount; i++)
        {
            ulong prime = P.Literal.Primes[i];
            int bit = 50 * ((i * P.Degree) + position);
            foreach (ulong bad in (ulong[])[prime, prime + 1, (1UL << 50) - 1])
            {
                Refuse("below its prime", () => PublicKey.Deserialize(P, Seed("u"), Put(key, (9 * 8) + bit, bad)));
                Refuse("below its prime", () => SeededCiphertext.Deserialize(P, Put(sent, (41 * 8) + bit, bad)));
            }

            byte[] edge = Put(sent, (41 * 8) + bit, prime - 1);
            Assert.Equal(edge, SeededCiphertext.Deserialize(P, edge).Serialize());
        }
    }

    [Fact]
    public void Zero_polynomials_are_refused()
    {
        byte[] key = _keys.Public.Serialize(), sent = Sent(), response = Response();
        key.AsSpan(9).Clear();
        sent.AsSpan(41).Clear();
        response.AsSpan(17).Clear();
        Refuse("zero", () => PublicKey.Deserialize(P, Seed("u"), key));
        Refuse("zero", () => SeededCiphertext.Deserialize(P, sent));
        Refuse("zero", () => SwitchedCiphertext.Deserialize(P, response, 1));
        response[^1] = 128;
        Assert.Equal(response, SwitchedCiphertext.Deserialize(P, response, 1).Serialize());
    }

    [Fact]
    public void Responses_survive_the_round_trip_byte_by_byte()
    {
        using RandomStream stream = Stream("response bytes");
        byte[] response = Response();
        stream.Fill(response.AsSpan(9));
        Assert.Equal(response, SwitchedCiphertext.Deserialize(P, response, 1).Serialize());
    }

    [Fact]
    public void Positions_must_fit_the_response()
    {
        SwitchedCiphertext response = SwitchedCiphertext.Deserialize(P, Response(), 1);
        Refuse("not 2", () => response.DecryptCoefficients(_keys.Secret, [1, 2]));
        Refuse("ascend", () => response.DecryptCoefficients(_keys.Secret, [P.Degree]));
        Refuse("ascend", () => response.DecryptCoefficients(_keys.Secret, [-1]));
        Refuse("empty", () => response.DecryptCoefficients(_keys.Secret, []));
        Refuse("holds 1", () => response.Decrypt(_keys.Secret));
        ResponseBuilder builder = new(P);
        using RandomStream own = Stream("positions");
        FloodingBound flood = new(P, 1, 1);
        Refuse("ascend", () => builder.Finish(_keys.Public, flood, own, [3, 3]));
        Refuse("empty", () => builder.Finish(_keys.Public, flood, own, []));
    }

    [Fact]
    public void Plaintexts_out_of_range_are_refused_wherever_they_enter()
    {
        Plaintext plain = new(P);
        ResponseBuilder builder = new(P);
        foreach (ulong bad in (ulong[])[P.PlainModulus, ulong.MaxValue, 1UL << 63])
        {
            plain.Coefficients[77] = bad;
            Refuse("below t", () => builder.AddPlain(plain));
            Refuse("below t", () => builder.AddPlain(0, bad));
            Refuse("below t", () => PreparedPlaintext.FromPlaintext(P, plain));
            Refuse("below t", () => _keys.Encrypt(plain, "bad"));
            Refuse("below t", () => new SlotEncoder(P).Decode(plain, new long[4]));
            Refuse("below t", () => CoefficientEncoder.Encode([bad], new Plaintext(P)));
        }

        Refuse("longer than N", () => CoefficientEncoder.Encode(new long[P.Degree + 1], plain));
        Refuse("more than N", () => PreparedPlaintext.FromSignedCoefficients(P, new long[P.Degree + 1]));
        Refuse("larger than", () => PreparedPlaintext.FromSignedCoefficients(P, [PlainField.MaximumCentred + 1]));
        Refuse("larger than", () => PreparedPlaintext.FromSignedCoefficients(P, [0, long.MinValue]));
        Assert.Throws<ArgumentOutOfRangeException>(() => builder.AddPlain(P.Degree, 1));
    }

    private static void Refuse(string rule, Func<object> action) =>
        Assert.Contains(rule, Assert.Throws<LatticeException>(action).Message, StringComparison.Ordinal);

    private static void Refuse(string rule, Action action) =>
        Assert.Contains(rule, Assert.Throws<LatticeException>(action).Message, StringComparison.Ordinal);

    private static byte[] Resize(byte[] bytes, int cut) => cut < 0 ? [.. bytes, 0] : bytes[..cut];

    private static byte[] Change(byte[] bytes, int position)
    {
        byte[] changed = [.. bytes];
        changed[position] ^= 1;
        return changed;
    }

    private static byte[] Put(byte[] bytes, int bit, ulong value)
    {
        byte[] changed = [.. bytes];
        for (int i = 0; i < 50; i++)
        {
            int at = bit + i;
            changed[at / 8] = (byte)((changed[at / 8] & ~(1 << (at % 8))) | ((int)((value >> i) & 1) << (at % 8)));
        }

        return changed;
    }

    private byte[] Sent()
    {
        using RandomStream secret = Stream("hostile error");
        return SeededCiphertext.Encrypt(_keys.Secret, new Plaintext(P), Seed("hostile seed"), secret).Serialize();
    }

    private byte[] Response()
    {
        using RandomStream own = Stream("hostile response");
        return new ResponseBuilder(P).Finish(_keys.Public, new FloodingBound(P, 1, 1), own, [5]).Serialize();
    }
}
