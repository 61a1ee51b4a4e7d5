using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using VertFed.Coordinator.Configuration;
using VertFed.Operations.Metrics;
using VertFed.Operations.Telemetry;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Operations;

/// <summary>
/// What is measured at a coordinator beside the server's, the store's and the process's own figures. A running job has a trace here; one that
/// a restart takes up begins another.
/// </summary>
internal sealed class CoordinatorTelemetry : IDisposable
{
    private readonly NodeTelemetry _node;
    private readonly ConcurrentDictionary<string, JobTelemetry> _jobs = new(StringComparer.Ordinal);
    private readonly Counter<long> _checkpoints;
    private readonly Counter<long> _repeated;
    private readonly Counter<long> _calls;
    private readonly Histogram<double> _seconds;
    private readonly Histogram<double> _roundSeconds;
    private readonly Counter<long> _roundAnswers;
    private readonly Counter<long> _roundBytes;

    public CoordinatorTelemetry(CoordinatorConfig config, TimeProvider time)
    {
        _node = new NodeTelemetry("coordinator", "coordinator", config.Operations.Telemetry, time);
        _checkpoints = _node.Meter.CreateCounter<long>("vertfed.checkpoints", "{answer}", "Parties' answers to checkpoints: cosigned or refused.");
        _repeated = _node.Meter.CreateCounter<long>("vertfed.envelopes.repeated", "{envelope}", "Envelopes that came again after a lost connection.");
        _calls = _node.Meter.CreateCounter<long>("vertfed.calls", "{call}", "Calls that ended, by method and status.");
        _seconds = _node.Meter.CreateHistogram<double>("vertfed.calls.duration", "s", "Seconds of unary calls, by method.");
        _roundSeconds = _node.Meter.CreateHistogram<double>("vertfed.horizontal.round.duration", "s", "Seconds that rounds of horizontal jobs took.");
        _roundAnswers = _node.Meter.CreateCounter<long>("vertfed.horizontal.round.parties", "{party}", "Of rounds of horizontal jobs: invited parties that counted or are missing, and what was refused.");
        _roundBytes = _node.Meter.CreateCounter<long>("vertfed.horizontal.round.size", "By", "Bytes of envelopes of horizontal jobs, up and down.");
    }

    /// <summary>Keeps what is measured from now on, for the page of metrics.</summary>
    public MetricCollector Collect() => _node.Collect();

    /// <summary>Adds figures that are read where they are when somebody asks.</summary>
    /// <param name="jobs">Open jobs by state.</param>
    /// <param name="connections">Open connections by kind.</param>
    public void Observe(Func<IEnumerable<(JobState State, int Count)>> jobs, Func<IEnumerable<(string Kind, int Count)>> connections)
    {
        _node.Meter.CreateObservableGauge(
            "vertfed.jobs", () => jobs().Select(entry => new Measurement<int>(entry.Count, new KeyValuePair<string, object?>("state", entry.State.ToString()))),
            "{job}", "Open jobs by state.");
        _node.Meter.CreateObservableGauge(
            "vertfed.connections", () => connections().Select(entry => new Measurement<int>(entry.Count, new KeyValuePair<string, object?>("kind", entry.Kind))),
            "{connection}", "Open streams: registered parties, parties that have not registered yet, watchers.");
    }

    /// <summary>An envelope came in.</summary>
    public void Deposited(EnvelopeDeposit envelope, DepositOutcome outcome)
    {
        if (outcome == DepositOutcome.Duplicate)
            _repeated.Add(1);
        if (outcome == DepositOutcome.Stored)
            Of(envelope.Key.Job).Envelope($"from {envelope.Key.Sender}", envelope.Phase, envelope.Step, envelope.Round, envelope.PayloadSize);
    }

    /// <summary>Drops what is measured of a job that is not open any more.</summary>
    public void Forget(string job)
    {
        if (_jobs.TryRemove(job, out JobTelemetry? late))
            late.Dispose();
    }

    /// <summary>Jobs of which something is measured.</summary>
    public int Jobs => _jobs.Count;

    /// <summary>An envelope went out to its recipient.</summary>
    public void HandedOn(StoredEnvelope envelope) => _node.Jobs.Passed($"to {envelope.Key.Sender.Other()}", envelope.Step, envelope.PayloadSize);

    /// <summary>A job is in another state.</summary>
    public void StateChanged(JobRecord job)
    {
        if (job.State == JobState.Running)
            _ = Of(job.Job);
        if (job.IsOpen)
            return;
        using JobTelemetry telemetry = _jobs.TryRemove(job.Job, out JobTelemetry? running) ? running : New(job.Job);
        telemetry.Ended(job.State, job.Error?.Code ?? "");
    }

    /// <summary>A round of a horizontal job is done.</summary>
    public void RoundConcluded(RoundSummary round, TimeSpan took)
    {
        _roundSeconds.Record(took.TotalSeconds);
        _roundAnswers.Add(round.Counted.Count, new KeyValuePair<string, object?>("answer", "counted"));
        _roundAnswers.Add(round.Invited.Count - round.Counted.Count, new KeyValuePair<string, object?>("answer", "missing"));
        _roundAnswers.Add(round.Refusals.Count, new KeyValuePair<string, object?>("answer", "refused"));
        _roundBytes.Add((long)round.BytesUp, new KeyValuePair<string, object?>("direction", "up"));
        _roundBytes.Add((long)round.BytesDown, new KeyValuePair<string, object?>("direction", "down"));
    }

    /// <summary>A horizontal job has ended.</summary>
    public void HorizontalJobEnded(JobState state, string job, string code)
    {
        using JobTelemetry telemetry = New(job);
        telemetry.Ended(state, code);
    }

    /// <summary>A party co-signed a checkpoint or refused to.</summary>
    public void CheckpointAnswered(bool isCoSigned) => _checkpoints.Add(1, new KeyValuePair<string, object?>("answer", isCoSigned ? "cosigned" : "refused"));

    /// <summary>A call has ended.</summary>
    /// <param name="method">The call's full name, one of the services'.</param>
    /// <param name="seconds">Null for streams, whose length says nothing.</param>
    public void Called(string method, Grpc.Core.StatusCode status, double? seconds)
    {
        var name = new KeyValuePair<string, object?>("method", method.TrimStart('/'));
        _calls.Add(1, name, new KeyValuePair<string, object?>("status", status.ToString()));
        if (seconds is { } took)
            _seconds.Record(took, name);
    }

    public void Dispose()
    {
        foreach (JobTelemetry job in _jobs.Values)
            job.Dispose();
        _node.Dispose();
    }

    private JobTelemetry Of(string job) => _jobs.GetOrAdd(job, New);

    private JobTelemetry New(string job) => new(_node.Jobs, job, "coordinator");
}
