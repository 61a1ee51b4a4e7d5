using System.Collections.Concurrent;
using System.Threading.Channels;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// Runs jobs, so many at once and the rest in the order in which they came. A job that waits for its peer or for the operator leaves its
/// lane, and its data, to others, and queues again when the wait is over.
/// </summary>
/// <remarks>
/// A job runs only while it has a lane at both parties, and each gives lanes in an order of its own: two jobs could hold one each and wait for the
/// other's for ever. So of jobs that both parties have accepted the one with the smaller id goes first wherever it meets another that does nothing:
/// a job that waits for its peer leaves its lane to it. The job with the smallest id of all gives way to none, so it gets on, at every party.
/// </remarks>
/// <param name="lanes">How many jobs run at once.</param>
/// <param name="ended">Called when this run of the node is done with a job.</param>
internal sealed class JobLanes(JobWorker worker, int lanes, Action<JobEntry> ended)
{
    // Not bounded itself: the host takes a bounded number of jobs.
    private readonly Channel<JobEntry> _queue = Channel.CreateUnbounded<JobEntry>();
    private readonly ConcurrentDictionary<string, JobEntry> _queued = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<JobEntry, Task> _waits = new();
    private readonly TaskCompletionSource _fault = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isPaused;

    /// <summary>Queues a job; false once the lanes are closing.</summary>
    public bool TryEnqueue(JobEntry entry)
    {
        _queued[entry.Id] = entry;
        return _queue.Writer.TryWrite(entry);
    }

    /// <summary>Begins no more jobs. Those that are queued are left as the store has them, for the node's next run.</summary>
    public void Pause() => _isPaused = true;

    /// <summary>Takes no more jobs.</summary>
    public void Close()
    {
        Pause();
        _queue.Writer.TryComplete();
    }

    /// <summary>Runs until closed and every job has ended here.</summary>
    /// <exception cref="Protocol.VertFedException"><see cref="Protocol.ErrorCode.Storage"/>: as soon as this node's disk fails a job; other jobs may still run.</exception>
    public async Task RunAsync()
    {
        Task all = Task.WhenAll(Enumerable.Range(0, lanes).Select(_ => LaneAsync()));
        await await Task.WhenAny(all, _fault.Task);
        await await Task.WhenAny(Task.WhenAll(_waits.Values), _fault.Task);
    }

    private async Task LaneAsync()
    {
        try
        {
            await foreach (JobEntry entry in _queue.Reader.ReadAllAsync(CancellationToken.None))
            {
                _queued.TryRemove(entry.Id, out _);
                switch (_isPaused ? JobTurn.Ended : await worker.RunAsync(entry, () => MustGiveWay(entry)))
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
        }
        catch (Exception error)
        {
            _fault.TrySetException(error);
            throw;
        }
    }

    private bool MustGiveWay(JobEntry entry) =>
        !_isPaused && _queued.Values.Any(other => other.IsAnswered && string.CompareOrdinal(other.Id, entry.Id) < 0);

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
