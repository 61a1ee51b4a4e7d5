using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using VertFed.Operations.Metrics;
using VertFed.Operations.Telemetry;
using VertFed.PartyNode.Configuration;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Operations;

/// <summary>
/// What is measured at a party beside the process's and the store's own figures. Counted where the same event is logged
/// (<see cref="Hosting.NodeLog"/>). A running job has a trace; one that a restart takes up begins another.
/// </summary>
public sealed class PartyTelemetry : IDisposable
{
    private readonly NodeTelemetry _node;
    private readonly string _role;
    private readonly ConcurrentDictionary<string, JobTelemetry> _jobs = new(StringComparer.Ordinal);
    private readonly Counter<long> _answers;
    private readonly Counter<long> _checkpoints;
    private readonly Counter<long> _lost;
    private readonly Counter<long> _repeated;
    private volatile bool _isConnected;

    public PartyTelemetry(PartyConfig config, TimeProvider time)
    {
        _node = new NodeTelemetry("party", config.Name, config.Operations.Telemetry, time);
        _role = config.Role.ToString();
        _answers = _node.Meter.CreateCounter<long>("vertfed.offers", "{offer}", "Offers by what became of them here: accepted, refused or held for the operator.");
        _checkpoints = _node.Meter.CreateCounter<long>("vertfed.checkpoints", "{answer}", "Own answers to checkpoints: cosigned, declined or refused as another record.");
        _lost = _node.Meter.CreateCounter<long>("vertfed.relay.connections.lost", "{connection}", "Connections to the coordinator that were lost or could not be made.");
        _repeated = _node.Meter.CreateCounter<long>("vertfed.jobs.resumed", "{job}", "Jobs taken up again from the journal.");
        _node.Meter.CreateObservableGauge("vertfed.relay.connected", () => _isConnected ? 1 : 0, description: "1 while this node is registered at its coordinator.");
    }

    /// <summary>Whether this node is registered at its coordinator.</summary>
    public bool IsConnected => _isConnected;

    /// <summary>Keeps what is measured from now on, for the page of metrics.</summary>
    public MetricCollector Collect() => _node.Collect();

    /// <summary>Adds the open jobs, which are counted when somebody asks.</summary>
    /// <param name="jobs">By a word for where they stand: waiting, held, running.</param>
    public void Observe(Func<IEnumerable<(string State, int Count)>> jobs) => _node.Meter.CreateObservableGauge(
        "vertfed.jobs", () => jobs().Select(entry => new Measurement<int>(entry.Count, new KeyValuePair<string, object?>("state", entry.State))),
        "{job}", "Open jobs by where they stand: waiting for a lane, held for the operator, running.");

    public void Connected() => _isConnected = true;

    public void Disconnected()
    {
        _isConnected = false;
        _lost.Add(1);
    }

    /// <param name="what">accepted, refused or held.</param>
    public void Answered(string what) => _answers.Add(1, new KeyValuePair<string, object?>("answer", what));

    /// <param name="what">cosigned, declined or refused.</param>
    public void CheckpointAnswered(string what) => _checkpoints.Add(1, new KeyValuePair<string, object?>("answer", what));

    public void Resumed() => _repeated.Add(1);

    /// <summary>The transport of a job that runs from now on, with a meter between.</summary>
    public IEnvelopeTransport Measure(string job, IEnvelopeTransport transport) =>
        new MeasuredTransport(transport, _jobs.GetOrAdd(job, id => new JobTelemetry(_node.Jobs, id, _role)));

    /// <summary>A job has ended here.</summary>
    public void Ended(string job, JobState state, string code)
    {
        using JobTelemetry telemetry = _jobs.TryRemove(job, out JobTelemetry? running) ? running : new JobTelemetry(_node.Jobs, job, _role);
        telemetry.Ended(state, code);
    }

    public void Dispose()
    {
        foreach (JobTelemetry job in _jobs.Values)
        {
            job.Dispose();
        }

        _node.Dispose();
    }
}
