using System.Collections.Concurrent;
using System.Threading.Channels;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// Runs jobs, so many at once; the rest wait. A job that waits for its peer or for the operator leaves its lane to others, and queues again when
/// the wait is over. A lane that is free goes to the job that goes first of those that both parties have accepted, else to the one that came first.
/// </summary>
/// <remarks>
/// A job runs only while it has a lane at both parties: two jobs could hold one each and wait for the other's for ever. So the coordinator's order, which
/// both parties see, decides wherever a job meets another that does nothing: a job that waits for its peer leaves its lane to one that was started
/// before it. The job that was started first of all gives way to none, so it gets on, at every party. No submitter has a say in that order.
/// </remarks>
/// <param name="lanes">How many jobs run at once.</param>
/// <param name="ended">Called when this run of the node is done with a job.</param>
internal sealed class JobLanes(JobWorker worker, int lanes, Action<JobEntry> ended)
{
    private readonly Lock _gate = new();

    // One turn for each job that was queued. Not bounded itself: the host takes a bounded number of jobs.
    private readonly Channel<bool> _turns = Channel.CreateUnbounded<bool>();
    private readonly List<(JobEntry Entry, CancellationTokenRegistration Watch)> _queue = [];
    private readonly HashSet<JobEntry> _leaving = [];
    private readonly ConcurrentDictionary<JobEntry, Task> _waits = new();
    private readonly TaskCompletionSource _fault = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isPaused;

    /// <summary>Queues a job; false once the lanes are closing.</summary>
    public bool TryEnqueue(JobEntry entry)
    {
        CancellationToken cancelled = entry.Cancellation;
        CancellationTokenRegistration watch = cancelled.UnsafeRegister(_ => EndQueued(entry), null);
        lock (_gate)
        {
            if (!_turns.Writer.TryWrite(true))
            {
                watch.Unregister();
                return false;
            }

            _queue.Add((entry, watch));
        }

        if (cancelled.IsCancellationRequested)
        {
            // The watch may have looked before the job was there.
            EndQueued(entry);
        }

        return true;
    }

    /// <summary>Begins no more jobs. Those that are queued are left as the store has them, for the node's next run.</summary>
    public void Pause() => _isPaused = true;

    /// <summary>Takes no more jobs.</summary>
    public void Close()
    {
        Pause();
        _turns.Writer.TryComplete();
    }

    /// <summary>Runs until closed and every job has ended here.</summary>
    /// <exception cref="Protocol.VertFedException"><see cref="Protocol.ErrorCode.Storage"/>: as soon as this node's disk fails a job; other jobs may still run.</exception>
    public async Task RunAsync()
    {
        Task all = Task.WhenAll(Enumerable.Range(0, lanes).Select(_ => LaneAsync()));
        await await Task.WhenAny(all, _fault.Task);
        await await Task.WhenAny(Task.WhenAll(_waits.Values), _fault.Task);
    }

    /// <summary>The job that a free lane goes to, taken out of the queue; null: those that had a turn have ended without a lane.</summary>
    internal JobEntry? Take()
    {
        lock (_gate)
        {
            int best = -1;
            for (int i = 0; i < _queue.Count; i++)
            {
                if (best < 0 || (_queue[i].Entry.IsAnswered && (!_queue[best].Entry.IsAnswered || _queue[i].Entry.GoesBefore(_queue[best].Entry))))
                {
                    best = i;
                }
            }

            return best < 0 ? null : RemoveAt(best);
        }
    }

    /// <summary>Whether a job that does nothing leaves its lane: more jobs that go before it wait than others are leaving for already.</summary>
    internal bool MustGiveWay(JobEntry entry)
    {
        lock (_gate)
        {
            int better = _isPaused ? 0 : _queue.Count(other => other.Entry.IsAnswered && other.Entry.GoesBefore(entry));
            if (better <= _leaving.Count(other => other != entry))
            {
                return false;
            }

            _leaving.Add(entry);
            return true;
        }
    }

    private async Task LaneAsync()
    {
        try
        {
            await foreach (bool _ in _turns.Reader.ReadAllAsync(CancellationToken.None))
            {
                if (Take() is { } entry)
                {
                    await RunAsync(entry);
                }
            }
        }
        catch (Exception error)
        {
            _fault.TrySetException(error);
            throw;
        }
    }

    private async Task RunAsync(JobEntry entry)
    {
        JobTurn turn = _isPaused ? JobTurn.Ended : await worker.RunAsync(entry, () => MustGiveWay(entry));
        lock (_gate)
        {
            _leaving.Remove(entry);
        }

        switch (turn)
        {
            case JobTurn.GaveWay when TryEnqueue(entry):
                break;
            case JobTurn.Parked:
                Wait(entry, worker.WaitForStartAsync);
                break;
            case JobTurn.Held:
                Wait(entry, worker.WaitForOperatorAsync);
                break;
            default:
                ended(entry);
                break;
        }
    }

    /// <summary>A job that was cancelled, has ended or is left wants no lane any more, and nobody gives way to it: it is concluded beside them.</summary>
    private void EndQueued(JobEntry entry)
    {
        lock (_gate)
        {
            int at = _queue.FindIndex(queued => queued.Entry == entry);
            if (at < 0)
            {
                return;
            }

            RemoveAt(at);
        }

        Wait(entry, async cancelled =>
        {
            await worker.RunAsync(cancelled, () => false);
            return false;
        });
    }

    private JobEntry RemoveAt(int at)
    {
        (JobEntry entry, CancellationTokenRegistration watch) = _queue[at];
        _queue.RemoveAt(at);

        // Not disposed of: that would wait for a watch that waits for the lock.
        watch.Unregister();
        return entry;
    }

    /// <param name="wait">Whether the job goes on; if not, this run of the node is done with it.</param>
    private void Wait(JobEntry entry, Func<JobEntry, Task<bool>> wait)
    {
        TaskCompletionSource known = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _waits[entry] = WaitAsync();
        known.SetResult();

        async Task WaitAsync()
        {
            await known.Task;
            try
            {
                bool goesOn = await wait(entry);
                _waits.TryRemove(entry, out _);
                if (!goesOn || !TryEnqueue(entry))
                {
                    ended(entry);
                }
            }
            catch (Exception error)
            {
                _fault.TrySetException(error);
                throw;
            }
        }
    }
}
