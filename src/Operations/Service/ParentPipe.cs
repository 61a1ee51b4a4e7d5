namespace VertFed.Operations.Service;

/// <summary>
/// A parent that starts this process with --parent-pipe holds the other end of standard input. When the parent ends, however it
/// ends, the pipe reaches its end: on Linux a child would otherwise outlive it.
/// </summary>
public static class ParentPipe
{
    /// <summary>Completes when standard input has reached its end.</summary>
    public static async Task WaitForEndAsync(Stream input, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        byte[] buffer = new byte[256];
        while (await input.ReadAsync(buffer, cancellationToken) > 0)
        {
        }
    }
}
