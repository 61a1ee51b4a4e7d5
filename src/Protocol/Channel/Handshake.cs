using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>What both ends know of each other once the handshake is done.</summary>
/// <param name="PeerSoftwareVersion">The peer's build.</param>
/// <param name="PeerPolicyHash">SHA-256 of the peer's policy.</param>
/// <param name="OwnSeedCommitment">SHA-256("vertfed/v1/seed-commitment" || root seed).</param>
/// <param name="PeerSeedCommitment">The peer's.</param>
/// <param name="OwnDataCommitment">SHA-256(salt || data root).</param>
/// <param name="PeerDataCommitment">The peer's.</param>
public sealed record HandshakeSummary(
    string PeerSoftwareVersion,
    byte[] PeerPolicyHash,
    byte[] OwnSeedCommitment,
    byte[] PeerSeedCommitment,
    byte[] OwnDataCommitment,
    byte[] PeerDataCommitment);

/// <summary>The rules of the two session messages. Pure: the channel sends, receives and commits.</summary>
internal static class Handshake
{
    public const uint ProtocolVersion = 1;
    public const int NonceBytes = 32;

    public static KeyExchange BuildKeyExchange(EphemeralKey key, byte[] nonce, ReadOnlySpan<byte> identityKey = default) => new()
    {
        EphemeralKey = ByteString.CopyFrom(key.SubjectPublicKeyInfo),
        Nonce = ByteString.CopyFrom(nonce),
        IdentityKey = ByteString.CopyFrom(identityKey),
    };

    /// <summary>
    /// The identity key in a KeyExchange that is not yet attested: it counts only if its hash is the pinned fingerprint, so
    /// nobody but the pinned party can have chosen it.
    /// </summary>
    public static PeerIdentity IdentityOf(KeyExchange message, string fingerprint, string peerName)
    {
        PeerIdentity key = PeerIdentity.Parse(message.IdentityKey.Span);
        Require(
            key.Fingerprint == fingerprint,
            peerName,
            Step.KeyExchange,
            $"the identity key has the fingerprint {key.Fingerprint}, pinned is {fingerprint}");
        return key;
    }

    /// <summary>Refuses a key that is no P-256 point or is our own reflected, and a nonce of another length.</summary>
    public static void Check(KeyExchange peer, KeyExchange own, string peerName)
    {
        string? wrong = NistP256.WhatIsWrongWith(peer.EphemeralKey.Span);
        if (wrong is not null)
        {
            throw Violation(peerName, Step.KeyExchange, $"the ephemeral key is refused: {wrong}");
        }

        Require(peer.Nonce.Length == NonceBytes, peerName, Step.KeyExchange, $"the nonce has {peer.Nonce.Length} bytes, not {NonceBytes}");
        Require(
            peer.EphemeralKey != own.EphemeralKey && peer.Nonce != own.Nonce,
            peerName,
            Step.KeyExchange,
            "it is this party's own key or nonce sent back");
    }

    public static Hello BuildHello(SealedChannelOptions options, byte[] seedCommitment, byte[] dataCommitment) => new()
    {
        ProtocolVersion = ProtocolVersion,
        SpecHash = ByteString.CopyFrom(options.Job.SpecHash),
        Attempt = options.Attempt,
        OwnFingerprint = ByteString.CopyFrom(options.Identity.Public.FingerprintBytes),
        PeerFingerprint = ByteString.CopyFrom(Convert.FromHexString(options.PeerFingerprint)),
        OwnPolicyHash = ByteString.CopyFrom(options.PolicyHash),
        SoftwareVersion = options.SoftwareVersion,
        SeedCommitment = ByteString.CopyFrom(seedCommitment),
        DataCommitment = ByteString.CopyFrom(dataCommitment),
    };

    /// <summary>Refuses whatever both parties can compute and do not agree on.</summary>
    public static void Check(Hello peer, SealedChannelOptions options)
    {
        string name = options.PeerName;
        RequireSame(ProtocolVersion, peer.ProtocolVersion, "protocol version");
        RequireSame(Hex(options.Job.SpecHash), Hex(peer.SpecHash.Span), "job spec hash");
        RequireSame(options.Attempt, peer.Attempt, "attempt");
        RequireSame(options.PeerFingerprint, Hex(peer.OwnFingerprint.Span), "fingerprint of the peer");
        RequireSame(options.Identity.Fingerprint, Hex(peer.PeerFingerprint.Span), "fingerprint of this party");
        foreach ((ByteString hash, string what) in new[]
        {
            (peer.OwnPolicyHash, "policy hash"),
            (peer.SeedCommitment, "seed commitment"),
            (peer.DataCommitment, "data commitment"),
        })
        {
            Require(hash.Length == EnvelopeCodec.HashBytes, name, Step.Hello, $"the {what} is not 32 bytes");
        }

        if (options.ExpectedPeerPolicyHash is { } expected)
        {
            RequireSame(Hex(expected), Hex(peer.OwnPolicyHash.Span), "policy hash of the peer");
        }

        Require(
            peer.SoftwareVersion.Length is > 0 and <= SoftwareVersion.MaxLength && peer.SoftwareVersion.All(c => c is > ' ' and <= '~'),
            name,
            Step.Hello,
            "the software version is not 1 to 128 printable ASCII characters");
        RequireSame(SoftwareVersion.ReleaseOf(options.SoftwareVersion), SoftwareVersion.ReleaseOf(peer.SoftwareVersion), "software release");

        void RequireSame<T>(T own, T theirs, string field)
            where T : notnull
        {
            if (!own.Equals(theirs))
            {
                throw Error.Refused($"'{name}' and this party differ in the {field}: {theirs} there, {own} here.", Step.Hello);
            }
        }
    }

    /// <summary>SHA-256 over both seed commitments and nonces, the label party's first: what public randomness starts from.</summary>
    public static byte[] PublicRoot(byte[] labelSeed, byte[] featureSeed, ReadOnlySpan<byte> labelNonce, ReadOnlySpan<byte> featureNonce) =>
        SHA256.HashData(new ContextBuilder()
            .Add("vertfed/v1/public-root")
            .Add(labelSeed)
            .Add(featureSeed)
            .Add(labelNonce)
            .Add(featureNonce)
            .ToArray());

    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    private static void Require(bool holds, string name, Step step, string otherwise)
    {
        if (!holds)
        {
            throw Violation(name, step, otherwise);
        }
    }

    private static VertFedException Violation(string name, Step step, string what) =>
        Error.ViolationBy(name, $"{step} from '{name}': {what}.", step);
}
