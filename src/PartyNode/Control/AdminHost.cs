using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using VertFed.PartyNode.Hosting;
using VertFed.Protocol;

namespace VertFed.PartyNode.Control;

/// <summary>What the operator's side of a node consists of.</summary>
internal sealed record AdminOptions
{
    /// <summary>Path of the Unix domain socket; null: none.</summary>
    public required string? Socket { get; init; }

    public required IJobControl Jobs { get; init; }

    /// <summary>Null: the control service answers calls about models with UNIMPLEMENTED.</summary>
    public IModelControl? Models { get; init; }

    public required NodeLog Log { get; init; }

    /// <summary>Adds other listeners than the socket. What comes over them reaches the endpoints of <see cref="Map"/> alone, never the control
    /// service.</summary>
    public Action<KestrelServerOptions>? Listen { get; init; }

    /// <summary>Adds endpoints beside the control service.</summary>
    public Action<IEndpointRouteBuilder>? Map { get; init; }
}

/// <summary>
/// Kestrel beside a running node, for its operator: the control service on a Unix domain socket that only the node's own user may open,
/// and whatever listeners and endpoints the options add. No peer and no coordinator ever talks to it.
/// </summary>
internal sealed class AdminHost : IAsyncDisposable
{
    private const int LargestMessage = 64 * 1024;
    private const int MostConnections = 32;
    private readonly WebApplication _application;
    private readonly string? _socket;

    private AdminHost(WebApplication application, string? socket) => (_application, _socket) = (application, socket);

    /// <summary>Starts to listen. A socket file that a killed node left is replaced: the store's lock shows that its node is gone.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: the socket's path is too long, or an address cannot be bound.</exception>
    public static async Task<AdminHost> StartAsync(AdminOptions options, CancellationToken cancellationToken)
    {
        if (options.Socket is { } socket)
        {
            ControlSocket.Require(socket);
            File.Delete(socket);
        }

        WebApplication application = Build(options);
        try
        {
            await application.StartAsync(cancellationToken);
            if (options.Socket is { } path && !OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            return new AdminHost(application, options.Socket);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            await application.DisposeAsync();
            throw new VertFedException(ErrorCode.Usage, $"the operator's listeners cannot be opened: {error.Message}", error);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync(CancellationToken.None);
        await _application.DisposeAsync();
        if (_socket is not null)
        {
            File.Delete(_socket);
        }
    }

    private static WebApplication Build(AdminOptions options)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "VertFed.PartyNode" });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = MostConnections;
            if (options.Socket is { } path)
            {
                kestrel.ListenUnixSocket(path, listen =>
                {
                    listen.Protocols = HttpProtocols.Http2;
                    listen.Use(next => connection =>
                    {
                        connection.Features.Set(OperatorConnection.Instance);
                        return next(connection);
                    });
                });
            }

            options.Listen?.Invoke(kestrel);
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(2));
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
        application.Use(OnlyTheOperatorControls);
        application.MapGrpcService<ControlService>().WithMetadata(OperatorConnection.Instance);
        options.Map?.Invoke(application);
        return application;
    }

    private static Task OnlyTheOperatorControls(HttpContext context, RequestDelegate next)
    {
        bool isControl = context.GetEndpoint()?.Metadata.GetMetadata<OperatorConnection>() is not null;
        if (isControl && context.Features.Get<OperatorConnection>() is null)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }

        return next(context);
    }

    /// <summary>Marks connections that came over the socket, and the endpoints that only they may reach.</summary>
    private sealed class OperatorConnection
    {
        public static OperatorConnection Instance { get; } = new();
    }
}
