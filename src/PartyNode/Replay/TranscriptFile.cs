using VertFed.Protocol;

namespace VertFed.PartyNode.Replay;

/// <summary>Opens the transcript that a replay reads from, whichever kind of job it is of.</summary>
internal static class TranscriptFile
{
    /// <param name="read">Makes of the file what keeps it open; where it throws the file is closed.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: the file cannot be opened.</exception>
    public static async Task<T> ReadAsync<T>(string path, Func<FileStream, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        FileStream file;
        try
        {
            file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertFedException(ErrorCode.Usage, $"The transcript '{path}' cannot be opened: {e.Message}", e);
        }

        try
        {
            return await read(file, cancellationToken);
        }
        catch
        {
            await file.DisposeAsync();
            throw;
        }
    }
}
