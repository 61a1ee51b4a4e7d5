using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Primitives;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>What both ends know of each other once the handshake is done.</summary>
/// <param name="Own">What this party committed to.</param>
/// <param name="Peer">What the peer committed to.</param>
/// <param name="PeerPolicyHash">SHA-256 of the peer's policy.</param>
public sealed record HandshakeSummary(Commitment Own, Commitment Peer, byte[] PeerPolicyHash)
{
    /// <summary>The peer's build.</summary>
    public string PeerSoftwareVersion => Peer.SoftwareVersion;
}

/// <summary>The rules of the session messages. Pure: the channel sends, receives and commits.</summary>
internal static class Handshake
{
    public const uint ProtocolVersion = 1;
    public const int NonceBytes = 32;

    public static KeyExchange BuildKeyExchange(EphemeralKey key, byte[] nonce, ReadOnlySpan<byte> identityKey) => new()
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

    public static Commitment BuildCommitment(SealedChannelOptions options, SeedSchedule seeds)
    {
        using RandomStream salts = seeds.RowSalts();
        RowsCommitment rows = options.CommitToRows(salts);
        return new Commitment
        {
            SpecHash = ByteString.CopyFrom(options.Job.SpecHash),
            SoftwareVersion = options.SoftwareVersion,
            Policy = ByteString.CopyFrom(CommitToPolicy(seeds.PolicySalt(), options.PolicyHash)),
            Seed = ByteString.CopyFrom(seeds.Commitment()),
            RowsRoot = ByteString.CopyFrom(rows.Root),
            Rows = (ulong)rows.Rows,
        };
    }

    /// <summary>SHA-256("vertfed/v1/policy-commitment" || salt || policy hash).</summary>
    public static byte[] CommitToPolicy(ReadOnlySpan<byte> salt, ReadOnlySpan<byte> policyHash) =>
        SHA256.HashData([.. "vertfed/v1/policy-commitment"u8, .. salt, .. policyHash]);

    /// <summary>Refuses another spec, another release and malformed fields.</summary>
    public static void Check(Commitment peer, SealedChannelOptions options)
    {
        string name = options.PeerName;
        foreach ((ByteString hash, string what) in new[]
        {
            (peer.SpecHash, "job spec hash"),
            (peer.Policy, "policy commitment"),
            (peer.Seed, "seed commitment"),
            (peer.RowsRoot, "root of the rows"),
        })
        {
            Require(hash.Length == EnvelopeCodec.HashBytes, name, Step.Commitment, $"the {what} is not 32 bytes");
        }

        Require(
            peer.SoftwareVersion.Length is > 0 and <= SoftwareVersion.MaxLength && peer.SoftwareVersion.All(c => c is > ' ' and <= '~'),
            name,
            Step.Commitment,
            "the software version is not 1 to 128 printable ASCII characters");
        RequireSame(name, Step.Commitment, Hex(options.Job.SpecHash), Hex(peer.SpecHash.Span), "job spec hash");
        RequireSame(
            name, Step.Commitment, SoftwareVersion.ReleaseOf(options.SoftwareVersion), SoftwareVersion.ReleaseOf(peer.SoftwareVersion), "software release");
    }

    public static Hello BuildHello(SealedChannelOptions options, byte[] policySalt) => new()
    {
        ProtocolVersion = ProtocolVersion,
        SpecHash = ByteString.CopyFrom(options.Job.SpecHash),
        Attempt = options.Attempt,
        OwnFingerprint = ByteString.CopyFrom(options.Identity.Public.FingerprintBytes),
        PeerFingerprint = ByteString.CopyFrom(Convert.FromHexString(options.PeerFingerprint)),
        OwnPolicyHash = ByteString.CopyFrom(options.PolicyHash),
        PolicySalt = ByteString.CopyFrom(policySalt),
    };

    /// <summary>Refuses whatever both parties can compute and do not agree on, and a policy other than the committed one.</summary>
    public static void Check(Hello peer, Commitment committed, SealedChannelOptions options)
    {
        string name = options.PeerName;
        RequireSame(name, Step.Hello, ProtocolVersion, peer.ProtocolVersion, "protocol version");
        RequireSame(name, Step.Hello, Hex(options.Job.SpecHash), Hex(peer.SpecHash.Span), "job spec hash");
        RequireSame(name, Step.Hello, options.Attempt, peer.Attempt, "attempt");
        RequireSame(name, Step.Hello, options.PeerFingerprint, Hex(peer.OwnFingerprint.Span), "fingerprint of the peer");
        RequireSame(name, Step.Hello, options.Identity.Fingerprint, Hex(peer.PeerFingerprint.Span), "fingerprint of this party");
        Require(peer.OwnPolicyHash.Length == EnvelopeCodec.HashBytes, name, Step.Hello, "the policy hash is not 32 bytes");
        Require(peer.PolicySalt.Length == EnvelopeCodec.HashBytes, name, Step.Hello, "the policy salt is not 32 bytes");
        Require(
            CommitToPolicy(peer.PolicySalt.Span, peer.OwnPolicyHash.Span).AsSpan().SequenceEqual(committed.Policy.Span),
            name,
            Step.Hello,
            "the policy is not the one that was committed to");
        if (options.ExpectedPeerPolicyHash is { } expected)
        {
            RequireSame(name, Step.Hello, Hex(expected), Hex(peer.OwnPolicyHash.Span), "policy hash of the peer");
        }
    }

    /// <summary>Refuses fields that are no hashes.</summary>
    public static void Check(ResultCommitment peer, string peerName)
    {
        foreach ((ByteString hash, string what) in new[]
        {
            (peer.Coefficients, "coefficients"),
            (peer.AlignedIds, "aligned ids"),
            (peer.Metrics, "metrics"),
        })
        {
            Require(hash.Length == EnvelopeCodec.HashBytes, peerName, Step.ResultCommitment, $"the commitment to the {what} is not 32 bytes");
        }
    }

    /// <summary>SHA-256 over both seed commitments and nonces, the label party's first: what public randomness starts from.</summary>
    public static byte[] PublicRoot(ReadOnlySpan<byte> labelSeed, ReadOnlySpan<byte> featureSeed, ReadOnlySpan<byte> labelNonce, ReadOnlySpan<byte> featureNonce) =>
        SHA256.HashData(new ContextBuilder()
            .Add("vertfed/v1/public-root")
            .Add(labelSeed)
            .Add(featureSeed)
            .Add(labelNonce)
            .Add(featureNonce)
            .ToArray());

    private static void RequireSame<T>(string name, Step step, T own, T theirs, string field)
        where T : notnull
    {
        if (!own.Equals(theirs))
        {
            throw Error.Refused($"'{name}' and this party differ in the {field}: {theirs} there, {own} here.", step);
        }
    }

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
