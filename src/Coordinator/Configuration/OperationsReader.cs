using System.Net;
using VertFed.Operations;
using VertFed.Operations.Telemetry;
using VertFed.Protocol;

namespace VertFed.Coordinator.Configuration;

/// <summary>Reads the fields admin, telemetry and shutdown_seconds.</summary>
internal static class OperationsReader
{
    public static OperationsSettings Read(YamlFields root) => new()
    {
        Admin = ReadAdmin(root),
        Telemetry = ReadTelemetry(root.Map("telemetry")),
        ShutdownSeconds = root.Integer("shutdown_seconds", 0, 0, OperationsSettings.MostShutdownSeconds),
    };

    private static IPEndPoint? ReadAdmin(YamlFields root) => root.Text("admin") is not { } text
        ? null
        : TelemetrySettings.ParseAddress(text) ?? throw root.Wrong("admin", "must be an address and port such as 127.0.0.1:9464");

    private static TelemetrySettings ReadTelemetry(YamlFields? fields)
    {
        if (fields is null)
            return TelemetrySettings.None;
        Uri endpoint = TelemetrySettings.ParseEndpoint(fields.Required("otlp")) ?? throw fields.Wrong("otlp", "must be a URL such as http://127.0.0.1:4318");
        bool isGrpc = (fields.Text("protocol") ?? "http") switch
        {
            "http" => false,
            "grpc" => true,
            _ => throw fields.Wrong("protocol", "must be http or grpc"),
        };
        fields.Done();
        return new TelemetrySettings(endpoint, isGrpc);
    }
}
