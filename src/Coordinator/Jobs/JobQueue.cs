using VertFed.Storage;

namespace VertFed.Coordinator.Jobs;

/// <summary>The queue as the coordinator's calls use it: <see cref="FairQueue"/> behind a lock, with the places that it gives. All calls may run concurrently.</summary>
internal sealed class JobQueue
{
    private readonly Lock _gate = new();
    private readonly FairQueue _queue = new();
    private Dictionary<string, uint>? _positions;

    /// <summary>Tells that a job may be able to start: one came, one ended, a party came or went.</summary>
    public Pulse Changed { get; } = new();

    public int Count
    {
        get
        {
            lock (_gate)
                return _queue.Count;
        }
    }

    /// <param name="owner">The principal whose turn it takes.</param>
    public void Add(JobRecord job, string owner)
    {
        lock (_gate)
        {
            _queue.Add(new QueuedJob(job.Job, job.Ordinal, owner, job.LabelParty, job.FeatureParty));
            _positions = null;
        }

        Changed.Signal();
    }

    /// <summary>Takes a job out that will not start, and has the queue looked at: a job that ended made room.</summary>
    public void Ended(string job)
    {
        lock (_gate)
        {
            if (_queue.Remove(job))
                _positions = null;
        }

        Changed.Signal();
    }

    /// <summary>Notes a job that had left the queue before this process began, so that turns go on from there.</summary>
    public void NoteStart(string owner)
    {
        lock (_gate)
            _queue.NoteStart(owner);
    }

    /// <summary>Takes the job that starts now out of the queue; null where none can.</summary>
    public QueuedJob? TakeNext(QueueRoom room)
    {
        lock (_gate)
        {
            QueuedJob? next = _queue.TakeNext(room);
            if (next is not null)
                _positions = null;
            return next;
        }
    }

    /// <summary>Puts a job back that could not be started after all.</summary>
    public void PutBack(QueuedJob job)
    {
        lock (_gate)
        {
            _queue.Add(job);
            _positions = null;
        }
    }

    /// <summary>How many queued jobs start before this one if no party is busy or away, plus 1; 0 where it is not queued.</summary>
    public uint PositionOf(string job)
    {
        lock (_gate)
        {
            _positions ??= _queue.Order().Select((id, index) => (id, index)).ToDictionary(one => one.id, one => (uint)one.index + 1, StringComparer.Ordinal);
            return _positions.GetValueOrDefault(job);
        }
    }
}
