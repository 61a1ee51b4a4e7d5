using System.Globalization;
using System.Net;

namespace VertFed.Operations.Telemetry;

/// <summary>How telemetry leaves the node over OTLP.</summary>
/// <param name="Endpoint">The collector, such as http://127.0.0.1:4318; null: what OTEL_EXPORTER_OTLP_ENDPOINT says, and nothing if that is not set.</param>
/// <param name="IsGrpc">OTLP over gRPC instead of HTTP with protobuf; counts with an endpoint alone.</param>
public sealed record TelemetrySettings(Uri? Endpoint, bool IsGrpc)
{
    /// <summary>The variable that OpenTelemetry's own software reads as well.</summary>
    public const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    public static TelemetrySettings None { get; } = new(null, IsGrpc: false);

    /// <summary>Whether anything is sent.</summary>
    public bool IsSent => Endpoint is not null || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(EndpointVariable));

    /// <summary>A URL in a configuration file; null where it is none.</summary>
    public static Uri? ParseEndpoint(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https" && uri.UserInfo.Length == 0 && uri.Query.Length == 0 ? uri : null;

    /// <summary>An address with a port, such as 127.0.0.1:9464 or [::1]:9464; null where it is none. "localhost" is 127.0.0.1.</summary>
    public static IPEndPoint? ParseAddress(string text)
    {
        if (text.StartsWith("localhost:", StringComparison.Ordinal))
            text = string.Concat("127.0.0.1:", text.AsSpan("localhost:".Length));
        // Without a port TryParse would take 0; a bare IPv6 address would swallow it.
        int colon = text.LastIndexOf(':');
        bool explicitPort = colon > 0 && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _)
            && (text[0] == '[') == text.AsSpan(0, colon).Contains(':');
        return explicitPort && IPEndPoint.TryParse(text, out IPEndPoint? endPoint) ? endPoint : null;
    }
}
