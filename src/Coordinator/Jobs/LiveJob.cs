using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Jobs;

/// <summary>What the coordinator holds in memory of an open job beside the store: who may be waited for, and since when.</summary>
internal sealed class LiveJob
{
    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly Pace _pace;
    private JobRecord _record;
    private long _lastActivity;
    private long _offeredSince;
    private long _runningSince;
    private Role _lastSender;
    private Phase _labelPhase;
    private Phase _featurePhase;
    private Hold? _labelHold;
    private Hold? _featureHold;

    /// <param name="owner">The principal whose place and turn it takes, by name: one who changes keys is still one.</param>
    public LiveJob(JobRecord record, string owner, TimeProvider time)
    {
        Owner = owner;
        _time = time;
        _record = record;
        JobSpec spec = JobSpec.Parser.ParseFrom(SignedJobSpec.Parser.ParseFrom(record.SignedSpec).Spec);
        _pace = new Pace((int)(spec.Train?.MaxIterations ?? 0), time);
        KnownSince = _lastActivity = _offeredSince = _runningSince = time.GetTimestamp();
    }

    /// <summary>As it was when the job was taken up: what is given back is what was taken, whatever the configuration says by then.</summary>
    public string Owner { get; }

    public Pulse Changed { get; } = new();

    /// <summary>When the job was submitted, or this process took it up, as a timestamp of the clock.</summary>
    public long KnownSince { get; }

    /// <summary>When this process began to wait for answers, as a timestamp of the clock.</summary>
    public long OfferedSince
    {
        get
        {
            lock (_gate)
                return _offeredSince;
        }
    }

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

    /// <summary>Whether it takes a running slot and a place at each of its parties: it runs, or is offered and no operator is asked.</summary>
    public bool TakesSlot => Record is var record && (record.State == JobState.Running || (record.State == JobState.Offered && !IsHeld(record)));

    /// <summary>Whole seconds until the end by the pace so far; 0 where there is no estimate.</summary>
    public uint EtaSeconds
    {
        get
        {
            lock (_gate)
                return _record.State == JobState.Running ? _pace.EtaSeconds() : 0;
        }
    }

    /// <summary>Since when a party's operator is asked, and how long it may take; null where none is.</summary>
    public Hold? HoldOf(Role role)
    {
        lock (_gate)
            return _record.State == JobState.Offered && _record.AnswerOf(role) == Answer.None ? (role == Role.LabelParty ? _labelHold : _featureHold) : null;
    }

    /// <summary>A party's operator is asked. The first word counts: repeating it does not lengthen the wait.</summary>
    /// <returns>Whether it is the first.</returns>
    public bool Held(Role role, TimeSpan allowed)
    {
        lock (_gate)
        {
            ref Hold? hold = ref role == Role.LabelParty ? ref _labelHold : ref _featureHold;
            if (hold is not null)
                return false;
            hold = new Hold(_time.GetTimestamp(), allowed);
        }

        Changed.Signal();
        return true;
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
    public bool Update(JobRecord newer, Role actor)
    {
        bool changed;
        lock (_gate)
        {
            if (actor != Role.Unspecified)
                _lastActivity = _time.GetTimestamp();
            bool isNewer = Rank(newer.State) > Rank(_record.State) || (newer.State == _record.State && newer.Envelopes >= _record.Envelopes);
            if (!isNewer)
                return false;
            if (newer.Envelopes > _record.Envelopes && actor != Role.Unspecified)
                _lastSender = actor;
            changed = newer.State != _record.State;
            if (changed && newer.State == JobState.Offered)
                _offeredSince = _lastActivity = _time.GetTimestamp();
            else if (changed)
                _runningSince = _time.GetTimestamp();
            _pace.Observe(newer.Phase, newer.Round);
            _record = newer;
        }

        Changed.Signal();
        return changed;
    }

    /// <summary>The order in which states follow one another; their numbers are those of the wire.</summary>
    private static int Rank(JobState state) => state switch
    {
        JobState.Queued => 0,
        JobState.Offered => 1,
        JobState.Running => 2,
        _ => 3,
    };

    private bool IsHeld(JobRecord record)
    {
        lock (_gate)
        {
            return (_labelHold is not null && record.AnswerOf(Role.LabelParty) == Answer.None)
                || (_featureHold is not null && record.AnswerOf(Role.FeatureParty) == Answer.None);
        }
    }

    /// <summary>A wait for an operator.</summary>
    /// <param name="Since">A timestamp of the clock.</param>
    internal readonly record struct Hold(long Since, TimeSpan Allowed);
}
