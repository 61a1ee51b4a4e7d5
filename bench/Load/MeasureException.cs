namespace VertFed.Load;

/// <summary>The service did not do what a measure needs of it: the figures would mean nothing.</summary>
public sealed class MeasureException : Exception
{
    public MeasureException(string message)
        : base(message)
    {
    }

    public MeasureException(string message, Exception inner)
        : base(message, inner)
    {
    }

    public MeasureException()
    {
    }

    /// <summary>Throws where something that must hold does not.</summary>
    internal static void Require(bool holds, string what)
    {
        if (!holds)
        {
            throw new MeasureException(what);
        }
    }
}
