using System.Security.Cryptography;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// An Ed25519 key pair that signs checkpoints and nothing else, bound to its owner's identity by a signed statement. The private key is
/// zeroed on disposal. Thread-safe.
/// </summary>
public sealed class CheckpointSigner : IDisposable
{
    private readonly byte[] _seed;
    private readonly CheckpointKey _key;
    private readonly Lock _gate = new();
    private bool _disposed;

    private CheckpointSigner(byte[] seed, CheckpointKey key)
    {
        _seed = seed;
        _key = key;
    }

    /// <summary>The public half with its statement; a copy.</summary>
    public CheckpointKey Key => _key.Clone();

    /// <summary>The public half as others take it.</summary>
    public CheckpointVerifier Verifier
    {
        get
        {
            PeerIdentity owner = PeerIdentity.Parse(_key.IdentityKey.Span);
            return CheckpointVerifier.Parse(_key, owner.Fingerprint, "this process");
        }
    }

    /// <summary>Draws a fresh key from the operating system and has the owner state that it is its own.</summary>
    public static CheckpointSigner Create(Identity owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        return FromSeed(RandomNumberGenerator.GetBytes(Ed25519Key.SeedBytes), owner);
    }

    /// <summary>
    /// Reads the key file, or makes it where there is none: the 32-byte private key, then the 64-byte statement, which is kept so that
    /// the public half is the same bytes after every start. Only its owner may read or write it.
    /// </summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: it cannot be read or written, others may read or write it
    /// (Unix), it has another length, or its statement is not by this owner.</exception>
    public static CheckpointSigner LoadOrCreate(string path, Identity owner)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(owner);
        if (!File.Exists(path))
        {
            using CheckpointSigner created = Create(owner);
            CheckpointKeyFile.Write(path, created._seed, created._key.Statement.Span);
        }

        (byte[] seed, byte[] statement) = CheckpointKeyFile.Read(path);
        byte[] publicKey = Ed25519Key.PublicKeyOf(seed);
        if (!owner.Public.Verify(CheckpointVerifier.Statement(publicKey), statement))
        {
            CryptographicOperations.ZeroMemory(seed);
            throw Error.Usage($"The checkpoint key file '{path}' does not belong to the identity {owner.Fingerprint}, or it is damaged.");
        }

        return new CheckpointSigner(seed, CheckpointVerifier.Message(owner.Public, publicKey, statement));
    }

    /// <summary>Whether the key file at a path is this owner's.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: it cannot be read, or is damaged.</exception>
    public static bool Belongs(string path, Identity owner)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(owner);
        (byte[] seed, byte[] statement) = CheckpointKeyFile.Read(path);
        try
        {
            return owner.Public.Verify(CheckpointVerifier.Statement(Ed25519Key.PublicKeyOf(seed)), statement);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            CryptographicOperations.ZeroMemory(_seed);
        }
    }

    /// <summary>The public key; never anything private.</summary>
    public override string ToString() => Convert.ToHexStringLower(_key.PublicKey.Span);

    /// <summary>Makes a signer from its private key, for fixed keys in tests. The seed becomes the signer's to zero.</summary>
    internal static CheckpointSigner FromSeed(byte[] seed, Identity owner)
    {
        byte[] publicKey = Ed25519Key.PublicKeyOf(seed);
        byte[] statement = owner.Sign(CheckpointVerifier.Statement(publicKey));
        return new CheckpointSigner(seed, CheckpointVerifier.Message(owner.Public, publicKey, statement));
    }

    /// <summary>The public key, 32 bytes.</summary>
    internal ReadOnlySpan<byte> PublicKey => _key.PublicKey.Span;

    /// <summary>Ed25519 over the message, 64 bytes. What may be signed is <see cref="CheckpointNotes"/>' business.</summary>
    internal byte[] Sign(byte[] message)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return Ed25519Key.Sign(_seed, message);
        }
    }
}
