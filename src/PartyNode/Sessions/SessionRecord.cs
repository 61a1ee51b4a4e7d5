using System.Diagnostics;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Rounds;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;

namespace VertFed.PartyNode.Sessions;

/// <summary>What a session has come to know so far, so that a report can be written however it ends.</summary>
internal sealed class SessionRecord(JobSpecification specification, string party, Role role)
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Dictionary<Phase, double> _seconds = [];
    private Phase _phase = Phase.Unspecified;
    private double _phaseStart;

    public AlignPart? Align { get; set; }

    /// <summary>What was learnt of the own columns; null before the alignment.</summary>
    public ColumnEncoder? Encoder { get; set; }

    /// <summary>By source column: aligned rows whose level no column stands for.</summary>
    public IReadOnlyDictionary<string, int>? Unseen { get; set; }

    public VerticalResult? Result { get; set; }

    /// <summary>The result of a horizontal job; null in any other, and before its end.</summary>
    public RoundResult? Rounds { get; set; }

    /// <summary>The result of a score job; null in a job that trains.</summary>
    public ScoreResult? Score { get; set; }

    /// <summary>Row numbers of the own input in the joint order; empty before the alignment.</summary>
    public int[] AlignedRows { get; set; } = [];

    /// <summary>What the report says of a score job; set once its result is kept.</summary>
    public ScorePart? ScorePart { get; set; }

    /// <summary>SHA-256 over the sorted aligned ids; null before the alignment.</summary>
    public byte[]? AlignedIdsHash { get; set; }

    /// <summary>Both parties' ResultCommitment and what opens this party's; null before the close.</summary>
    public ResultClose? Close { get; set; }

    /// <summary>Root over all entries of the attempt, 32 bytes; null before they are all there.</summary>
    public byte[]? TranscriptRoot { get; set; }

    public IReadOnlyList<Guard> Guards { get; set; } = [];

    public List<Disclosure> Disclosures { get; } = [];

    public long TrainBytes { get; set; }

    /// <summary>Sealed payload of the phase evaluate, both parties'.</summary>
    public long EvaluateBytes { get; set; }

    /// <summary>Ends the phase before and begins another.</summary>
    public void Begin(Phase phase)
    {
        double now = _clock.Elapsed.TotalSeconds;
        _seconds[_phase] = SecondsOf(_phase) + now - _phaseStart;
        (_phase, _phaseStart) = (phase, now);
    }

    public double SecondsOf(Phase phase) => _seconds.GetValueOrDefault(phase);

    public ReportPart ToPart(JobState state, JobError? error) => new()
    {
        Specification = specification,
        Party = party,
        Role = role,
        State = state,
        Error = error,
        SecondsTotal = _clock.Elapsed.TotalSeconds,
        Align = Align,
        Encoder = Encoder,
        Unseen = Unseen,
        Result = Result,
        Score = ScorePart,
        Close = Close,
        TranscriptRoot = TranscriptRoot,
        TrainSeconds = SecondsOf(Phase.Train),
        TrainBytes = TrainBytes,
        Guards = Guards,
        Disclosures = Disclosures,
    };
}
