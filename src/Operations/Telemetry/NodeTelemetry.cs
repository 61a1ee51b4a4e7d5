using System.Diagnostics;
using System.Diagnostics.Metrics;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using VertFed.Operations.Metrics;
using VertFed.Protocol;

namespace VertFed.Operations.Telemetry;

/// <summary>
/// A node's instruments and traces, and where they go: to a <see cref="MetricCollector"/> for the page of metrics, and over OTLP if that is
/// configured. With neither, a measurement costs a check that nobody listens.
/// </summary>
public sealed class NodeTelemetry : IDisposable
{
    // .NET's own meters: process and garbage collector, and the server's connections.
    private static readonly string[] OtherMeters = ["System.Runtime", "Microsoft.AspNetCore.Server.Kestrel", StorageMeter];
    private const string StorageMeter = "VertFed.Storage";

    /// <summary>For what is left to be sent at the end, traces and metrics each, in milliseconds.</summary>
    private const int SendingPatience = 5000;

    private readonly MeterProvider? _metrics;
    private readonly TracerProvider? _traces;

    /// <param name="component">"coordinator" or "party".</param>
    /// <param name="instance">The node's name, sent as service.instance.id.</param>
    public NodeTelemetry(string component, string instance, TelemetrySettings settings, TimeProvider time)
    {
        string name = $"VertFed.{char.ToUpperInvariant(component[0])}{component[1..]}";
        Meter = new Meter(name, SoftwareVersion.Current);
        Traces = new ActivitySource(name, SoftwareVersion.Current);
        Jobs = new JobInstruments(Meter, Traces, time);
        if (!settings.IsSent)
            return;
        ResourceBuilder resource = ResourceBuilder.CreateEmpty().AddService(
            $"vertfed-{component}", serviceVersion: SoftwareVersion.Current, autoGenerateServiceInstanceId: false, serviceInstanceId: instance);
        _metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter([name, .. OtherMeters])
            .SetMaxMetricStreams(500).AddOtlpExporter(options => Configure(options, settings, "v1/metrics")).Build();
        _traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(name)
            .AddOtlpExporter(options => Configure(options, settings, "v1/traces")).Build();
    }

    public Meter Meter { get; }

    public ActivitySource Traces { get; }

    public JobInstruments Jobs { get; }

    /// <summary>Keeps this node's measurements from now on, with those of the process, the store and the server.</summary>
    public MetricCollector Collect() => new(meter => ReferenceEquals(meter, Meter) || OtherMeters.Contains(meter.Name));

    /// <summary>Sends what is left, for at most some seconds.</summary>
    public void Dispose()
    {
        _traces?.Shutdown(SendingPatience);
        _metrics?.Shutdown(SendingPatience);
        _traces?.Dispose();
        _metrics?.Dispose();
        Traces.Dispose();
        Meter.Dispose();
    }

    private static void Configure(OtlpExporterOptions options, TelemetrySettings settings, string path)
    {
        // Without an endpoint of the file's, the environment's variables count, which the options hold already.
        if (settings.Endpoint is not { } endpoint)
            return;
        options.Protocol = settings.IsGrpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
        options.Endpoint = settings.IsGrpc ? endpoint : new Uri($"{endpoint.AbsoluteUri.TrimEnd('/')}/{path}");
    }
}
