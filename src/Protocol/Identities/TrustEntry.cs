namespace VertFed.Protocol;

/// <summary>Someone whose keys are pinned in a trust file.</summary>
/// <param name="Name">1 to 64 of a-z, 0-9, '-' and '_', starting with a letter.</param>
/// <param name="As">coordinator alone, party alone, or some of analyst, auditor and operator; each once.</param>
/// <param name="Fingerprints">1 to 8, 64 lower-case hexadecimal digits each; more than one while keys change.</param>
/// <param name="Address">Where a coordinator listens; null: not said.</param>
public sealed record TrustEntry(string Name, IReadOnlyList<string> As, IReadOnlyList<string> Fingerprints, Uri? Address)
{
    public bool Is(string word) => As.Contains(word, StringComparer.Ordinal);

    public bool Holds(string fingerprint) => Fingerprints.Contains(fingerprint, StringComparer.Ordinal);

    /// <summary>What is wrong with the entry by itself; null: nothing.</summary>
    internal string? Fault() =>
        !PartyReference.IsName(Name) ? $"'{StrictYaml.Shown(Name)}' is not a name of 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter"
        : As.Count == 0 || As.Distinct(StringComparer.Ordinal).Count() != As.Count || As.Any(word => !TrustFile.Words.Contains(word, StringComparer.Ordinal))
            ? $"'{Name}' is trusted as one or some of {string.Join(", ", TrustFile.Words)}, each once"
        : As.Count > 1 && (Is("coordinator") || Is("party")) ? $"'{Name}' is a coordinator or a party and nothing beside"
        : Fingerprints.Count is 0 or > TrustFile.MostFingerprints || !Fingerprints.All(PeerIdentity.IsFingerprint)
            ? $"'{Name}' needs 1 to {TrustFile.MostFingerprints} fingerprints of 64 lower-case hexadecimal digits"
        : Fingerprints.Distinct(StringComparer.Ordinal).Count() != Fingerprints.Count ? $"'{Name}' has a fingerprint twice"
        : Address is not null && !Is("coordinator") ? $"'{Name}' is no coordinator and has no address"
        : Address is not null && !TrustFile.IsAddress(Address) ? $"the address of '{Name}' is not a URL such as https://coordinator.example:7400"
        : null;
}
