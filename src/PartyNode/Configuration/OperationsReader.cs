using System.Net;
using Microsoft.Extensions.Logging;
using VertFed.Operations;
using VertFed.Operations.Logging;
using VertFed.Operations.Telemetry;

namespace VertFed.PartyNode.Configuration;

/// <summary>How logs are written to standard error.</summary>
public sealed record NodeLogSettings(LogLevel Level, LogFormat Format)
{
    public static NodeLogSettings Default { get; } = new(LogLevel.Information, LogFormat.Plain);
}

/// <summary>Reads the keys admin, telemetry, shutdown_seconds and log.</summary>
internal static class OperationsReader
{
    public static OperationsSettings Read(YamlMap map) => new()
    {
        Admin = ReadAdmin(map),
        Telemetry = ReadTelemetry(map.OptionalMap("telemetry")),
        ShutdownSeconds = (int)map.Integer("shutdown_seconds", 0, 0, OperationsSettings.MostShutdownSeconds),
    };

    public static NodeLogSettings ReadLog(YamlMap? map)
    {
        if (map is null)
        {
            return NodeLogSettings.Default;
        }

        LogLevel level = (map.OptionalText("level") ?? "info") switch
        {
            "debug" => LogLevel.Debug,
            "info" => LogLevel.Information,
            "warning" => LogLevel.Warning,
            "error" => LogLevel.Error,
            _ => throw map.Bad("level", "debug, info, warning or error is expected"),
        };
        LogFormat format = (map.OptionalText("format") ?? "plain") switch
        {
            "plain" => LogFormat.Plain,
            "json" => LogFormat.Json,
            _ => throw map.Bad("format", "plain or json is expected"),
        };
        map.RefuseOthers();
        return new NodeLogSettings(level, format);
    }

    private static IPEndPoint? ReadAdmin(YamlMap map) => map.OptionalText("admin") is not { } text
        ? null
        : TelemetrySettings.ParseAddress(text) ?? throw map.Bad("admin", "an address and port such as 127.0.0.1:9464 is expected");

    private static TelemetrySettings ReadTelemetry(YamlMap? map)
    {
        if (map is null)
        {
            return TelemetrySettings.None;
        }

        Uri endpoint = TelemetrySettings.ParseEndpoint(map.Text("otlp")) ?? throw map.Bad("otlp", "a URL such as http://127.0.0.1:4318 is expected");
        bool isGrpc = (map.OptionalText("protocol") ?? "http") switch
        {
            "http" => false,
            "grpc" => true,
            _ => throw map.Bad("protocol", "http or grpc is expected"),
        };
        map.RefuseOthers();
        return new TelemetrySettings(endpoint, isGrpc);
    }
}
