using VertFed.PartyNode.Data;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;

namespace VertFed.PartyNode.Reporting;

/// <summary>What the alignment came to.</summary>
/// <param name="IntersectionSha256">Of the sorted common ids joined by line feeds, lower-case hexadecimal, or null.</param>
/// <param name="Bytes">Sealed payload that both parties sent.</param>
public sealed record AlignPart(long OwnRows, long PeerRows, long Intersection, string? IntersectionSha256, double Seconds, long Bytes);

/// <summary>One party's knowledge of a job: the same sections as report.json, restricted to what this party knows.</summary>
public sealed record ReportPart
{
    public required JobSpecification Specification { get; init; }

    public required string Party { get; init; }

    public required Role Role { get; init; }

    public JobState State { get; init; }

    public JobError? Error { get; init; }

    public double SecondsTotal { get; init; }

    public AlignPart? Align { get; init; }

    /// <summary>How the own columns were encoded; null where the job did not come to it.</summary>
    public ColumnEncoder? Encoder { get; init; }

    /// <summary>By source column: aligned rows whose level no encoded column stands for.</summary>
    public IReadOnlyDictionary<string, int>? Unseen { get; init; }

    /// <summary>Null where training did not end.</summary>
    public VerticalResult? Result { get; init; }

    public double TrainSeconds { get; init; }

    public long TrainBytes { get; init; }

    /// <summary>What scoring came to; null in a job that trains, and where scoring did not end.</summary>
    internal ScorePart? Score { get; init; }

    /// <summary>Both parties' ResultCommitment and what opens this party's; null where the job did not come to its close.</summary>
    public ResultClose? Close { get; init; }

    /// <summary>Root over all entries of the attempt, 32 bytes; null where the job did not come to its close.</summary>
    public byte[]? TranscriptRoot { get; init; }

    /// <summary>Rules that the host itself checked, besides those in <see cref="Result"/>.</summary>
    public IReadOnlyList<Guard> Guards { get; init; } = [];

    /// <summary>Disclosures that the host itself knows of, besides those in <see cref="Result"/>.</summary>
    public IReadOnlyList<Disclosure> Disclosures { get; init; } = [];

    /// <summary>All guards.</summary>
    public IEnumerable<Guard> AllGuards => Guards.Concat(Result?.Guards ?? []);

    /// <summary>The ledger.</summary>
    public IEnumerable<Disclosure> Ledger => Disclosures.Concat(Result?.Disclosures ?? Score?.Disclosures ?? []);
}
