using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>
/// Encodings and derivations pinned to values that an independent program (Python: hashlib, hmac, the cryptography package)
/// computed from docs/session.md. A change here is another protocol version.
/// </summary>
public sealed class GoldenTests
{
    private const string Job = "000102030405060708090a0b0c0d0e0f";

    [Fact]
    public void A_sealed_payload()
    {
        using SealKey key = SealKey.Create(Filled(1), Filled(101));

        Assert.Equal("5d9809d45d0eee69a051884be99034951576e32c1b54c4bd4868697af9e88e8c9f1c", Hex(key.Seal([1, 2, 3], "golden"u8)));
    }

    [Fact]
    public void The_seals_of_both_directions()
    {
        using SessionKeys keys = SessionKeys.Derive(Filled(3), Filled(4), Filled(5));

        Assert.Equal(
            "c01f71f6d57181fd02473d543480d4a97cc1d5b28b4b19490c48b6ecd409d9694e96", Hex(keys.From(Role.LabelParty).Seal([1, 2, 3], "golden"u8)));
        Assert.Equal(
            "ebe1b70a547c227813293e6d73d665fdcf648c0bc7b5838ee9da30e1460c552c543a", Hex(keys.From(Role.FeatureParty).Seal([1, 2, 3], "golden"u8)));
    }

    [Fact]
    public void The_seed_schedule()
    {
        using Identity label = Identity.FromScalar(Scalar(1));
        using Identity feature = Identity.FromScalar(Scalar(2));
        using SeedSchedule seeds = new(Filled(9));
        AttemptContext context = new(Job, 3, Filled(7), label.Fingerprint, feature.Fingerprint);
        Assert.Equal("5b59aa1c8d7b697cca92829901be87fcdc9a64d65aa2f9a8fb3fe8580f42c935", Hex(seeds.Commitment()));
        Assert.Equal("8a9777ee5a011b115fad1a77b5b7f463d6692280466b566d4f4387e2053095e2", Hex(seeds.PolicySalt()));
        Assert.Equal("6e100b5a808021df6548e75f0e7440ec", First16(seeds.RowSalts()));
        Assert.Equal("598154f082d360ed0355b656c8965061", First16(seeds.SessionStream(context)));

        seeds.DeriveAttemptKey(context, Filled(10), Filled(11), Filled(8), "1.0.0+x");

        Assert.Equal("179a8098484c63a90a01a868ea6c29ad", First16(seeds.StepStream("label", Step.LinkRequest, 5, Filled(12), 6)));
    }

    [Fact]
    public void The_commitments_to_policy_and_result()
    {
        byte[] coefficients = ResultValues.Encode([("age", 0.5), ("(intercept)", -1.25)]);

        Assert.Equal("c49746b7cc721097be09ab3afc8ec54751fae024554a5b62d3f45fadbac88bb5", Hex(Handshake.CommitToPolicy(Filled(1), Filled(2))));
        Assert.Equal("00000003616765000000083fe00000000000000000000b28696e746572636570742900000008bff4000000000000", Hex(coefficients));
        Assert.Equal("558e2cf6041e920aee4e637747734dffb62630b90136e6a293e63d445869e723", Hex(ResultSalts.Commit("coefficients", Filled(3), coefficients)));
    }

    [Fact]
    public void The_root_of_public_randomness() => Assert.Equal(
        "87c46fc33eee378b57dba58a21443e1d8cb3941678871248571a8a8b3063cfca",
        Hex(Handshake.PublicRoot(Filled(1), Filled(2), Filled(3), Filled(4))));

    [Fact]
    public void A_core()
    {
        EnvelopeHeader header = new()
        {
            Job = Job,
            Attempt = 3,
            Sender = Role.FeatureParty,
            Recipient = Role.LabelParty,
            Phase = Phase.Train,
            Round = 5,
            Step = Step.LinkRequest,
            Sequence = 300,
            PreviousCoreHash = Filled(13).ToByteString(),
        };

        Assert.Equal(
            "0d2c300f58b25a0686e1ef2296ccb78082624d0f03e8462d37aa446fc298a1c7",
            Hex(SHA256.HashData(EnvelopeCodec.BuildCore(header.ToByteString(), "payload"u8).Span)));
    }

    [Fact]
    public void A_fingerprint_and_a_key_agreement()
    {
        using Identity generator = Identity.FromScalar(Scalar(1));
        using Identity two = Identity.FromScalar(Scalar(2));
        using Identity three = Identity.FromScalar(Scalar(3));

        Assert.Equal("5cd252fb0ce8932436faf8ccd1040981b89ee4ad6b9fe9e2a2b7e71aacb27cd3", generator.Fingerprint);
        Assert.Equal("b01a172a76a4602c92d3242cb897dde3024c740debb215b4c6b0aae93c2291a9", Hex(two.DeriveRawSecret(three.Public)));
    }

    private static byte[] Filled(byte value) => [.. Enumerable.Repeat(value, 32)];

    private static byte[] Scalar(byte value)
    {
        byte[] scalar = new byte[32];
        scalar[31] = value;
        return scalar;
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static string First16(RandomStream stream)
    {
        using (stream)
        {
            byte[] bytes = new byte[16];
            stream.Fill(bytes);
            return Hex(bytes);
        }
    }
}
