namespace VertFed.Operations.Service;

/// <summary>Tells whether any of some files has changed since the last look, by time and length; also one that appeared or went.</summary>
public sealed class FileChanges
{
    /// <summary>How often the services look.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private Dictionary<string, (long Ticks, long Length)> _seen;

    public FileChanges(IEnumerable<string> files) => _seen = Look(files);

    /// <param name="files">Those to look at from now on.</param>
    public bool HaveChanged(IEnumerable<string> files)
    {
        Dictionary<string, (long Ticks, long Length)> now = Look(files);
        bool changed = now.Count != _seen.Count || now.Any(file => !_seen.TryGetValue(file.Key, out (long Ticks, long Length) before) || before != file.Value);
        _seen = now;
        return changed;
    }

    /// <summary>Looks every <see cref="Interval"/> until cancelled.</summary>
    /// <param name="files">Asked anew each time: a configuration that was read again may name others.</param>
    public static async Task WatchAsync(Func<IEnumerable<string>> files, Action changed, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(changed);
        FileChanges changes = new(files());
        using PeriodicTimer timer = new(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                if (changes.HaveChanged(files()))
                {
                    changed();

                    // What was read may name other files, whose first look is no change.
                    changes = new FileChanges(files());
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The service stops.
        }
    }

    private static Dictionary<string, (long Ticks, long Length)> Look(IEnumerable<string> files)
    {
        Dictionary<string, (long Ticks, long Length)> seen = new(StringComparer.Ordinal);
        foreach (string path in files)
        {
            FileInfo file = new(path);
            seen[path] = file.Exists ? (file.LastWriteTimeUtc.Ticks, file.Length) : (0, -1);
        }

        return seen;
    }
}
