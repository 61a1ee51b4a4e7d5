using System.Globalization;
using Microsoft.Extensions.Logging;
using VertFed.Operations.Logging;
using VertFed.PartyNode.Operations;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// Every line that the node logs, on standard error. None takes an id, a value of a row or key material: an unexpected
/// exception is logged by type and place, not by its message, which could quote data. Texts and event ids are in <see cref="NodeLines"/>.
/// What is counted of the same events is counted here, so that lines and figures agree.
/// </summary>
public sealed class NodeLog(TextWriter output, TimeProvider time, LogFormat format = LogFormat.Plain, LogLevel level = LogLevel.Information)
{
    private readonly LineLogger _logger = new(output, time, format, level);

    /// <summary>Counts events as they are logged; null: nobody does.</summary>
    public PartyTelemetry? Telemetry { get; init; }

    /// <summary>For parts that bring lines of their own.</summary>
    public ILogger Logger => _logger;

    public void Starting(string party, string version, string dataFolder) => NodeLines.Starting(_logger, party, version, dataFolder);

    public void Registered(string coordinatorVersion, int runningJobs)
    {
        Telemetry?.Connected();
        NodeLines.Registered(_logger, coordinatorVersion, runningJobs);
    }

    public void Disconnected(string reason, TimeSpan retryIn)
    {
        Telemetry?.Disconnected();
        NodeLines.Disconnected(_logger, reason, retryIn.TotalSeconds);
    }

    public void Draining(double seconds) => NodeLines.Draining(_logger, seconds);

    public void OfferLeft(string job) => NodeLines.OfferLeft(_logger, job);

    public void Offered(string job, string title) => NodeLines.Offered(_logger, job, title);

    public void OfferUnreadable(string why) => NodeLines.OfferUnreadable(_logger, why);

    public void OfferRepeated(string job) => NodeLines.OfferRepeated(_logger, job);

    public void Loaded(string job, string source, string format, int rows, int columns, double seconds) =>
        NodeLines.Loaded(_logger, job, source, format, rows, columns, seconds);

    public void Loosened(IReadOnlyList<string> values)
    {
        if (values.Count > 0)
        {
            NodeLines.Loosened(_logger, string.Join(", ", values));
        }
    }

    public void NoControlSocket(string why) => NodeLines.NoControlSocket(_logger, why);

    public void ControlFailed(Exception error) => NodeLines.ControlFailed(_logger, error);

    public void RuleWarns(string job, string rule, string why) => NodeLines.RuleWarns(_logger, job, rule, why);

    public void ColumnsNotAllowed(string job, IReadOnlyList<string> columns)
    {
        if (columns.Count > 0)
        {
            NodeLines.ColumnsNotAllowed(_logger, job, string.Join(", ", columns));
        }
    }

    public void Held(string job, DateTimeOffset decideBefore)
    {
        Telemetry?.Answered("held");
        NodeLines.Held(_logger, job, decideBefore.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
    }

    public void Decided(string job, bool approved) => NodeLines.Decided(_logger, job, approved ? "approved" : "refused");

    public void DryRun(string request, string verdict) => NodeLines.DryRun(_logger, request, verdict);

    public void DryRunDropped(string why) => NodeLines.DryRunDropped(_logger, why);

    public void DryRunInput(string request, JobError error) => NodeLines.DryRunInput(_logger, request, error.Code, error.Message);

    public void DryRunFailed(Exception error) => NodeLines.DryRunFailed(_logger, error);

    public void IntersectionsForgotten(int count) => NodeLines.IntersectionsForgotten(_logger, count);

    public void Accepted(string job)
    {
        Telemetry?.Answered("accepted");
        NodeLines.Accepted(_logger, job);
    }

    public void Refused(string job, JobError error)
    {
        Telemetry?.Answered("refused");
        NodeLines.Refused(_logger, job, error.Code, error.Message);
    }

    public void Resuming(string job, uint attempt)
    {
        Telemetry?.Resumed();
        NodeLines.Resuming(_logger, job, attempt);
    }

    public void GaveWay(string job) => NodeLines.GaveWay(_logger, job);

    public void NotResumed(string job) => NodeLines.NotResumed(_logger, job);

    public void UnknownRunningJob(string job) => NodeLines.UnknownRunningJob(_logger, job);

    public void PhaseStarted(string job, Phase phase) => NodeLines.PhaseStarted(_logger, job, ProgressWriter.Name(phase));

    /// <param name="status">The name of a state, in lower case.</param>
    public void Ended(string job, string status, JobError? error)
    {
        Telemetry?.Ended(job, Enum.Parse<JobState>(status, ignoreCase: true), error?.Code ?? "");
        if (error is null)
        {
            NodeLines.Ended(_logger, job, status);
        }
        else
        {
            NodeLines.EndedWithError(_logger, job, status, error.Code, error.Message);
        }
    }

    public void EndedAtCoordinator(string job, JobState state) => NodeLines.EndedAtCoordinator(_logger, job, state);

    public void CoSigned(string job, Phase phase)
    {
        Telemetry?.CheckpointAnswered("cosigned");
        NodeLines.CoSigned(_logger, job, ProgressWriter.Name(phase));
    }

    public void NotCoSigned(string job, Phase phase, string why)
    {
        Telemetry?.CheckpointAnswered("declined");
        NodeLines.NotCoSigned(_logger, job, ProgressWriter.Name(phase), why);
    }

    public void CheckpointRefused(string job, Phase phase, string why)
    {
        Telemetry?.CheckpointAnswered("refused");
        NodeLines.CheckpointRefused(_logger, job, ProgressWriter.Name(phase), why);
    }

    public void CheckpointNotAnswered(string job, Phase phase, string why) =>
        NodeLines.CheckpointNotAnswered(_logger, job, ProgressWriter.Name(phase), why);

    public void CheckpointDropped(string job) => NodeLines.CheckpointDropped(_logger, job);

    public void ModelChanged(string job, ModelState state) => NodeLines.ModelChanged(_logger, job, state.ToString().ToLowerInvariant());

    public void ModelDamaged(string job) => NodeLines.ModelDamaged(_logger, job);

    public void NotWritten(string job, string file, string why) => NodeLines.NotWritten(_logger, job, file, why);

    public void Pruned(int jobs, TimeSpan kept) => NodeLines.Pruned(_logger, jobs, kept.TotalDays);

    public void NotPruned(string why) => NodeLines.NotPruned(_logger, why);

    public void Unexpected(string job, Exception error) => NodeLines.Unexpected(_logger, error, job);

    public void Reloaded(string fingerprint, int peers, int submitters, int ended) => NodeLines.Reloaded(_logger, fingerprint, peers, submitters, ended);

    public void NotReloaded(string why) => NodeLines.NotReloaded(_logger, why);

    public void Stopping(string why) => NodeLines.Stopping(_logger, why);
}
