using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>Every exception this project raises, in one place. None of them takes key material, an id or a row's value.</summary>
internal static class Error
{
    /// <summary>A message, or the order of messages, broke the protocol.</summary>
    public static VertFedException Violation(string message, Step step = Step.Unspecified, Exception? inner = null) =>
        new(ErrorCode.ProtocolViolation, message, inner) { Step = Name(step) };

    /// <summary>A field of a message breaks a rule.</summary>
    public static VertFedException WrongField(string field, string message) => new(ErrorCode.ProtocolViolation, message) { Field = field };

    /// <summary>The same, with the party that sent the message.</summary>
    public static VertFedException ViolationBy(string party, string message, Step step, Exception? inner = null) =>
        new(ErrorCode.ProtocolViolation, message, inner) { Party = party, Step = Name(step) };

    /// <summary>Nothing came before the deadline.</summary>
    public static VertFedException Awaited(string party, Step step, uint round, TimeSpan deadline) =>
        new(
            ErrorCode.PeerUnavailable,
            $"Waited {deadline.TotalSeconds:0.###} s for '{party}' at step {Describe(step, round)}; nothing came.")
        {
            Party = party,
            Step = Name(step),
        };

    /// <summary>A resumed run or a replay differs from the record.</summary>
    public static VertFedException Diverges(string message, Step step = Step.Unspecified, Exception? inner = null) =>
        new(ErrorCode.Diverges, message, inner) { Step = Name(step) };

    /// <summary>An envelope of this party came out other than it was recorded.</summary>
    public static VertFedException Diverges(Divergence divergence, string party) =>
        new(
            ErrorCode.Diverges,
            $"Envelope {divergence.Sequence} of '{party}' ({Describe(divergence.Step, divergence.Round)}) comes out other than it was recorded: {divergence.Field} differs.")
        {
            Party = party,
            Step = Name(divergence.Step),
            Divergence = divergence,
        };

    /// <summary>A signature or seal does not verify.</summary>
    public static VertFedException DoesNotVerify(string message, Exception? inner = null) =>
        new(ErrorCode.DoesNotVerify, message, inner);

    /// <summary>A named rule refused.</summary>
    public static VertFedException Refused(string message, Step step = Step.Unspecified) =>
        new(ErrorCode.Refused, message) { Step = Name(step) };

    /// <summary>A configuration file, key file or YAML document is wrong.</summary>
    public static VertFedException Usage(string message, Exception? inner = null) => new(ErrorCode.Usage, message, inner);

    /// <summary>This party's own code used the channel wrongly.</summary>
    public static VertFedException Fault(string message, Step step = Step.Unspecified) =>
        new(ErrorCode.Internal, message) { Step = Name(step) };

    /// <summary>A step with its round, as messages show it.</summary>
    public static string Describe(Step step, uint round) => round == 0 ? Name(step) : $"{Name(step)} of round {round}";

    private static string Name(Step step) => step == Step.Unspecified ? "" : step.ToString();
}
