using System.Diagnostics;
using System.Globalization;
using VertFed.Cli.Hosts;
using VertFed.Cli.Jobs;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Demo;

/// <summary>
/// What the demo knows about its run while it runs: notes, phases with seconds and bytes, iterations with gradient norm.
/// Fed by the parties' event lines and the coordinator's status stream from several threads; views read snapshots.
/// </summary>
internal sealed class DemoProgress
{
    private readonly Lock _gate = new();
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly List<PhaseProgress> _phases = [];
    private readonly List<string> _notes = [];
    private IterationProgress? _iteration;
    private string _step = "";
    private ulong _bytes;

    /// <summary>Raised for each line worth printing where there is no terminal; called under no lock.</summary>
    public event Action<string>? Line;

    public double Seconds => _clock.Elapsed.TotalSeconds;

    public Snapshot Current
    {
        get
        {
            lock (_gate)
            {
                return new Snapshot(Seconds, [.. _notes], [.. _phases.Select(phase => phase with { })], _iteration, _step, _bytes);
            }
        }
    }

    public void Note(string text)
    {
        lock (_gate)
        {
            _notes.Add(text);
        }

        Raise(text);
    }

    /// <summary>The coordinator's view: the step and round that was last deposited, and all bytes so far.</summary>
    public void OnStatus(JobStatus status)
    {
        string phase = JobOutcomes.Name(status.Phase);
        string? line = null;
        lock (_gate)
        {
            _step = status.Round > 0
                ? string.Create(CultureInfo.InvariantCulture, $"{JobOutcomes.Name(status.Step)} {status.Round}")
                : JobOutcomes.Name(status.Step);
            _bytes = status.Bytes;
            if (phase.Length > 0)
            {
                PhaseProgress? last = _phases.LastOrDefault();
                if (last is null || !string.Equals(last.Name, phase, StringComparison.Ordinal))
                {
                    if (last is not null)
                    {
                        line = Describe(last);
                    }

                    // A phase starts where the one before it ended: what a party computes before its first envelope belongs to it.
                    _phases.Add(new PhaseProgress(phase) { Start = last?.End ?? Seconds, End = Seconds, BytesBefore = last?.BytesAfter ?? 0, BytesAfter = status.Bytes });
                }

                PhaseProgress current = _phases[^1];
                current.End = Seconds;
                current.BytesAfter = status.Bytes;
            }

            if (JobOutcomes.HasEnded(status.State) && _phases.Count > 0)
            {
                line = Describe(_phases[^1]);
            }
        }

        if (line is not null)
        {
            Raise(line);
        }
    }

    /// <summary>A party's view. Both see the same iterations, so those of one party are enough.</summary>
    public void OnIteration(NodeEvent nodeEvent)
    {
        IterationProgress iteration = new((int)(nodeEvent.Number("round") ?? 0), nodeEvent.Number("gradient_norm"));
        ulong bytes;
        lock (_gate)
        {
            _iteration = iteration;
            bytes = _bytes;
        }

        string norm = iteration.GradientNorm is { } value ? string.Create(CultureInfo.InvariantCulture, $", gradient norm {value:0.000e+00}") : "";
        Raise(string.Create(CultureInfo.InvariantCulture, $"train: iteration {iteration.Round}{norm}, {bytes / 1e6:0.0} MB so far"));
    }

    /// <summary>The coordinator's view of a horizontal job.</summary>
    public void OnRound(JobStatus status)
    {
        string step = status.Round == 0
            ? "preparing"
            : string.Create(CultureInfo.InvariantCulture, $"round {status.Round} of {status.Rounds}");
        lock (_gate)
        {
            _bytes = status.Bytes;
            if (string.Equals(_step, step, StringComparison.Ordinal))
            {
                return;
            }

            _step = step;
        }

        Raise(string.Create(CultureInfo.InvariantCulture, $"train: {step}, {status.Bytes / 1e3:0.0} kB so far"));
    }

    private static string Describe(PhaseProgress phase) => string.Create(
        CultureInfo.InvariantCulture,
        $"{phase.Name.ToLowerInvariant()}: {phase.End - phase.Start:0.0} s, {(phase.BytesAfter - phase.BytesBefore) / 1e6:0.0} MB");

    private void Raise(string line) => Line?.Invoke(string.Create(CultureInfo.InvariantCulture, $"[{Seconds,6:0.0} s] {line}"));
}

/// <summary>One phase: seconds since the start of the demo, and bytes of sealed payload before and after.</summary>
internal sealed record PhaseProgress(string Name)
{
    public double Start { get; set; }

    public double End { get; set; }

    public ulong BytesBefore { get; set; }

    public ulong BytesAfter { get; set; }
}

internal sealed record IterationProgress(int Round, double? GradientNorm);

internal sealed record Snapshot(
    double Seconds,
    IReadOnlyList<string> Notes,
    IReadOnlyList<PhaseProgress> Phases,
    IterationProgress? Iteration,
    string Step,
    ulong Bytes);
