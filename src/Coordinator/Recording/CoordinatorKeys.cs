using VertFed.Coordinator.Configuration;
using VertFed.Protocol;
using VertFed.Transcript;

namespace VertFed.Coordinator.Recording;

/// <summary>The coordinator's own keys: the P-256 identity that parties pin, and the Ed25519 key that signs checkpoints in its name.</summary>
internal sealed class CoordinatorKeys : IDisposable
{
    private const string KeyFile = "checkpoint.key";

    private CoordinatorKeys(Credential credential, CheckpointSigner checkpoints) => (Credential, Checkpoints) = (credential, checkpoints);

    /// <summary>What it shows on every connection.</summary>
    public Credential Credential { get; }

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

    public void Dispose()
    {
        Checkpoints.Dispose();
        Credential.Dispose();
    }
}
