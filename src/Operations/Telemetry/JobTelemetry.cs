using System.Diagnostics;
using VertFed.Protocol.V1;

namespace VertFed.Operations.Telemetry;

/// <summary>
/// One job as one node sees it, from when the node takes it up to its end: a trace of its own with a span for each phase and, in it, one
/// for each step, and the measurements of both. Spans hold the job's id, sizes and words of the protocol; no name of a person, no id, no value.
/// </summary>
public sealed class JobTelemetry : IDisposable
{
    private readonly Lock _gate = new();
    private readonly JobInstruments _instruments;
    private readonly Activity? _job;
    private Activity? _phaseSpan;
    private Phase _phase;
    private uint _round;
    private DateTimeOffset _before;
    private DateTimeOffset _phaseBegan;
    private bool _isEnded;

    /// <param name="role">What the node is in the job: LabelParty, FeatureParty or coordinator.</param>
    public JobTelemetry(JobInstruments instruments, string job, string role)
    {
        _instruments = instruments;
        _before = instruments.Time.GetUtcNow();
        _job = Start("job", default, _before, new("vertfed.job", job), new("vertfed.role", role));
    }

    /// <summary>The trace's id, 32 hexadecimal digits; empty where nobody records traces.</summary>
    public string TraceId => _job?.TraceId.ToHexString() ?? "";

    /// <summary>An envelope was sent, received or deposited: what took place since the one before was this step.</summary>
    /// <param name="direction">A word such as "sent" or "received".</param>
    public void Envelope(string direction, Phase phase, Step step, uint round, long bytes)
    {
        lock (_gate)
        {
            if (_isEnded)
                return;
            DateTimeOffset now = _instruments.Time.GetUtcNow();
            if (phase > _phase)
                BeginPhase(phase);
            if (round > _round)
            {
                _round = round;
                _instruments.Round(phase);
            }

            double seconds = Math.Max(0, (now - _before).TotalSeconds);
            _instruments.Passed(direction, step, bytes);
            _instruments.StepTook(direction, step, seconds);
            Activity? span = Start(
                step.ToString(), (_phaseSpan ?? _job)?.Context ?? default, _before,
                new("vertfed.direction", direction), new("vertfed.round", round), new("vertfed.bytes", bytes));
            Stop(span, now);
            _before = now;
        }
    }

    /// <summary>The job has ended here; what comes later changes nothing.</summary>
    /// <param name="code">Why it has no result; empty where it has.</param>
    public void Ended(JobState state, string code)
    {
        lock (_gate)
        {
            if (_isEnded)
                return;
            DateTimeOffset now = _instruments.Time.GetUtcNow();
            EndPhase(now);
            _isEnded = true;
            _instruments.Ended(state);
            _job?.SetTag("vertfed.state", state.ToString());
            if (code.Length > 0)
                _job?.SetStatus(ActivityStatusCode.Error, code);
            Stop(_job, now);
        }
    }

    /// <summary>Ends the spans of a job that goes on without this process.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isEnded)
                return;
            DateTimeOffset now = _instruments.Time.GetUtcNow();
            EndPhase(now);
            _isEnded = true;
            Stop(_job, now);
        }
    }

    private void BeginPhase(Phase phase)
    {
        // A phase lasts from the last envelope of the one before to its own last.
        EndPhase(_before);
        (_phase, _round, _phaseBegan) = (phase, 0, _before);
        _phaseSpan = Start(phase.ToString(), _job?.Context ?? default, _before);
    }

    private void EndPhase(DateTimeOffset at)
    {
        if (_phase == Phase.Unspecified)
            return;
        _instruments.PhaseTook(_phase, Math.Max(0, (at - _phaseBegan).TotalSeconds));
        Stop(_phaseSpan, at);
        _phaseSpan = null;
    }

    private static void Stop(Activity? span, DateTimeOffset at)
    {
        if (span is null)
            return;
        // Stopping makes the one before the current one, and these have none.
        Activity? current = Activity.Current;
        span.SetEndTime(at.UtcDateTime);
        span.Dispose();
        Activity.Current = current;
    }

    // A span of this job never becomes the current one of whoever happens to run here, nor that one's child.
    private Activity? Start(string name, ActivityContext parent, DateTimeOffset from, params ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (!_instruments.Traces.HasListeners())
            return null;
        Activity? current = Activity.Current;
        Activity.Current = null;
        try
        {
            return _instruments.Traces.StartActivity(name, ActivityKind.Internal, parent, tags.ToArray(), links: null, from);
        }
        finally
        {
            Activity.Current = current;
        }
    }
}
