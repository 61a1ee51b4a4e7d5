using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Rounds;

/// <summary>What a party's connection tells a horizontal job.</summary>
/// <param name="Place">The party's, from 1.</param>
internal abstract record RoundEvent(uint Place);

/// <summary>The party's answer to the offer.</summary>
/// <param name="Refusal">Null: it takes part.</param>
/// <param name="IdentityKey">DER of the key that the job names and the connection proved.</param>
/// <param name="CheckpointKey">Serialised.</param>
internal sealed record AnswerEvent(uint Place, JobError? Refusal, byte[] IdentityKey, byte[] CheckpointKey) : RoundEvent(Place);

/// <summary>The party's operator is asked, for so long at most.</summary>
internal sealed record HeldEvent(uint Place, TimeSpan Allowed) : RoundEvent(Place);

/// <summary>An envelope whose attestation verified.</summary>
internal sealed record EnvelopeEvent(uint Place, RoundEnvelope Envelope) : RoundEvent(Place);

/// <summary>The party has connected anew: whatever it is to know is said again.</summary>
internal sealed record AttachedEvent(uint Place) : RoundEvent(Place);

/// <summary>The party's word on a checkpoint.</summary>
internal sealed record WordEvent(uint Place, RoundWord Word) : RoundEvent(Place);

/// <summary>The party's last word.</summary>
internal sealed record OutcomeEvent(uint Place, JobOutcome Outcome) : RoundEvent(Place);
