using VertFed.Lattice;
using VertFed.Primitives;
using Xunit;
using static VertFed.UnitTests.Lattice.LatticeFixtures;

namespace VertFed.UnitTests.Lattice;

/// <summary>The whole way at the real ring: encode, encrypt, serialise, multiply, mask, finish, serialise, decrypt.</summary>
public sealed class RoundTripTests
{
    [Fact]
    public void Slot_products_of_twelve_pairs_decrypt_to_the_masked_sums()
    {
        LatticeParameters p = LatticeParameters.Link;
        const int pairs = 12;
        using TestKeys keys = new(p, "link keys");
        using RandomStream data = Stream("link data");
        SlotEncoder encoder = new(p);
        ResponseBuilder builder = new(p);
        Plaintext plain = new(p), other = new(p);
        ulong[] expected = new ulong[p.Degree];
        for (int k = 0; k < pairs; k++)
        {
            long[] phi = RandomSigned(data, p.Degree, 1 << 20), psi = RandomSigned(data, p.Degree, 1 << 20);
            encoder.Encode(phi, plain);
            encoder.Encode(psi, other);
            using RandomStream secret = Stream("link error " + k);
            byte[] sent = SeededCiphertext.Encrypt(keys.Secret, plain, Seed("link public " + k), secret).Serialize();
            using PreparedPlaintext prepared = PreparedPlaintext.FromPlaintext(p, other);
            builder.MultiplyAdd(SeededCiphertext.Deserialize(p, sent).Expand(), prepared);
            for (int i = 0; i < p.Degree; i++)
            {
                expected[i] = PlainField.Add(expected[i], PlainField.FromSigned(phi[i] * psi[i]));
            }
        }

        ulong[] mask = new ulong[p.Degree];
        PlainField.FillRandom(data, mask);
        encoder.Encode(mask, plain);
        builder.AddPlain(plain);
        FloodingBound flood = new(p, FloodingBound.SlotProductNoise(p, pairs), 1L << 24);
        using RandomStream own = Stream("link response");
        byte[] response = builder.Finish(keys.Public, flood, own).Serialize();
        Assert.Equal(SwitchedCiphertext.SerializedBytes(p, p.Degree), response.Length);

        Plaintext decrypted = SwitchedCiphertext.Deserialize(p, response, p.Degree).Decrypt(keys.Secret);
        ulong[] slots = new ulong[p.Degree];
        encoder.Decode(decrypted, slots);
        for (int i = 0; i < p.Degree; i++)
        {
            Assert.Equal(PlainField.Add(expected[i], mask[i]), slots[i]);
        }
    }

    [Fact]
    public void The_last_coefficient_of_a_reversed_column_is_the_inner_product()
    {
        LatticeParameters p = LatticeParameters.Gradient;
        using TestKeys keys = new(p, "gradient keys");
        using RandomStream data = Stream("gradient data");
        ResponseBuilder builder = new(p);
        Plaintext plain = new(p);
        ulong expected = PlainField.Random(data), mask = expected;
        double squares = 0;
        for (int block = 0; block < 3; block++)
        {
            ulong[] share = new ulong[p.Degree];
            PlainField.FillRandom(data, share);
            long[] column = RandomSigned(data, p.Degree, 1 << 15);
            expected = PlainField.Add(expected, PlainField.InnerProduct(column, share));
            squares += column.Sum(x => (double)x * x);
            CoefficientEncoder.Encode(share, plain);
            Array.Reverse(column);
            using PreparedPlaintext prepared = PreparedPlaintext.FromSignedCoefficients(p, column);
            builder.MultiplyAdd(keys.Encrypt(plain, "gradient " + block), prepared);
        }

        builder.AddPlain(p.Degree - 1, mask);
        FloodingBound flood = new(p, FloodingBound.ColumnProductNoise(Math.Sqrt(squares)), 1L << 14);
        using RandomStream own = Stream("gradient response");
        int[] positions = [p.Degree - 1];
        byte[] response = builder.Finish(keys.Public, flood, own, positions).Serialize();
        Assert.Equal(9 + 8 + (9 * p.Degree), response.Length);
        Assert.Equal([expected], SwitchedCiphertext.Deserialize(p, response, 1).DecryptCoefficients(keys.Secret, positions));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(100)]
    public void Chosen_coefficients_decrypt_as_they_do_in_a_whole_response(int count)
    {
        LatticeParameters p = LatticeParameters.Gradient;
        using TestKeys keys = new(p, "chosen keys");
        using RandomStream data = Stream("chosen data");
        Plaintext plain = new(p);
        plain.FillRandom(data);
        int[] positions = [.. Enumerable.Range(0, count).Select(i => i * (p.Degree - 1) / Math.Max(1, count - 1))];
        ResponseBuilder builder = new(p);
        builder.Add(keys.Encrypt(plain, "chosen"));
        FloodingBound flood = new(p, 1000, p.Degree);
        using RandomStream own = Stream("chosen response");
        ulong[] values = builder.Finish(keys.Public, flood, own, positions).DecryptCoefficients(keys.Secret, positions);
        Assert.Equal(positions.Select(k => plain.Coefficients[k]), values);
    }

    [Fact]
    public void A_public_key_that_was_sent_serves_as_the_original_does()
    {
        LatticeParameters p = LatticeParameters.Gradient;
        using TestKeys keys = new(p, "sent keys");
        byte[] sent = keys.Public.Serialize();
        PublicKey received = PublicKey.Deserialize(p, Seed("sent keys uniform"), sent);
        ResponseBuilder builder = new(p);
        Plaintext plain = new(p);
        using RandomStream data = Stream("sent data");
        plain.FillRandom(data);
        builder.AddPlain(plain);
        using RandomStream own = Stream("sent response");
        SwitchedCiphertext response = builder.Finish(received, new FloodingBound(p, 1, p.Degree), own);
        Assert.Equal(plain.Coefficients, response.Decrypt(keys.Secret).Coefficients);
        Assert.Equal(sent, received.Serialize());
    }

    [Fact]
    public void Sums_of_ciphertexts_decrypt_to_sums()
    {
        LatticeParameters p = LatticeParameters.Gradient;
        using TestKeys keys = new(p, "sum keys");
        using RandomStream data = Stream("sum data");
        Plaintext a = new(p), b = new(p);
        a.FillRandom(data);
        b.FillRandom(data);
        ResponseBuilder builder = new(p);
        builder.Add(Ciphertext.Add(keys.Encrypt(a, "sum a"), keys.Encrypt(b, "sum b")));
        using RandomStream own = Stream("sum response");
        Plaintext sum = builder.Finish(keys.Public, new FloodingBound(p, 1000, p.Degree), own).Decrypt(keys.Secret);
        for (int i = 0; i < p.Degree; i++)
        {
            Assert.Equal(PlainField.Add(a.Coefficients[i], b.Coefficients[i]), sum.Coefficients[i]);
        }
    }

    [Fact]
    public void The_sum_of_all_slots_is_N_times_the_constant_coefficient()
    {
        LatticeParameters p = LatticeParameters.Link;
        using RandomStream data = Stream("slots");
        long[] values = RandomSigned(data, 5000, 1UL << 30);
        Plaintext plain = new(p);
        SlotEncoder encoder = new(p);
        encoder.Encode(values, plain);
        Assert.Equal(PlainField.FromSigned(values.Sum()), encoder.SumOfSlots(plain.Coefficients[0]));
    }
}
