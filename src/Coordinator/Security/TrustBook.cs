using System.Collections.Frozen;
using VertFed.Coordinator.Configuration;

namespace VertFed.Coordinator.Security;

/// <summary>Whose keys the coordinator knows at one moment: who they are and what they may do. Immutable.</summary>
internal sealed class Trust
{
    private readonly FrozenDictionary<string, Principal> _byFingerprint;

    public Trust(IReadOnlyDictionary<string, AdmittedParty> parties, IReadOnlyList<Principal> principals)
    {
        Parties = parties;
        _byFingerprint = parties.Values.Select(party => new Principal(party.Name, party.Fingerprints, CallerRoles.Party)).Concat(principals)
            .SelectMany(principal => principal.Fingerprints.Select(fingerprint => (fingerprint, principal)))
            .ToFrozenDictionary(pair => pair.fingerprint, pair => pair.principal, StringComparer.Ordinal);
    }

    /// <summary>By name.</summary>
    public IReadOnlyDictionary<string, AdmittedParty> Parties { get; }

    /// <summary>Null where nobody pinned the key.</summary>
    public Principal? Find(string fingerprint) => _byFingerprint.GetValueOrDefault(fingerprint);
}

/// <summary>The trust of this moment; replaced as a whole when the configuration is read again.</summary>
internal sealed class TrustBook(CoordinatorConfig config)
{
    private Trust _current = new(config.Parties, config.Principals);

    public Trust Current => Volatile.Read(ref _current);

    /// <returns>What was trusted before.</returns>
    public Trust Replace(CoordinatorConfig config) => Interlocked.Exchange(ref _current, new Trust(config.Parties, config.Principals));
}
