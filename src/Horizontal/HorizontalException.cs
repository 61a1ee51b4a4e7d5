using System.Diagnostics.CodeAnalysis;

namespace VertFed.Horizontal;

/// <summary>What the horizontal mode refused.</summary>
public enum HorizontalError
{
    /// <summary>Shapes, ranges or options that cannot work.</summary>
    InvalidInput = 1,

    /// <summary>Labels that the model cannot take (for example other than 0 and 1 in a logistic model).</summary>
    InvalidLabels = 2,

    /// <summary>A number that came from a client, or a result, is not finite.</summary>
    NotFinite = 3,

    /// <summary>An update has another length than the model.</summary>
    WrongShape = 4,

    /// <summary>An update or message belongs to another round, or is too stale.</summary>
    WrongRound = 5,

    /// <summary>An update is longer than the round allows.</summary>
    NormTooLarge = 6,

    /// <summary>A client answered twice in one round.</summary>
    Repeated = 7,

    /// <summary>A client that was not invited, or is not known.</summary>
    UnknownClient = 8,

    /// <summary>Fewer clients answered than the round or the threshold needs.</summary>
    TooFewClients = 9,

    /// <summary>A cryptographic check failed: a key, a share or a sealed message is not what it should be.</summary>
    CheckFailed = 10,

    /// <summary>The privacy budget does not allow the work.</summary>
    BudgetExceeded = 11,
}

/// <summary>A typed, readable refusal of the horizontal mode. Messages name clients, rounds and fields, never values of rows.</summary>
public sealed class HorizontalException : Exception
{
    public HorizontalException(HorizontalError error, string message)
        : base(message) => Error = error;

    public HorizontalException(HorizontalError error, string message, Exception inner)
        : base(message, inner) => Error = error;

    public HorizontalError Error { get; }
}

/// <summary>All throws of the project in one place.</summary>
internal static class Throw
{
    public static void If([DoesNotReturnIf(true)] bool condition, HorizontalError error, string message)
    {
        if (condition)
        {
            throw new HorizontalException(error, message);
        }
    }

    /// <summary>Refuses options that cannot work.</summary>
    public static void Invalid([DoesNotReturnIf(true)] bool condition, string message) => If(condition, HorizontalError.InvalidInput, message);

    public static void IfNotFinite(ReadOnlySpan<double> values, string what)
    {
        foreach (double value in values)
        {
            if (!double.IsFinite(value))
            {
                throw new HorizontalException(HorizontalError.NotFinite, $"{what} holds a number that is not finite.");
            }
        }
    }
}
