namespace VertFed.Coordinator.Jobs;

/// <summary>A job that waits for its turn.</summary>
/// <param name="Ordinal">Its place in the order of submission.</param>
/// <param name="Submitter">The principal's name.</param>
internal sealed record QueuedJob(string Job, long Ordinal, string Submitter, string LabelParty, string FeatureParty);

/// <summary>What there is room for at the moment.</summary>
/// <param name="Slots">How many more jobs may start.</param>
/// <param name="IsPresent">Whether a party is connected; a job one of whose parties is away is passed over and holds nobody up.</param>
/// <param name="HasRoom">Whether a party may take one more job.</param>
internal readonly record struct QueueRoom(int Slots, Func<string, bool> IsPresent, Func<string, bool> HasRoom);

/// <summary>
/// Which queued job starts next. The rule, in this order:
/// <list type="number">
/// <item>Submitters take turns: whoever's last start lies furthest back goes first.</item>
/// <item>Within a submitter's line the oldest job goes first. A job whose party is busy or away is passed over, so that it holds up
/// nobody.</item>
/// <item>The first job of a line (the oldest whose parties are both connected) counts the starts that it saw while first. At 8, or twice
/// the number of lines where that is more, it has aged: aged jobs go before all others in the order in which they aged, and one whose
/// party is busy keeps both its parties from every job that has not aged before it.</item>
/// </list>
/// So the first job of a line sees at most max(8, 2·lines) + lines further starts of jobs that use one of its parties before its own.
/// No clock and no randomness; not safe for concurrent use. What it remembers of turns and ages is not durable: after a restart lines are in order
/// of submission again and ages count from nothing.
/// </summary>
internal sealed class FairQueue
{
    private const int LeastPasses = 8;
    private readonly Dictionary<string, Line> _lines = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private long _starts;

    public int Count => _entries.Count;

    /// <summary>Adds a job; one that is there already stays as it is.</summary>
    public void Add(QueuedJob job)
    {
        if (_entries.ContainsKey(job.Job))
            return;
        Entry entry = _entries[job.Job] = new Entry(job);
        LineOf(job.Submitter).Jobs.Add(job.Ordinal, entry);
    }

    /// <summary>Takes a job out, wherever it stands.</summary>
    /// <returns>Whether it was there.</returns>
    public bool Remove(string job)
    {
        if (!_entries.Remove(job, out Entry? entry))
            return false;
        _lines[entry.Job.Submitter].Jobs.Remove(entry.Job.Ordinal);
        return true;
    }

    /// <summary>Notes a start that happened outside, so that turns go on after a restart from where they were.</summary>
    public void NoteStart(string submitter) => LineOf(submitter).LastStart = ++_starts;

    /// <summary>Takes the job that starts now out of the queue; null where none can.</summary>
    public QueuedJob? TakeNext(QueueRoom room)
    {
        if (room.Slots <= 0 || _entries.Count == 0)
            return null;
        Line[] lines = [.. _lines.Values.Where(line => line.Jobs.Count > 0)];
        Entry? chosen = Choose(lines, room);
        if (chosen is null)
            return null;
        _starts++;
        int limit = Math.Max(LeastPasses, 2 * lines.Length);
        foreach (Line line in lines)
        {
            // Every first job that sees this start and is not the one that starts.
            if (line.Jobs.Values.FirstOrDefault(entry => IsPresent(entry, room)) is { } first && first != chosen && first.AgedAt is null && ++first.Seen >= limit)
                first.AgedAt = _starts;
        }

        LineOf(chosen.Job.Submitter).LastStart = _starts;
        Remove(chosen.Job.Job);
        return chosen.Job;
    }

    /// <summary>All jobs in the order in which they would start if no party were ever busy or away.</summary>
    public IReadOnlyList<string> Order()
    {
        List<string> order = [.. Aged().Select(entry => entry.Job.Job)];
        var turns = new PriorityQueue<IEnumerator<Entry>, (long LastStart, long Ordinal)>();
        long starts = _starts;
        foreach (Line line in _lines.Values)
        {
            IEnumerator<Entry> jobs = line.Jobs.Values.Where(entry => entry.AgedAt is null).GetEnumerator();
            if (jobs.MoveNext())
                turns.Enqueue(jobs, (line.LastStart, jobs.Current.Job.Ordinal));
        }

        while (turns.TryDequeue(out IEnumerator<Entry>? jobs, out _))
        {
            order.Add(jobs.Current.Job.Job);
            if (jobs.MoveNext())
                turns.Enqueue(jobs, (++starts, jobs.Current.Job.Ordinal));
            else
                jobs.Dispose();
        }

        return order;
    }

    private static bool IsPresent(Entry entry, QueueRoom room) => room.IsPresent(entry.Job.LabelParty) && room.IsPresent(entry.Job.FeatureParty);

    private Entry? Choose(Line[] lines, QueueRoom room)
    {
        var kept = new HashSet<string>(StringComparer.Ordinal);
        foreach (Entry aged in Aged().Where(entry => IsPresent(entry, room)))
        {
            if (CanStart(aged))
                return aged;
            kept.Add(aged.Job.LabelParty);
            kept.Add(aged.Job.FeatureParty);
        }

        return lines
            .OrderBy(line => line.LastStart).ThenBy(line => line.Jobs.Keys[0])
            .Select(line => line.Jobs.Values.FirstOrDefault(entry => entry.AgedAt is null && IsPresent(entry, room) && CanStart(entry)))
            .FirstOrDefault(entry => entry is not null);

        bool CanStart(Entry entry) =>
            !kept.Contains(entry.Job.LabelParty) && !kept.Contains(entry.Job.FeatureParty)
            && room.HasRoom(entry.Job.LabelParty) && room.HasRoom(entry.Job.FeatureParty);
    }

    private IEnumerable<Entry> Aged() =>
        _entries.Values.Where(entry => entry.AgedAt is not null).OrderBy(entry => entry.AgedAt).ThenBy(entry => entry.Job.Ordinal);

    private Line LineOf(string submitter)
    {
        if (!_lines.TryGetValue(submitter, out Line? line))
            _lines[submitter] = line = new Line();
        return line;
    }

    /// <summary>A submitter's jobs by ordinal. Stays when it is empty: its last turn counts still. Submitters are those of the configuration, so their number is bounded.</summary>
    private sealed class Line
    {
        public SortedList<long, Entry> Jobs { get; } = [];

        public long LastStart { get; set; }
    }

    private sealed class Entry(QueuedJob job)
    {
        public QueuedJob Job { get; } = job;

        /// <summary>Starts of others while it was the first of its line.</summary>
        public int Seen { get; set; }

        /// <summary>The start at which it had seen enough; null before.</summary>
        public long? AgedAt { get; set; }
    }
}
