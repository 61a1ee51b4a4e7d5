using System.Diagnostics.CodeAnalysis;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Relay;

/// <summary>
/// Frames of horizontal jobs that wait to be sent to one party, in order. Of a job's questions the last alone waits: nobody waits for answers to those before it, and a
/// party that does not read would have every round's model kept for it.
/// </summary>
internal sealed class RoundOutbox
{
    private readonly Lock _gate = new();
    private readonly LinkedList<CoordinatorFrame> _waiting = new();
    private readonly Dictionary<string, LinkedListNode<CoordinatorFrame>> _questions = new(StringComparer.Ordinal);

    /// <summary>Frames that wait.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _waiting.Count;
        }
    }

    public void Add(CoordinatorFrame frame)
    {
        string? job = frame.Round is null ? null : RoundCodec.Parse(frame.Round, withPayload: false).Header.Job;
        lock (_gate)
        {
            if (job is not null && _questions.Remove(job, out LinkedListNode<CoordinatorFrame>? before))
                _waiting.Remove(before);
            LinkedListNode<CoordinatorFrame> node = _waiting.AddLast(frame);
            if (job is not null)
                _questions[job] = node;
        }
    }

    public bool TryTake([NotNullWhen(true)] out CoordinatorFrame? frame)
    {
        lock (_gate)
        {
            frame = _waiting.First?.Value;
            if (frame is null)
                return false;
            foreach ((string job, LinkedListNode<CoordinatorFrame> node) in _questions)
            {
                if (node == _waiting.First)
                {
                    _questions.Remove(job);
                    break;
                }
            }

            _waiting.RemoveFirst();
            return true;
        }
    }
}
