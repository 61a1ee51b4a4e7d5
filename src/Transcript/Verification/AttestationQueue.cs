namespace VertFed.Transcript;

/// <summary>
/// Verifies signatures of entries in batches beside the reading, on all processors; at most two batches are in memory. Nothing is reported
/// before <see cref="FlushAsync"/>, so what is found first does not depend on timing.
/// </summary>
/// <param name="isSigned">Whether an entry is its sender's; called on any thread.</param>
/// <param name="unsigned">The rule that one which is not breaks.</param>
internal sealed class AttestationQueue<TEntry>(Func<TEntry, bool> isSigned, Func<TEntry, RuleBrokenException> unsigned)
    where TEntry : class
{
    private const int BatchEntries = 256;

    private static readonly ParallelOptions OneThreadAProcessor = new() { MaxDegreeOfParallelism = Environment.ProcessorCount };

    private List<TEntry> _batch = [];
    private Task<TEntry?> _running = Task.FromResult<TEntry?>(null);

    /// <summary>Adds an entry; waits when two batches are full.</summary>
    /// <exception cref="RuleBrokenException">An earlier entry is not its sender's.</exception>
    public async ValueTask AddAsync(TEntry entry)
    {
        _batch.Add(entry);
        if (_batch.Count < BatchEntries)
        {
            return;
        }

        await RequireAsync();
        List<TEntry> full = _batch;
        _batch = [];
        _running = Task.Run(() => FirstBad(full));
    }

    /// <summary>Waits until every entry that was added is verified.</summary>
    /// <exception cref="RuleBrokenException">One is not its sender's; the first is named.</exception>
    public async Task FlushAsync()
    {
        await RequireAsync();
        TEntry? bad = FirstBad(_batch);
        _batch = [];
        Require(bad);
    }

    private async Task RequireAsync()
    {
        TEntry? bad = await _running;
        Require(bad);
    }

    private void Require(TEntry? bad)
    {
        if (bad is not null)
        {
            throw unsigned(bad);
        }
    }

    private TEntry? FirstBad(List<TEntry> entries)
    {
        bool[] good = new bool[entries.Count];
        Parallel.For(0, entries.Count, OneThreadAProcessor, i => good[i] = isSigned(entries[i]));
        int first = Array.IndexOf(good, false);
        return first < 0 ? null : entries[first];
    }
}
