namespace VertFed.Coordinator.Configuration;

/// <summary>What someone is to the coordinator. One person or organisation can be several.</summary>
[Flags]
public enum CallerRoles
{
    None = 0,

    /// <summary>Takes part in jobs with its data.</summary>
    Party = 1,

    /// <summary>Submits jobs and reads the reports of its own.</summary>
    Analyst = 2,

    /// <summary>Reads every job's record; changes nothing.</summary>
    Auditor = 4,

    /// <summary>Runs the coordinator: sees every job's state and may end it.</summary>
    Operator = 8,
}

/// <summary>Someone who may call the coordinator, known by the keys of their certificates.</summary>
/// <param name="Fingerprints">SHA-256 of each key's SubjectPublicKeyInfo, 64 lower-case hexadecimal digits; more than one while keys change.</param>
public sealed record Principal(string Name, IReadOnlyList<string> Fingerprints, CallerRoles Roles)
{
    /// <summary>The words of the configuration file.</summary>
    public static IReadOnlyDictionary<string, CallerRoles> Words { get; } = new Dictionary<string, CallerRoles>(StringComparer.Ordinal)
    {
        ["analyst"] = CallerRoles.Analyst, ["auditor"] = CallerRoles.Auditor, ["operator"] = CallerRoles.Operator,
    };

    public bool Is(CallerRoles role) => (Roles & role) != CallerRoles.None;

    public bool Holds(string fingerprint) => Fingerprints.Contains(fingerprint, StringComparer.Ordinal);
}

/// <summary>A party that the coordinator admits.</summary>
public sealed class AdmittedParty
{
    /// <param name="fingerprints">As <see cref="Principal.Fingerprints"/>; at least one.</param>
    public AdmittedParty(string name, params IReadOnlyList<string> fingerprints) => (Name, Fingerprints) = (name, fingerprints);

    public string Name { get; }

    public IReadOnlyList<string> Fingerprints { get; }

    public bool Holds(string fingerprint) => Fingerprints.Contains(fingerprint, StringComparer.Ordinal);
}
