using System.Collections.Concurrent;
using System.Text;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace VertFed.UnitTests.Operations;

/// <summary>Takes what comes over OTLP/HTTP with protobuf, and finds texts in it by the field numbers of opentelemetry-proto.</summary>
internal sealed class OtlpCollector : IAsyncDisposable
{
    // ResourceSpans, ScopeSpans, Span, name; ResourceMetrics, ScopeMetrics, Metric, name.
    private static readonly int[] SpanNames = [1, 2, 2, 5];
    private static readonly int[] MetricNames = [1, 2, 2, 1];

    // Span's attributes: KeyValue.value, AnyValue.string_value.
    private static readonly int[] SpanTexts = [1, 2, 2, 9, 2, 1];

    private readonly WebApplication _application;
    private readonly ConcurrentQueue<(string Path, byte[] Body)> _requests = new();

    private OtlpCollector()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        _application = builder.Build();
        _application.Run(async context =>
        {
            using MemoryStream body = new();
            await context.Request.Body.CopyToAsync(body);
            _requests.Enqueue((context.Request.Path, body.ToArray()));
            context.Response.ContentType = context.Request.ContentType;
            context.Response.StatusCode = StatusCodes.Status200OK;
        });
    }

    public Uri Address => new(_application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    public IEnumerable<string> Spans => Texts("/v1/traces", SpanNames);

    public IEnumerable<string> SpanAttributes => Texts("/v1/traces", SpanTexts);

    public IEnumerable<string> Metrics => Texts("/v1/metrics", MetricNames);

    public static async Task<OtlpCollector> StartAsync()
    {
        var collector = new OtlpCollector();
        await collector._application.StartAsync();
        return collector;
    }

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private IEnumerable<string> Texts(string path, int[] fields) => _requests.Where(request => request.Path == path).SelectMany(request => Find(request.Body, fields));

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
