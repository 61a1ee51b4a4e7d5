using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using VertFed.Operations.Metrics;
using VertFed.Operations.Service;
using VertFed.Protocol;

namespace VertFed.Operations.Health;

/// <summary>
/// The operator's pages of a node, over plain HTTP/1.1 on an address of their own: /metrics, /healthz/live and /healthz/ready, and nothing
/// else. A server apart from the one that peers reach: neither's load, limits or paths are the other's.
/// </summary>
public sealed class AdminServer : IAsyncDisposable
{
    private const int MostConnections = 32;
    private readonly WebApplication _application;

    private AdminServer(WebApplication application, IPEndPoint address) => (_application, Address) = (application, address);

    /// <summary>The address as bound.</summary>
    public IPEndPoint Address { get; }

    /// <summary>Starts to listen. Collector and readiness stay the caller's to dispose, after this.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: the address cannot be bound.</exception>
    public static async Task<AdminServer> StartAsync(IPEndPoint address, MetricCollector collector, Readiness readiness, CancellationToken cancellationToken)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "VertFed.Operations" });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => Configure(kestrel, address));
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        WebApplication application = builder.Build();
        application.Run(context => AnswerAsync(context, collector, readiness));
        try
        {
            await application.StartAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or SocketException or AddressInUseException)
        {
            await application.DisposeAsync();
            throw new VertFedException(ErrorCode.Usage, $"admin: cannot listen on {address}: {exception.Message}", exception);
        }

        string bound = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return new AdminServer(application, new IPEndPoint(address.Address, new Uri(bound).Port));
    }

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync(CancellationToken.None);
        await _application.DisposeAsync();
    }

    private static void Configure(KestrelServerOptions kestrel, IPEndPoint address)
    {
        kestrel.AddServerHeader = false;
        kestrel.Listen(address, listen => listen.Protocols = HttpProtocols.Http1);
        KestrelServerLimits limits = kestrel.Limits;
        limits.MaxConcurrentConnections = MostConnections;
        limits.MaxConcurrentUpgradedConnections = 0;
        limits.MaxRequestBodySize = 0;
        limits.MaxRequestHeadersTotalSize = 8 * 1024;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
        limits.KeepAliveTimeout = TimeSpan.FromSeconds(60);
    }

    private static async Task AnswerAsync(HttpContext context, MetricCollector collector, Readiness readiness)
    {
        HttpResponse response = context.Response;
        response.Headers.CacheControl = "no-store";
        if (context.Request.Path.Value is not ("/metrics" or "/healthz/live" or "/healthz/ready"))
        {
            response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        if (!HttpMethods.IsGet(context.Request.Method))
        {
            response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            response.Headers.Allow = "GET";
            return;
        }

        switch (context.Request.Path.Value)
        {
            case "/metrics":
                response.ContentType = PrometheusText.ContentType;
                await response.WriteAsync(PrometheusText.Write(collector), context.RequestAborted);
                break;
            case "/healthz/live":
                await WriteAsync(response, [], context.RequestAborted);
                break;
            default:
                await WriteAsync(response, await readiness.CheckAsync(context.RequestAborted), context.RequestAborted);
                break;
        }
    }

    private static async Task WriteAsync(HttpResponse response, IReadOnlyList<ReadinessFinding> findings, CancellationToken cancellationToken)
    {
        bool isWell = findings.All(finding => finding.Reason is null);
        response.StatusCode = isWell ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        response.ContentType = "application/json";
        await using Utf8JsonWriter json = new(response.BodyWriter);
        json.WriteStartObject();
        json.WriteString("status", isWell ? "ok" : "failing");
        json.WriteStartArray("checks");
        foreach (ReadinessFinding finding in findings)
        {
            json.WriteStartObject();
            json.WriteString("name", finding.Name);
            json.WriteBoolean("ok", finding.Reason is null);
            json.WriteString("reason", finding.Reason ?? "");
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        await json.FlushAsync(cancellationToken);
    }
}
