using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Psi;

/// <summary>Every exception of the alignment. Messages name rows, counts and positions, never an id or an element.</summary>
internal static class PsiError
{
    public static VertFedException Spec(string message) => new(ErrorCode.Usage, message);

    public static VertFedException Input(string message, Exception? inner = null) => new(ErrorCode.BadInput, message, inner);

    public static VertFedException Violation(Step step, string message) =>
        new(ErrorCode.ProtocolViolation, $"{step}: {message}") { Step = step.ToString() };
}
