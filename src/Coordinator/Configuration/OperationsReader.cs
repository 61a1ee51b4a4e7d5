using System.Net;
using VertFed.Operations;
using VertFed.Operations.Telemetry;

namespace VertFed.Coordinator.Configuration;

/// <summary>Reads the fields admin, telemetry and shutdown_seconds.</summary>
internal static class OperationsReader
{
    public static OperationsSettings Read(YamlFields root) => new()
    {
        Admin = ReadAdmin(root),
        Telemetry = ReadTelemetry(root.OptionalMap("telemetry")),
        ShutdownSeconds = root.Integer("shutdown_seconds", 0, 0, OperationsSettings.MostShutdownSeconds),
    };

    private static IPEndPoint? ReadAdmin(YamlFields root) => root.OptionalText("admin") is not { } text
        ? null
        : TelemetrySettings.ParseAddress(text) ?? throw root.Bad("admin", "must be an address and port such as 127.0.0.1:9464");

    private static TelemetrySettings ReadTelemetry(YamlFields? fields)
    {
        if (fields is null)
            return TelemetrySettings.None;
        Uri endpoint = TelemetrySettings.ParseEndpoint(fields.Text("otlp")) ?? throw fields.Bad("otlp", "must be a URL such as http://127.0.0.1:4318");
        bool isGrpc = (fields.OptionalText("protocol") ?? "http") switch
        {
            "http" => false,
            "grpc" => true,
            _ => throw fields.Bad("protocol", "must be http or grpc"),
        };
        fields.Close();
        return new TelemetrySettings(endpoint, isGrpc);
    }
}
