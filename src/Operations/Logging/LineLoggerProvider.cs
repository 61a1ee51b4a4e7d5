using Microsoft.Extensions.Logging;

namespace VertFed.Operations.Logging;

/// <summary>One <see cref="LineLogger"/> for every category of a host.</summary>
public sealed class LineLoggerProvider(LineLogger logger) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => logger;

    public void Dispose()
    {
        // The writer is the caller's.
    }
}
