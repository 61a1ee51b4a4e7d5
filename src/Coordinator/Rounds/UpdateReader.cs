using VertFed.Horizontal.Service;
using VertFed.Horizontal.Updates;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Rounds;

/// <summary>Updates as they travel.</summary>
internal static class UpdateReader
{
    /// <summary>Most rows that a party may claim.</summary>
    public const int MostRows = 100_000_000;

    /// <summary>Reads an update; whether it may count is the inbox's to say.</summary>
    /// <param name="round">Of the order that it answers, from 0.</param>
    /// <param name="length">Parameters of one model.</param>
    /// <param name="cluster">The model that the party chose, from 0.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: malformed, or a count is out of range.</exception>
    public static ClientUpdate Read(JobPlan plan, RoundEnvelope envelope, int round, int length, out int cluster)
    {
        ModelUpdate update = RoundCodec.Payload(envelope, ModelUpdate.Parser);
        if (update.Examples > MostRows || update.Steps > int.MaxValue || update.Cluster >= plan.Models)
            throw new VertFedException(ErrorCode.ProtocolViolation, "a count of the update is out of range");
        cluster = (int)update.Cluster;
        return new ClientUpdate
        {
            Client = (int)envelope.Header.Sender - 1,
            Round = round,
            Delta = plan.Codec.Decode(update.Delta.Span, length),
            Examples = (long)update.Examples,
            Steps = (int)update.Steps,
            NormalisedSteps = update.NormalisedSteps,
            ControlDelta = update.ControlDelta.Count == 0 ? null : [.. update.ControlDelta],
            LossBefore = update.HasLosses ? update.LossBefore : null,
            LossAfter = update.HasLosses ? update.LossAfter : null,
        };
    }
}
