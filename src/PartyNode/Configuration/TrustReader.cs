using VertFed.Protocol;

namespace VertFed.PartyNode.Configuration;

/// <summary>A peer that this party works with, compared out of band.</summary>
/// <param name="Name">The peer's name.</param>
/// <param name="Fingerprints">SHA-256 of its identity key (DER SubjectPublicKeyInfo), 64 lower-case hexadecimal digits; more than one
/// while it changes keys.</param>
public sealed record PinnedPeer(string Name, IReadOnlyList<string> Fingerprints)
{
    public bool Holds(string fingerprint) => Fingerprints.Contains(fingerprint, StringComparer.Ordinal);
}

/// <summary>The keys that a party trusts at one moment.</summary>
internal sealed record PinnedKeys(IReadOnlyList<string> Coordinator, IReadOnlyList<PinnedPeer> Peers, IReadOnlyList<string> Submitters);

/// <summary>
/// Reads whom a party trusts: coordinator_fingerprint, peers and submitters of its configuration, and what a trust file adds, whose
/// coordinator, parties and analysts they are then. With a trust file each of the fields may be absent. Any of the three may come out empty: that is
/// how the last key of its kind is withdrawn from a node that runs. Whether a node may start so is <see cref="PartyConfig.RequireTrust"/>'s.
/// </summary>
internal static class TrustReader
{
    private const int MaxPins = TrustFile.MostFingerprints;
    private const int MaxPrevious = 7;
    private const string FingerprintExpected = "a fingerprint is 64 lower-case hexadecimal digits";

    public static PinnedKeys Read(YamlMap map, string own, TrustFile? pins)
    {
        List<string> coordinator = [.. IsNone(map, "coordinator_fingerprint", pins) ? [] : ReadFingerprints(map, "coordinator_fingerprint")];
        coordinator.AddRange((pins?.Coordinator?.Fingerprints ?? []).Except(coordinator, StringComparer.Ordinal));
        List<PinnedPeer> peers = IsNone(map, "peers", pins) ? [] : ReadPeers(map, own);
        foreach (TrustEntry party in (pins?.Entries ?? []).Where(entry => entry.Is("party") && entry.Name != own))
        {
            if (peers.Exists(known => known.Name == party.Name))
            {
                throw map.Bad("trust", $"'{party.Name}' is among 'peers' as well; name each peer in one place");
            }

            peers.Add(new PinnedPeer(party.Name, party.Fingerprints));
        }

        List<string> submitters = [.. IsNone(map, "submitters", pins) ? [] : ReadSubmitters(map)];
        submitters.AddRange((pins?.Entries ?? []).Where(entry => entry.Is("analyst")).SelectMany(entry => entry.Fingerprints).Except(submitters, StringComparer.Ordinal));
        return new PinnedKeys(coordinator, peers, submitters);
    }

    /// <param name="running">Where the coordinator of a node that runs is: what counts where a trust file names none any more. Null at the start.</param>
    public static Uri ReadCoordinator(YamlMap map, TrustFile? pins, Uri? running) =>
        map.OptionalText("coordinator") is null && (pins?.Coordinator?.Address ?? (pins is null ? null : running)) is { } known ? known
        : Uri.TryCreate(map.Text("coordinator"), UriKind.Absolute, out Uri? uri) && TrustFile.IsAddress(uri)
            ? uri
            : throw map.Bad("coordinator", "a URL such as https://coordinator.example:7400 is expected");

    public static IReadOnlyList<string> ReadPreviousIdentities(YamlMap map, string folder)
    {
        IReadOnlyList<string> paths = map.OptionalTexts("previous_identities") ?? [];
        return paths.Count <= MaxPrevious
            ? [.. paths.Select(path => Path.GetFullPath(path, folder))]
            : throw map.Bad("previous_identities", "at most 7 key files are expected");
    }

    /// <summary>Whether the field names nobody: it is an empty list, or left to the trust file.</summary>
    private static bool IsNone(YamlMap map, string key, TrustFile? pins) => map.IsEmptyList(key) || (pins is not null && !map.Has(key));

    private static List<PinnedPeer> ReadPeers(YamlMap map, string own)
    {
        List<PinnedPeer> peers = [];
        foreach (YamlMap peer in map.Maps("peers"))
        {
            string name = peer.Text("name");
            if (!PartyReference.IsName(name) || name == own || peers.Exists(known => known.Name == name))
            {
                throw peer.Bad("name", "a peer's name is well-formed, unique and not the party's own");
            }

            peers.Add(new PinnedPeer(name, ReadFingerprints(peer, "fingerprint")));
            peer.RefuseOthers();
        }

        return peers;
    }

    private static IReadOnlyList<string> ReadFingerprints(YamlMap map, string key)
    {
        IReadOnlyList<string> list = map.OneOrMore(key);
        return list.Count <= MaxPins && list.All(PeerIdentity.IsFingerprint) ? list : throw map.Bad(key, FingerprintExpected);
    }

    private static IReadOnlyList<string> ReadSubmitters(YamlMap map)
    {
        IReadOnlyList<string> list = map.OptionalTexts("submitters") ?? throw map.Bad("submitters", "a list of fingerprints is missing");
        return list.All(PeerIdentity.IsFingerprint) ? list : throw map.Bad("submitters", FingerprintExpected);
    }
}
