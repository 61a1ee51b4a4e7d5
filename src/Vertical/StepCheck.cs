using Google.Protobuf;
using VertFed.Lattice;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Vertical;

/// <summary>Checks of the fields of a received step; each throws <see cref="ErrorCode.ProtocolViolation"/> naming step and field.</summary>
internal static class StepCheck
{
    public static void Equal<T>(Step step, string field, T expected, T actual)
        where T : IEquatable<T>
    {
        if (!expected.Equals(actual))
        {
            throw Violation(step, $"field '{field}' is {actual}, expected {expected}");
        }
    }

    public static void Count(Step step, string field, int expected, int actual)
    {
        if (expected != actual)
        {
            throw Violation(step, $"field '{field}' has {actual} elements, expected {expected}");
        }
    }

    public static void AtMost(Step step, string field, long limit, long actual)
    {
        if (actual > limit)
        {
            throw Violation(step, $"field '{field}' is {actual}, the limit is {limit}");
        }
    }

    public static void Empty(Step step, string field, ByteString bytes)
    {
        if (!bytes.IsEmpty)
        {
            throw Violation(step, $"field '{field}' must be empty here");
        }
    }

    public static void Finite(Step step, string field, IEnumerable<double> values)
    {
        if (!values.All(double.IsFinite))
        {
            throw Violation(step, $"field '{field}' holds a number that is not finite");
        }
    }

    /// <summary>A residue modulo t.</summary>
    public static void FieldElement(Step step, string field, ulong value)
    {
        if (value >= PlainField.Modulus)
        {
            throw Violation(step, $"field '{field}' holds a residue outside its modulus");
        }
    }

    /// <summary>Parses ring elements; what the lattice refuses is a protocol violation of the step.</summary>
    public static T Parse<T>(Step step, Func<T> parse)
    {
        try
        {
            return parse();
        }
        catch (LatticeException exception)
        {
            throw Violation(step, exception.Message, exception);
        }
    }

    public static VertFedException Violation(Step step, string what, Exception? inner = null) =>
        new(ErrorCode.ProtocolViolation, $"{step}: {what}", inner) { Step = step.ToString() };
}
