using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Jobs;

/// <summary>What the coordinator holds in memory of an open job beside the store: who may be waited for, and since when.</summary>
internal sealed class LiveJob(JobRecord record, long nowTicks)
{
    private readonly Lock _gate = new();
    private JobRecord _record = record;
    private long _lastActivity = nowTicks;
    private long _runningSince = nowTicks;
    private Role _lastSender;
    private Phase _labelPhase;
    private Phase _featurePhase;

    public Pulse Changed { get; } = new();

    /// <summary>When this process began to wait for answers, as a timestamp of the clock.</summary>
    public long OfferedSince { get; } = nowTicks;

    /// <summary>When the job began to run, or this process took it up, as a timestamp of the clock.</summary>
    public long RunningSince
    {
        get
        {
            lock (_gate)
                return _runningSince;
        }
    }

    /// <summary>The newest known record; the store is the truth.</summary>
    public JobRecord Record
    {
        get
        {
            lock (_gate)
                return _record;
        }
    }

    /// <summary>When a party last did something for this job (or the coordinator began to wait), as a timestamp of the clock.</summary>
    public long LastActivity
    {
        get
        {
            lock (_gate)
                return _lastActivity;
        }
    }

    /// <summary>Who deposited last, so that the other is the one to wait for; unspecified after a restart.</summary>
    public Role LastSender
    {
        get
        {
            lock (_gate)
                return _lastSender;
        }
    }

    /// <summary>Whether a sender's envelope is the first of its phase that this process saw of it.</summary>
    public bool EntersPhase(Role sender, Phase phase)
    {
        lock (_gate)
        {
            ref Phase last = ref sender == Role.LabelParty ? ref _labelPhase : ref _featurePhase;
            if (phase <= last)
                return false;
            last = phase;
            return true;
        }
    }

    /// <summary>Takes a newer record. Results of concurrent writes may arrive in any order: an older one changes nothing.</summary>
    /// <returns>Whether the state changed.</returns>
    public bool Update(JobRecord newer, long nowTicks, Role actor)
    {
        bool changed;
        lock (_gate)
        {
            if (actor != Role.Unspecified)
                _lastActivity = nowTicks;
            bool isNewer = newer.State > _record.State || (newer.State == _record.State && newer.Envelopes >= _record.Envelopes);
            if (!isNewer)
                return false;
            if (newer.Envelopes > _record.Envelopes && actor != Role.Unspecified)
                _lastSender = actor;
            changed = newer.State != _record.State;
            if (changed)
                _runningSince = nowTicks;
            _record = newer;
        }

        Changed.Signal();
        return changed;
    }
}
