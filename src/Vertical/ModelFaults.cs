using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Vertical;

/// <summary>Brings refusals of the numerical code to the codes that a job ends with.</summary>
internal static class ModelFaults
{
    /// <summary>A refusal about own data is bad input; about the plan or limits as well, since other data would fit.</summary>
    public static T AsBadInput<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (ModelException exception)
        {
            throw new VertFedException(ErrorCode.BadInput, exception.Message, exception);
        }
    }

    /// <summary>A refusal of numbers that the peer sent breaks the protocol at a step.</summary>
    public static T AsViolation<T>(Step step, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (ModelException exception)
        {
            throw StepCheck.Violation(step, exception.Message, exception);
        }
    }
}
