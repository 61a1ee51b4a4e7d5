using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// The public half of a checkpoint key: checked for length and point, and bound to a pinned P-256 identity by that identity's signed
/// statement. Immutable, thread-safe.
/// </summary>
public sealed class CheckpointVerifier
{
    private readonly byte[] _publicKey;

    private CheckpointVerifier(PeerIdentity identity, byte[] publicKey)
    {
        Identity = identity;
        _publicKey = publicKey;
    }

    /// <summary>Whose key it is.</summary>
    public PeerIdentity Identity { get; }

    /// <summary>Ed25519, 32 bytes.</summary>
    public ReadOnlySpan<byte> PublicKey => _publicKey;

    /// <summary>Takes a key that came from outside.</summary>
    /// <param name="expectedIdentityFingerprint">The fingerprint pinned for the owner, 64 lower-case hexadecimal digits.</param>
    /// <param name="who">The owner's name, for errors.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>, with the owner as its party: malformed, another identity,
    /// a point that is not canonical, not on the curve or of small order, or a statement that does not verify.</exception>
    public static CheckpointVerifier Parse(CheckpointKey message, string expectedIdentityFingerprint, string who)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentException.ThrowIfNullOrEmpty(who);
        PeerIdentity identity;
        try
        {
            identity = PeerIdentity.Parse(message.IdentityKey.Span);
        }
        catch (VertFedException e)
        {
            throw Error.DoesNotVerify($"The checkpoint key of '{who}' names no identity: {e.Message}", who, e);
        }

        if (identity.Fingerprint != expectedIdentityFingerprint)
        {
            throw Error.DoesNotVerify(
                $"The checkpoint key of '{who}' belongs to the identity {identity.Fingerprint}; pinned is {expectedIdentityFingerprint}.", who);
        }

        if (!EdwardsPoint.IsUsable(message.PublicKey.Span))
        {
            throw Error.DoesNotVerify(
                $"The checkpoint key of '{who}' is not the canonical encoding of an Ed25519 point, or the point is of small order.", who);
        }

        return identity.Verify(Statement(message.PublicKey.Span), message.Statement.Span)
            ? new CheckpointVerifier(identity, message.PublicKey.ToByteArray())
            : throw Error.DoesNotVerify($"The statement that binds the checkpoint key of '{who}' to its identity does not verify.", who);
    }

    /// <summary>Whether 64 bytes are this key's signature over the message.</summary>
    internal bool Verify(byte[] message, ReadOnlySpan<byte> signature) => Ed25519Key.Verify(_publicKey, message, signature);

    /// <summary>What an identity signs to make a checkpoint key its own.</summary>
    internal static byte[] Statement(ReadOnlySpan<byte> publicKey) => [.. "vertfed/v1/checkpoint-key"u8, .. publicKey];

    /// <summary>The message that carries a key.</summary>
    internal static CheckpointKey Message(PeerIdentity identity, ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> statement) => new()
    {
        IdentityKey = ByteString.CopyFrom(identity.SubjectPublicKeyInfo),
        PublicKey = ByteString.CopyFrom(publicKey),
        Statement = ByteString.CopyFrom(statement),
    };
}
