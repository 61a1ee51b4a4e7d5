using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace VertFed.UnitTests.Operations;

/// <summary>
/// Takes what comes over OTLP/HTTP with protobuf, or over OTLP/gRPC, and finds texts in it by the field numbers of opentelemetry-proto. The
/// gRPC side is read here from the frames (a flag, a length, a message), not by a library that the exporter might share.
/// </summary>
internal sealed class OtlpCollector : IAsyncDisposable
{
    // ResourceSpans, ScopeSpans, Span, name; ResourceMetrics, ScopeMetrics, Metric, name.
    private static readonly int[] SpanNames = [1, 2, 2, 5];
    private static readonly int[] MetricNames = [1, 2, 2, 1];

    // Span's attributes: KeyValue.value, AnyValue.string_value.
    private static readonly int[] SpanTexts = [1, 2, 2, 9, 2, 1];

    private const int FrameHead = 5;

    private readonly WebApplication _application;
    private readonly ConcurrentQueue<(string Path, byte[] Body)> _requests = new();
    private readonly bool _isGrpc;

    private OtlpCollector(bool isGrpc)
    {
        _isGrpc = isGrpc;
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(
            kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = isGrpc ? HttpProtocols.Http2 : HttpProtocols.Http1));
        _application = builder.Build();
        _application.Run(async context =>
        {
            using MemoryStream body = new();
            await context.Request.Body.CopyToAsync(body);
            context.Response.ContentType = context.Request.ContentType;
            context.Response.StatusCode = StatusCodes.Status200OK;
            _requests.Enqueue((context.Request.Path, isGrpc ? Message(body.ToArray()) : body.ToArray()));
            if (isGrpc)
            {
                // An empty answer in its frame, and its status.
                await context.Response.Body.WriteAsync(new byte[FrameHead]);
                context.Response.AppendTrailer("grpc-status", "0");
            }
        });
    }

    public Uri Address => new(_application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    /// <summary>Paths that were called, and none besides.</summary>
    public IEnumerable<string> Paths => _requests.Select(request => request.Path).Distinct(StringComparer.Ordinal);

    public IEnumerable<string> Spans => Texts(TracePath, SpanNames);

    public IEnumerable<string> SpanAttributes => Texts(TracePath, SpanTexts);

    public IEnumerable<string> Metrics => Texts(MetricPath, MetricNames);

    private string TracePath => _isGrpc ? "/opentelemetry.proto.collector.trace.v1.TraceService/Export" : "/v1/traces";

    private string MetricPath => _isGrpc ? "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" : "/v1/metrics";

    public static async Task<OtlpCollector> StartAsync(bool isGrpc)
    {
        var collector = new OtlpCollector(isGrpc);
        await collector._application.StartAsync();
        return collector;
    }

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private IEnumerable<string> Texts(string path, int[] fields) => _requests.Where(request => request.Path == path).SelectMany(request => Find(request.Body, fields));

    /// <summary>The one message of a unary call, uncompressed.</summary>
    private static byte[] Message(byte[] body) =>
        body is [0, ..] && BinaryPrimitives.ReadUInt32BigEndian(body.AsSpan(1)) == body.Length - FrameHead
            ? body[FrameHead..]
            : throw new InvalidDataException($"{body.Length} bytes are no gRPC frame with one uncompressed message");

    private static List<string> Find(byte[] message, ReadOnlySpan<int> fields)
    {
        List<string> found = [];
        var input = new CodedInputStream(message);
        for (uint tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            if (WireFormat.GetTagFieldNumber(tag) != fields[0] || WireFormat.GetTagWireType(tag) != WireFormat.WireType.LengthDelimited)
            {
                input.SkipLastField();
                continue;
            }

            byte[] value = input.ReadBytes().ToByteArray();
            if (fields.Length == 1)
                found.Add(Encoding.UTF8.GetString(value));
            else
                found.AddRange(Find(value, fields[1..]));
        }

        return found;
    }
}
