using System.Net;
using VertFed.Operations.Telemetry;

namespace VertFed.Operations;

/// <summary>What a node's configuration says about how it is operated.</summary>
public sealed record OperationsSettings
{
    /// <summary>Longest time that a stopping node may take for its open jobs, in seconds.</summary>
    public const int MostShutdownSeconds = 3600;

    /// <summary>Where /metrics, /healthz/live and /healthz/ready are served; null: nowhere.</summary>
    public IPEndPoint? Admin { get; init; }

    public TelemetrySettings Telemetry { get; init; } = TelemetrySettings.None;

    /// <summary>How long a node that is told to stop waits for its open jobs to end, 0 to <see cref="MostShutdownSeconds"/>.</summary>
    public int ShutdownSeconds { get; init; }
}
