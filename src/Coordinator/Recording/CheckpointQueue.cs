using System.Collections.Concurrent;
using System.Threading.Channels;

namespace VertFed.Coordinator.Recording;

/// <summary>Jobs that may have finished a phase. A job that waits here already is not added again, so the queue is bounded by the jobs there are.</summary>
internal sealed class CheckpointQueue
{
    private readonly Channel<string> _jobs = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true });
    private readonly ConcurrentDictionary<string, bool> _waiting = new(StringComparer.Ordinal);

    /// <summary>Never blocks.</summary>
    public void Add(string job)
    {
        if (_waiting.TryAdd(job, true))
            _jobs.Writer.TryWrite(job);
    }

    /// <summary>The next job. What happens to it from now on is looked at again.</summary>
    public async ValueTask<string> NextAsync(CancellationToken cancellationToken)
    {
        string job = await _jobs.Reader.ReadAsync(cancellationToken);
        _waiting.TryRemove(job, out _);
        return job;
    }
}
