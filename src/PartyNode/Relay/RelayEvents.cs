using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.PartyNode.Relay;

/// <summary>Something of a horizontal job: an envelope, or the first own one that is to be sent again.</summary>
/// <param name="Envelope">Null where something is to be sent again.</param>
/// <param name="Coordinator">The pinned coordinator's identity, as the connection showed it.</param>
public sealed record RoundFrame(RoundEnvelope? Envelope, ulong ResumeFrom, PeerIdentity Coordinator)
{
    /// <summary>A checkpoint to judge; with it there is no envelope and nothing to be sent again.</summary>
    public RoundProposal? Proposal { get; init; }

    /// <summary>The pinned coordinator's checkpoint key; there with a proposal.</summary>
    public CheckpointVerifier? Checkpoints { get; init; }
}

/// <summary>What the coordinator told this party, besides envelopes.</summary>
public abstract record RelayEvent;

/// <summary>The connection stands.</summary>
/// <param name="RunningJobs">Jobs that the coordinator holds as running for this party.</param>
public sealed record RegisteredEvent(string CoordinatorVersion, IReadOnlyList<string> RunningJobs) : RelayEvent;

/// <summary>The connection was lost; the client tries again.</summary>
public sealed record DisconnectedEvent(string Reason, TimeSpan RetryIn) : RelayEvent;

public sealed record OfferEvent(SignedJobSpec Job, uint Attempt) : RelayEvent;

/// <param name="StartedUnixMs">When the coordinator started it, the same for both parties; 0: not said.</param>
public sealed record StartEvent(string Job, uint Attempt, long StartedUnixMs = 0) : RelayEvent;

/// <summary>The coordinator asks what this party's rules say of a job that is not offered.</summary>
public sealed record PreflightEvent(string Request, SignedJobSpec Job) : RelayEvent;

public sealed record EndEvent(JobEnd End) : RelayEvent;

/// <summary>The coordinator asks for a co-signature.</summary>
/// <param name="Coordinator">The pinned coordinator's checkpoint key, as this connection showed it.</param>
public sealed record CheckpointEvent(CheckpointProposal Proposal, CheckpointVerifier Coordinator) : RelayEvent;
