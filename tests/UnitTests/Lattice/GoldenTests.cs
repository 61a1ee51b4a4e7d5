using System.Security.Cryptography;
using VertFed.Lattice;
using VertFed.Primitives;
using Xunit;
using static VertFed.UnitTests.Lattice.LatticeFixtures;

namespace VertFed.UnitTests.Lattice;

/// <summary>
/// Every byte that leaves, from fixed seeds: pinned, and the same on every path. A changed hash means that two versions no longer
/// understand each other or no longer replay each other's jobs.
/// </summary>
public sealed class GoldenTests
{
    private static readonly string[] Link =
    [
        "b8237d5303017a4e", // parameter id
        "31eb49c2a27544f165253b28d8180cbf", // public key
        "f36a04a02f0b224da18685d63d79851b", // slot encoding
        "460c11e94ef5cdf20206d0141d4d648c", // seeded ciphertext
        "7e5a6e04139f89279cd80f18db412837", // whole response
        "f4d9ed5f5aa9afc4fc6fb8138cb6fe0c", // three coefficients
    ];

    private static readonly string[] Gradient =
    [
        "49fca0de48fa317c", // parameter id
        "99ca380fd6e4cb63295092b4f18a1d42", // public key
        "f36a04a02f0b224da18685d63d79851b", // slot encoding
        "d262225aa5d90558360183c30a05b732", // seeded ciphertext
        "deea75d3d49c37753e6823866ddea416", // whole response
        "f74795cc9c0d5541d49ddbdd7eb328c2", // three coefficients
    ];

    [Fact]
    public void Link_bytes_are_pinned() => Assert.Equal(Link, Hashes(LatticeParameters.Link));

    [Fact]
    public void Gradient_bytes_are_pinned() => Assert.Equal(Gradient, Hashes(LatticeParameters.Gradient));

    [Fact]
    public void The_scalar_path_sends_the_same_bytes() =>
        Assert.Equal(Gradient, Hashes(LatticeParameters.Gradient.WithKernel(Kernel.Scalar)));

    [Fact]
    public void The_256_bit_path_sends_the_same_bytes() =>
        Assert.Equal(Gradient, Hashes(LatticeParameters.Gradient.WithKernel(Kernel.Wide256)));

    [Fact]
    public void The_512_bit_path_sends_the_same_bytes() =>
        Assert.Equal(Gradient, Hashes(LatticeParameters.Gradient.WithKernel(Kernel.Wide512)));

    private static string[] Hashes(LatticeParameters p)
    {
        using RandomStream secret = Stream("golden secret");
        using SecretKey key = SecretKey.Generate(p, secret);
        PublicKey publicKey = PublicKey.Generate(key, Seed("golden uniform"), secret);
        Plaintext plain = new(p), other = new(p);
        long[] values = RandomSigned(secret, p.Degree, 1UL << 40);
        new SlotEncoder(p).Encode(values, plain);
        CoefficientEncoder.Encode(values, other);
        SeededCiphertext sent = SeededCiphertext.Encrypt(key, plain, Seed("golden public"), secret);
        ResponseBuilder builder = new(p);
        using PreparedPlaintext prepared = PreparedPlaintext.FromPlaintext(p, other);
        FloodingBound flood = new(p, Math.ScaleB(1, 30), p.Degree);
        builder.MultiplyAdd(sent.Expand(), prepared);
        builder.AddPlain(plain);
        SwitchedCiphertext whole = builder.Finish(publicKey, flood, secret);
        builder.Add(sent.Expand());
        SwitchedCiphertext part = builder.Finish(publicKey, flood, secret, [0, 17, p.Degree - 1]);
        return
        [
            Convert.ToHexStringLower(p.Id),
            Hash(publicKey.Serialize()),
            Hash(System.Runtime.InteropServices.MemoryMarshal.AsBytes(plain.Coefficients.AsSpan())),
            Hash(sent.Serialize()),
            Hash(whole.Serialize()),
            Hash(part.Serialize()),
        ];
    }

    private static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes))[..32];
}
