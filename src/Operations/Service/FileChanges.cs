namespace VertFed.Operations.Service;

/// <summary>
/// Has some files read again whenever one of them is another, by time and length; also one that appeared or went. What counts as seen is
/// how the files were before they were read, so that no change during a reading is lost; and what was not read well is read again.
/// </summary>
public sealed class FileChanges
{
    /// <summary>How often the services look.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    // Nothing at first: the files may have changed since the service read them for its start. Reading what is the same does nothing.
    private Dictionary<string, (long Ticks, long Length)> _seen = new(StringComparer.Ordinal);

    /// <summary>One look.</summary>
    /// <param name="files">Those to look at now. One that was not among them before counts as changed.</param>
    /// <param name="read">Reads them again; false where that failed.</param>
    public void Look(IEnumerable<string> files, Func<bool> read)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(read);
        Dictionary<string, (long Ticks, long Length)> now = Stamps(files);
        bool isSame = now.Count == _seen.Count && now.All(file => _seen.TryGetValue(file.Key, out (long Ticks, long Length) before) && before == file.Value);
        if (!isSame && read())
        {
            _seen = now;
        }
    }

    /// <summary>Looks every <see cref="Interval"/> until cancelled.</summary>
    /// <param name="files">Asked anew each time: a configuration that was read again may name others.</param>
    /// <param name="read">Reads them again; false where that failed.</param>
    public static async Task WatchAsync(Func<IEnumerable<string>> files, Func<bool> read, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(files);
        FileChanges changes = new();
        using PeriodicTimer timer = new(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                changes.Look(files(), read);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The service stops.
        }
    }

    private static Dictionary<string, (long Ticks, long Length)> Stamps(IEnumerable<string> files)
    {
        Dictionary<string, (long Ticks, long Length)> stamps = new(StringComparer.Ordinal);
        foreach (string path in files)
        {
            FileInfo file = new(path);
            stamps[path] = file.Exists ? (file.LastWriteTimeUtc.Ticks, file.Length) : (0, -1);
        }

        return stamps;
    }
}
