using VertFed.PartyNode.Configuration;
using VertFed.Protocol;
using VertFed.Transcript;

namespace VertFed.PartyNode.Hosting;

/// <summary>One of the party's identities, with the key that co-signs checkpoints in its name.</summary>
public sealed record NodeKey(Credential Credential, CheckpointSigner Checkpoints)
{
    public Identity Identity => Credential.Identity;

    public string Fingerprint => Credential.Fingerprint;
}

/// <summary>
/// The party's identities: the current one, with which it registers, and those before it, under which jobs that name them go on. Replaced
/// as a whole while the node runs; what was replaced stays usable until the node ends, since jobs hold it.
/// </summary>
public sealed class NodeKeys : IDisposable
{
    private const string CheckpointKeyFile = "checkpoint.key";
    private readonly List<NodeKey> _owned = [];
    private IReadOnlyList<NodeKey> _keys;

    /// <param name="current">Stays the caller's to dispose, as the others do.</param>
    public NodeKeys(NodeKey current, params IReadOnlyList<NodeKey> previous) => _keys = [current, .. previous];

    private NodeKeys(IReadOnlyList<NodeKey> keys)
    {
        _keys = keys;
        _owned.AddRange(keys);
    }

    /// <summary>The current identity first.</summary>
    public IReadOnlyList<NodeKey> All => Volatile.Read(ref _keys);

    public NodeKey Current => All[0];

    /// <summary>Reads the identities that a configuration names, and the checkpoint key of each, which is made where there is none.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: a file cannot be used.</exception>
    public static NodeKeys Load(PartyConfig config) => new(Read(config));

    /// <summary>The identity that a job names as this party's; the current one where it names none of them.</summary>
    public NodeKey For(PartyReference own)
    {
        IReadOnlyList<NodeKey> keys = All;
        return keys.FirstOrDefault(key => key.Fingerprint == own.Fingerprint) ?? keys[0];
    }

    public bool Hold(string fingerprint) => All.Any(key => key.Fingerprint == fingerprint);

    /// <summary>Reads the identities anew. Where a file is wrong nothing changes.</summary>
    /// <returns>Whether the coordinator must be shown something else: another identity, certificate, or set of earlier ones.</returns>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>.</exception>
    public bool Reload(PartyConfig config)
    {
        IReadOnlyList<NodeKey> before = All;
        List<NodeKey> now = Read(config);
        bool isSame = before.Select(key => key.Fingerprint).SequenceEqual(now.Select(key => key.Fingerprint), StringComparer.Ordinal)
            && before[0].Credential.Certificate.NotBefore == now[0].Credential.Certificate.NotBefore
            && before[0].Credential.Certificate.NotAfter == now[0].Credential.Certificate.NotAfter;
        if (isSame)
        {
            DisposeAll(now);
            return false;
        }

        _owned.AddRange(now);
        Volatile.Write(ref _keys, now);
        return true;
    }

    public void Dispose() => DisposeAll(_owned);

    private static List<NodeKey> Read(PartyConfig config)
    {
        List<NodeKey> keys = [];
        try
        {
            foreach (string path in config.PreviousIdentityPaths.Prepend(config.IdentityPath))
            {
                Credential credential = Credential.Load(path);
                try
                {
                    if (keys.Exists(key => key.Fingerprint == credential.Fingerprint))
                    {
                        throw new VertFedException(ErrorCode.Usage, $"previous_identities: {Path.GetFileName(path)} holds a key that another of the identities has");
                    }

                    keys.Add(new NodeKey(credential, SignerOf(config.DataDirectory, credential.Identity)));
                }
                catch
                {
                    credential.Dispose();
                    throw;
                }
            }
        }
        catch
        {
            DisposeAll(keys);
            throw;
        }

        return keys;
    }

    /// <summary>The first identity of a data folder has checkpoint.key; each later one a file with the beginning of its fingerprint in the name.</summary>
    private static CheckpointSigner SignerOf(string folder, Identity identity)
    {
        string first = Path.Combine(folder, CheckpointKeyFile);
        string own = Path.Combine(folder, $"checkpoint-{identity.Fingerprint[..16]}.key");
        return CheckpointSigner.LoadOrCreate(File.Exists(own) || (File.Exists(first) && !CheckpointSigner.Belongs(first, identity)) ? own : first, identity);
    }

    private static void DisposeAll(List<NodeKey> keys)
    {
        foreach (NodeKey key in keys)
        {
            key.Checkpoints.Dispose();
            key.Credential.Dispose();
        }

        keys.Clear();
    }
}
