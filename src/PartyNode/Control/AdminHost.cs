using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using VertFed.Operations.Service;
using VertFed.PartyNode.Hosting;
using VertFed.Protocol;

namespace VertFed.PartyNode.Control;

/// <summary>What the operator's side of a node consists of.</summary>
internal sealed record AdminOptions
{
    /// <summary>Path of the Unix domain socket.</summary>
    public required string Socket { get; init; }

    public required IJobControl Jobs { get; init; }

    /// <summary>Null: the control service answers calls about models with UNIMPLEMENTED.</summary>
    public IModelControl? Models { get; init; }

    public required NodeLog Log { get; init; }
}

/// <summary>
/// Kestrel beside a running node, for its operator: the control service on a Unix domain socket that only the node's own user may open, and
/// nothing else. No peer and no coordinator ever talks to it.
/// </summary>
internal sealed class AdminHost : IAsyncDisposable
{
    private const int LargestMessage = 64 * 1024;
    private const int MostConnections = 32;
    private readonly WebApplication _application;
    private readonly string _socket;

    private AdminHost(WebApplication application, string socket) => (_application, _socket) = (application, socket);

    /// <summary>Starts to listen. A socket file that a killed node left is replaced: the store's lock shows that its node is gone.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: the socket's path is too long, or it cannot be opened.</exception>
    public static async Task<AdminHost> StartAsync(AdminOptions options, CancellationToken cancellationToken)
    {
        ControlSocket.Require(options.Socket);
        File.Delete(options.Socket);
        WebApplication application = Build(options);
        try
        {
            await application.StartAsync(cancellationToken);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(options.Socket, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            return new AdminHost(application, options.Socket);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            await application.DisposeAsync();
            throw new VertFedException(ErrorCode.Usage, $"the operator's socket cannot be opened: {error.Message}", error);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync(CancellationToken.None);
        await _application.DisposeAsync();
        File.Delete(_socket);
    }

    private static WebApplication Build(AdminOptions options)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "VertFed.PartyNode" });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = MostConnections;
            kestrel.ListenUnixSocket(options.Socket, listen => listen.Protocols = HttpProtocols.Http2);
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(2));
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(options.Jobs);
        if (options.Models is { } models)
        {
            builder.Services.AddSingleton(models);
        }

        builder.Services.AddSingleton(options.Log);
        builder.Services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = LargestMessage;
            grpc.EnableDetailedErrors = false;
        });
        WebApplication application = builder.Build();
        application.UseRouting();
        application.MapGrpcService<ControlService>();
        return application;
    }
}
