using VertFed.PartyNode.Sessions;
using VertFed.Protocol;

namespace VertFed.PartyNode.Replay;

/// <summary>What a replay found about a stored model.</summary>
public enum ModelFinding
{
    /// <summary>The job came to no model, or the party no longer keeps it.</summary>
    None,

    /// <summary>It is the one that the replay came to, byte for byte.</summary>
    Same,

    /// <summary>It is another one.</summary>
    Differs,
}

/// <summary>The outcome of replaying one party's side.</summary>
public sealed record ReplayVerdict
{
    public required string Party { get; init; }

    /// <summary>Own envelopes that came out as recorded, byte for byte.</summary>
    public required long Matched { get; init; }

    /// <summary>Own envelopes in the transcript.</summary>
    public required long Recorded { get; init; }

    /// <summary>Where the replay first differs; null if it does not, or not in an envelope.</summary>
    public Divergence? Divergence { get; init; }

    /// <summary>The same in a horizontal job.</summary>
    internal RoundDivergedException? Rounds { get; init; }

    /// <summary>Place of the divergent entry in canonical order, from 0; null where the transcript has no such entry.</summary>
    public long? Entry { get; init; }

    /// <summary>What differs, in a sentence; empty where nothing does.</summary>
    public string Difference { get; init; } = "";

    /// <summary>How the recorded job ended here, if not with a result; empty otherwise.</summary>
    public string Ending { get; init; } = "";

    public ModelFinding Model { get; init; }

    /// <summary>The half of the model that the replay came to (JSON); null if it did not come to one.</summary>
    public byte[]? ReplayedModel { get; init; }

    public double Seconds { get; init; }

    /// <summary>Whether every envelope, and the model where there is one, is what the data, the seed and the peer's messages give.</summary>
    public bool IsFaithful => Difference.Length == 0 && Model != ModelFinding.Differs;

    internal SessionRecord? Session { get; init; }
}
