using System.Net;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace VertFed.UnitTests.Compat;

/// <summary>The echo service on a free loopback port, and a channel to it.</summary>
internal sealed class EchoHost : IAsyncDisposable
{
    private readonly WebApplication _app;

    private EchoHost(WebApplication app, EchoBehaviour behaviour, string scheme)
    {
        _app = app;
        Behaviour = behaviour;
        Address = new UriBuilder(app.Urls.Single()) { Scheme = scheme }.Uri;
    }

    public EchoBehaviour Behaviour { get; }

    public Uri Address { get; }

    public static async Task<EchoHost> StartAsync(
        Action<GrpcServiceOptions>? configure = null,
        Action<ListenOptions>? listen = null,
        string scheme = "http",
        ServerServiceDefinition? definition = null)
    {
        var behaviour = new EchoBehaviour();
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, endpoint =>
        {
            endpoint.Protocols = HttpProtocols.Http2;
            listen?.Invoke(endpoint);
        }));
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(behaviour);
        builder.Services.AddGrpc(options => configure?.Invoke(options));
        WebApplication app = builder.Build();
        if (definition is null)
            app.MapGrpcService<EchoService>();
        else
            app.MapGrpcService(definition);
        await app.StartAsync();
        return new EchoHost(app, behaviour, scheme);
    }

    public GrpcChannel Connect(Action<GrpcChannelOptions>? configure = null)
    {
        var options = new GrpcChannelOptions();
        configure?.Invoke(options);
        return GrpcChannel.ForAddress(Address, options);
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();
}
