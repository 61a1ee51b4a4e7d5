using System.Diagnostics;
using System.Diagnostics.Metrics;
using VertFed.Protocol.V1;

namespace VertFed.Operations.Telemetry;

/// <summary>
/// What is measured of jobs, the same at a coordinator and at a party. Labels are words of the protocol (step, phase, direction,
/// state): never a job's id, a party's row or a value.
/// </summary>
public sealed class JobInstruments
{
    private readonly Counter<long> _envelopes;
    private readonly Counter<long> _bytes;
    private readonly Counter<long> _rounds;
    private readonly Histogram<double> _steps;
    private readonly Histogram<double> _phases;
    private readonly Counter<long> _ended;

    internal JobInstruments(Meter meter, ActivitySource traces, TimeProvider time)
    {
        (Traces, Time) = (traces, time);
        _envelopes = meter.CreateCounter<long>("vertfed.envelopes", "{envelope}", "Envelopes by step and direction.");
        _bytes = meter.CreateCounter<long>("vertfed.envelopes.payload", "By", "Sealed payload bytes by step and direction.");
        _rounds = meter.CreateCounter<long>("vertfed.rounds", "{round}", "Rounds begun, by phase.");
        _steps = meter.CreateHistogram<double>("vertfed.step.duration", "s", "Seconds from the job's envelope before to this one, by step and direction.");
        _phases = meter.CreateHistogram<double>("vertfed.phase.duration", "s", "Seconds that jobs spent in a phase.");
        _ended = meter.CreateCounter<long>("vertfed.jobs.ended", "{job}", "Jobs that ended, by state.");
    }

    internal ActivitySource Traces { get; }

    internal TimeProvider Time { get; }

    /// <summary>Counts an envelope that is no step of the job's progress here, such as one that is handed on.</summary>
    public void Passed(string direction, Step step, long bytes)
    {
        _envelopes.Add(1, Tag("step", step), new("direction", direction));
        _bytes.Add(bytes, Tag("step", step), new("direction", direction));
    }

    internal void Round(Phase phase) => _rounds.Add(1, Tag("phase", phase));

    internal void StepTook(string direction, Step step, double seconds) => _steps.Record(seconds, Tag("step", step), new("direction", direction));

    internal void PhaseTook(Phase phase, double seconds) => _phases.Record(seconds, Tag("phase", phase));

    internal void Ended(JobState state) => _ended.Add(1, Tag("state", state));

    private static KeyValuePair<string, object?> Tag<T>(string key, T value)
        where T : struct, Enum => new(key, value.ToString());
}
