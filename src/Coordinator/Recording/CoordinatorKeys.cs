using VertFed.Coordinator.Configuration;
using VertFed.Protocol;
using VertFed.Transcript;

namespace VertFed.Coordinator.Recording;

/// <summary>The coordinator's own keys: the P-256 identity that parties pin, and the Ed25519 key that signs checkpoints in its name.</summary>
internal sealed class CoordinatorKeys : IDisposable
{
    private const string KeyFile = "checkpoint.key";

    private Credential? _replaced;
    private Credential _credential;

    private CoordinatorKeys(Credential credential, CheckpointSigner checkpoints) => (_credential, Checkpoints) = (credential, checkpoints);

    /// <summary>What it shows on every connection.</summary>
    public Credential Credential => Volatile.Read(ref _credential);

    public CheckpointSigner Checkpoints { get; }

    /// <summary>Reads the identity, and the checkpoint key in the data folder, which is made at the first start.</summary>
    /// <exception cref="VertFedException">Usage: a file cannot be read or written, is open to others, or holds no key of this owner.</exception>
    public static CoordinatorKeys Load(CoordinatorConfig config)
    {
        Credential credential = Credential.Load(config.IdentityPath);
        try
        {
            return new CoordinatorKeys(credential, CheckpointSigner.LoadOrCreate(Path.Combine(config.DataFolder, KeyFile), credential.Identity));
        }
        catch
        {
            credential.Dispose();
            throw;
        }
    }

    /// <summary>Takes a certificate that was renewed over the same key.</summary>
    /// <exception cref="VertFedException">Usage: it cannot be read, or the identity is another.</exception>
    public void Renew(CoordinatorConfig config)
    {
        Credential renewed = Credential.Load(config.IdentityPath);
        if (renewed.Fingerprint != Credential.Fingerprint)
        {
            renewed.Dispose();
            throw new VertFedException(ErrorCode.Usage, $"{config.IdentityPath} holds another key; a new identity counts from the next start");
        }

        if (renewed.Certificate.Encoded.Span.SequenceEqual(Credential.Certificate.Encoded.Span))
        {
            renewed.Dispose();
            return;
        }

        // Handshakes may still be under way with the one before: it goes when it is replaced in turn.
        _replaced?.Dispose();
        _replaced = Interlocked.Exchange(ref _credential, renewed);
    }

    public void Dispose()
    {
        _replaced?.Dispose();
        Checkpoints.Dispose();
        Credential.Dispose();
    }
}
