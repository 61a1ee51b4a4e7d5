using VertFed.Protocol.V1;

namespace VertFed.Storage;

/// <summary>A line of the coordinator's access log: who called what, and whether it was let through.</summary>
public sealed record AccessEntry
{
    /// <summary>Place in the log, from 1 and growing; the store sets it.</summary>
    public long Ordinal { get; init; }

    public required long TimeUnixMs { get; init; }

    /// <summary>Of the caller's certificate, 64 lower-case hexadecimal digits; empty where it showed none.</summary>
    public required string Fingerprint { get; init; }

    /// <summary>The name that the coordinator knows the caller by; empty where it knows none.</summary>
    public required string Name { get; init; }

    /// <summary>As what the caller was let in or turned away, such as "analyst".</summary>
    public required string Role { get; init; }

    /// <summary>The call, such as "JobService/Submit".</summary>
    public required string Call { get; init; }

    /// <summary>The job that the call named; empty where it named none.</summary>
    public string Job { get; init; } = "";

    public required bool Allowed { get; init; }

    /// <summary>Why it was turned away, or what it did; never content of a job.</summary>
    public string Detail { get; init; } = "";
}

/// <summary>What the coordinator knows of a model: a job that trained one and is done. Its coefficients are at the parties alone.</summary>
public sealed record ModelRecord
{
    /// <summary>The job that trained it.</summary>
    public required string Job { get; init; }

    /// <summary>That job's place in the order of submission.</summary>
    public required long Ordinal { get; init; }

    public required uint Attempt { get; init; }

    public required string Title { get; init; }

    public required string LabelParty { get; init; }

    public required string FeatureParty { get; init; }

    public required string Submitter { get; init; }

    /// <summary>The serialised SignedJobSpec of that job.</summary>
    public required byte[] SignedSpec { get; init; }

    public required long TrainedUnixMs { get; init; }

    /// <summary>What the label party last said of its half; active until it says something else.</summary>
    public required ModelState LabelState { get; init; }

    public required ModelState FeatureState { get; init; }

    /// <summary>The signed note of the closing checkpoint, which holds the root of the transcript; null where there is none.</summary>
    public required byte[]? ClosingNote { get; init; }

    public ModelState StateOf(Role role) => role == Role.LabelParty ? LabelState : FeatureState;
}

/// <summary>A page of models, newest first.</summary>
/// <param name="Before">Ordinal to ask the next page with; null after the last.</param>
public sealed record ModelPage(IReadOnlyList<ModelRecord> Models, long? Before);

/// <summary>Which models a list holds: those that meet every condition that is given.</summary>
/// <param name="Submitter">Fingerprint of the key that submitted the job.</param>
/// <param name="Party">Name of either party.</param>
public sealed record ModelFilter(string? Submitter = null, string? Party = null)
{
    /// <summary>Whose models are listed; null: all.</summary>
    public Sight? Sight { get; init; }

    /// <summary>How many jobs one call looks at, at most.</summary>
    public int Span { get; init; } = Storage.Sight.Span;
}
