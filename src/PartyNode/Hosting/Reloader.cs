using System.Collections.Concurrent;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Relay;
using VertFed.Protocol;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// Takes the identities and the trust of a configuration that was read again: the keys of the coordinator, the peers and the submitters. All
/// else in it counts from the next start. Jobs go on, but those whose submitter or peer is trusted no more, or that name an identity which
/// this party gave up.
/// </summary>
internal sealed class Reloader(
    PartyConfig config, NodeKeys keys, RelayClient relay, ConcurrentDictionary<string, JobEntry> entries, NodeLog log)
{
    private readonly Lock _gate = new();
    private PartyConfig? _read;

    /// <summary>Reads the file; one that is wrong changes nothing and is logged.</summary>
    public void ReloadFrom(string file)
    {
        lock (_gate)
        {
            try
            {
                PartyConfig next = PartyConfig.Load(file);
                bool hasNewKeys = keys.Reload(next);
                config.TakeTrust(next);
                Volatile.Write(ref _read, next);
                relay.UsePins(next.CoordinatorFingerprints);
                if (hasNewKeys)
                {
                    relay.Reconnect();
                }

                log.Reloaded(keys.Current.Fingerprint, next.Peers.Count, next.Submitters.Count, EndUntrusted());
            }
            catch (Exception error)
            {
                // Called by a signal and a timer: whatever a file holds, the node goes on with what it has. An unexpected message could quote it.
                log.NotReloaded(error is VertFedException known ? known.Message : $"unexpected {error.GetType().Name}");
            }
        }
    }

    /// <summary>The configuration, and the identities and the trust file that it named when it was last read.</summary>
    public IEnumerable<string> FilesOf(string file)
    {
        PartyConfig read = Volatile.Read(ref _read) ?? config;
        IEnumerable<string> identities = read.PreviousIdentityPaths.Prepend(read.IdentityPath);
        return [file, .. identities.SelectMany(path => new[] { path, Credential.CertificatePath(path) }), .. read.TrustPath is null ? [] : new[] { read.TrustPath }];
    }

    private int EndUntrusted()
    {
        int ended = 0;
        foreach (JobEntry entry in entries.Values)
        {
            if (JobTrust.Objection(config, keys, entry.Job) is { } why)
            {
                entry.EndOnBreach(new VertFedException(ErrorCode.Refused, why) { Party = config.Name });
                ended++;
            }
        }

        return ended;
    }
}
