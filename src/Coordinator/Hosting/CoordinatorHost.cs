using System.Net;
using System.Net.Security;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Operations;
using VertFed.Coordinator.Recording;
using VertFed.Coordinator.Relay;
using VertFed.Coordinator.Rounds;
using VertFed.Coordinator.Security;
using VertFed.Coordinator.Services;
using VertFed.Coordinator.Services.Reflection;
using VertFed.Operations.Logging;
using VertFed.Operations.Service;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Hosting;

/// <summary>
/// A running coordinator: Kestrel with HTTP/2 over mutual TLS on the configured address, the store, and the three services. Takes
/// nothing from appsettings files, and of the environment only where the store is (VERTFED_DATABASE, PGPASSFILE), where telemetry goes
/// (OTEL_EXPORTER_OTLP_*) and whom to tell that it is ready (NOTIFY_SOCKET); all else is in the configuration file.
/// </summary>
public sealed class CoordinatorHost : IAsyncDisposable
{
    private const int FrameOverhead = 64 * 1024;
    private static readonly TimeSpan HandshakePatience = TimeSpan.FromSeconds(10);
    private readonly WebApplication _application;
    private readonly ICoordinatorStore _store;
    private readonly CoordinatorKeys _keys;
    private readonly CoordinatorOperations _operations;
    private readonly CancellationTokenSource _hurry = new();
    private readonly Lock _stopping = new();
    private readonly Lock _reloading = new();
    private volatile CoordinatorConfig? _reread;
    private Task _draining = Task.CompletedTask;

    private CoordinatorHost(WebApplication application, ICoordinatorStore store, CoordinatorKeys keys, CoordinatorOperations operations, string address)
    {
        _operations = operations;
        _application = application;
        _store = store;
        _keys = keys;
        Address = address;
    }

    /// <summary>https://ADDRESS:PORT as bound.</summary>
    public string Address { get; }

    /// <summary>Where the operator's pages are, as bound; null where none are configured.</summary>
    public IPEndPoint? AdminAddress => _operations.Address;

    /// <summary>A part of the running host, for tests to look at.</summary>
    internal T Service<T>()
        where T : notnull => _application.Services.GetRequiredService<T>();

    /// <summary>Completes when the host was told to stop (a signal, or <see cref="RequestStop"/>).</summary>
    public Task StopRequested
    {
        get
        {
            var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _application.Lifetime.ApplicationStopping.Register(stopped.SetResult);
            return stopped.Task;
        }
    }

    /// <summary>Whether it stops by itself, since a part of it failed; the reason is in the log.</summary>
    public bool HasFailed => _application.Services.GetServices<IHostedService>().OfType<BackgroundService>().Any(service => service.ExecuteTask is { IsFaulted: true });

    /// <summary>Opens the store, takes up open jobs and starts to listen.</summary>
    /// <exception cref="VertFedException">Storage: the store cannot be opened. Usage: the address cannot be bound.</exception>
    public static Task<CoordinatorHost> StartAsync(CoordinatorConfig config, CancellationToken cancellationToken, TimeProvider? time = null) =>
        StartAsync(config, LocationOf(config).OpenCoordinator(time), time ?? TimeProvider.System, cancellationToken);

    /// <summary>The same over a store that the caller opened; the host disposes of it.</summary>
    internal static async Task<CoordinatorHost> StartAsync(CoordinatorConfig config, ICoordinatorStore store, TimeProvider time, CancellationToken cancellationToken)
    {
        WebApplication? application = null;
        CoordinatorKeys? keys = null;
        try
        {
            CreateFolder(config.DataFolder);
            keys = CoordinatorKeys.Load(config);
            application = Build(config, store, keys, time);
            int openJobs = await application.Services.GetRequiredService<JobHub>().ResumeAsync(cancellationToken);
            await application.StartAsync(cancellationToken);
            string address = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
            CoordinatorOperations operations = await CoordinatorOperations.StartAsync(application.Services, cancellationToken);
            ILogger logger = application.Services.GetRequiredService<ILogger<CoordinatorHost>>();
            Log.Listening(logger, address, LocationOf(config).ToString(), openJobs);
            if (operations.Address is { } admin && IPAddress.IsLoopback(admin.Address))
                Log.Admin(logger, admin.ToString());
            else if (operations.Address is { } open)
                Log.AdminNotLoopback(logger, open.ToString());
            return new CoordinatorHost(application, store, keys, operations, address);
        }
        catch (Exception exception)
        {
            if (application is not null)
                await application.DisposeAsync();
            await store.DisposeAsync();
            keys?.Dispose();
            if (exception is IOException)
                throw new VertFedException(ErrorCode.Usage, $"cannot listen on {config.Listen}: {exception.Message}", exception);
            throw;
        }
    }

    /// <summary>The line that tells a parent process where to connect.</summary>
    public string ReadyLine() => JsonSerializer.Serialize(
        new { @event = "ready", address = Address, version = SoftwareVersion.Current, pid = Environment.ProcessId });

    /// <summary>Stops taking jobs, gives those that run shutdown_seconds to end, and then stops. A second call stops at once. Does not wait.</summary>
    public void RequestStop()
    {
        ShutdownGate gate = _application.Services.GetRequiredService<ShutdownGate>();
        TimeSpan patience = TimeSpan.FromSeconds(_application.Services.GetRequiredService<CoordinatorConfig>().Operations.ShutdownSeconds);
        lock (_stopping)
        {
            if (gate.IsClosed || patience == TimeSpan.Zero)
                _hurry.Cancel();
            if (gate.IsClosed)
                return;
            gate.Close();
            Service<StoreHealth>().Changed.Signal();
            _draining = DrainAsync(patience);
        }
    }

    /// <summary>
    /// Takes the parties, the principals and the certificate of a configuration that was read again, and closes the connections of keys
    /// that it trusts no more. Streams of all others go on. Whatever else it says counts from the next start.
    /// </summary>
    /// <exception cref="VertFedException">Usage: the certificate cannot be used, or is of another key; nothing has changed.</exception>
    public void Reload(CoordinatorConfig config)
    {
        ILogger logger = _application.Services.GetRequiredService<ILogger<CoordinatorHost>>();
        TrustBook trust = _application.Services.GetRequiredService<TrustBook>();
        _keys.Renew(config);
        Trust before = trust.Replace(config);
        int closed = _application.Services.GetRequiredService<PeerConnections>().CloseUntrusted(before);
        Log.TrustReplaced(logger, config.Parties.Count, config.Principals.Count, closed);
    }

    /// <summary>The files whose change is reason to read trust again: the configuration, and what it named when it was last read.</summary>
    public IEnumerable<string> FilesOf(string file)
    {
        CoordinatorConfig read = _reread ?? Service<CoordinatorConfig>();
        return [file, read.IdentityPath, Credential.CertificatePath(read.IdentityPath), .. read.TrustPath is null ? [] : new[] { read.TrustPath }];
    }

    /// <summary>The same from the file; a file that is wrong changes nothing and is logged.</summary>
    /// <returns>Whether it was taken.</returns>
    public bool ReloadFrom(string file)
    {
        try
        {
            // Read inside, or of two readings the older could be taken last.
            lock (_reloading)
            {
                CoordinatorConfig config = ConfigReader.Read(file);
                Reload(config);
                _reread = config;
            }

            return true;
        }
        catch (Exception exception)
        {
            // Called by a signal and a timer: whatever a file holds, the coordinator goes on with what it has. An unexpected message could quote it.
            string reason = exception is VertFedException known ? known.Message : $"unexpected {exception.GetType().Name}";
            Log.TrustNotReplaced(_application.Services.GetRequiredService<ILogger<CoordinatorHost>>(), reason);
            return false;
        }
    }

    private async Task DrainAsync(TimeSpan patience)
    {
        ILogger logger = _application.Services.GetRequiredService<ILogger<CoordinatorHost>>();
        Log.Draining(logger, patience.TotalSeconds);
        int left = await Drain.WaitAsync(
            () => Service<JobHub>().LiveJobs.Count(live => live.Record.State == JobState.Running) + Service<RoundHub>().States.Count(state => state == JobState.Running), patience, _application.Services.GetRequiredService<TimeProvider>(), _hurry.Token);
        if (left > 0)
            Log.StillRunning(logger, left);
        _application.Lifetime.StopApplication();
    }

    /// <summary>Ends all streams with status Unavailable, stops to listen and closes the store.</summary>
    public async ValueTask DisposeAsync()
    {
        _application.Services.GetRequiredService<ShutdownGate>().Close();
        await _hurry.CancelAsync();
        await _draining;
        Log.Stopping(_application.Services.GetRequiredService<ILogger<CoordinatorHost>>());
        await _application.StopAsync(CancellationToken.None);
        await _operations.DisposeAsync();
        await _application.DisposeAsync();
        await _store.DisposeAsync();
        _keys.Dispose();
        _hurry.Dispose();
    }

    /// <summary>Makes the data folder, for its owner alone, where a store in it has not.</summary>
    private static void CreateFolder(string path)
    {
        try
        {
            if (OperatingSystem.IsWindows())
                Directory.CreateDirectory(path);
            else
                Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new VertFedException(ErrorCode.Storage, $"the data folder {path} cannot be made: {exception.Message}", exception);
        }
    }

    private static StoreLocation LocationOf(CoordinatorConfig config) =>
        config.Database ?? StoreLocation.OfCoordinator(configured: null, config.DataFolder, fault => new VertFedException(ErrorCode.Usage, fault));

    private static WebApplication Build(CoordinatorConfig config, ICoordinatorStore store, CoordinatorKeys keys, TimeProvider time)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "VertFed.Coordinator" });
        ConfigureLogging(builder.Logging, config.Log);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => ConfigureKestrel(kestrel, config, keys));
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(5));
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(config);
        builder.Services.AddSingleton(store);
        builder.Services.AddSingleton(time);
        builder.Services.AddSingleton(keys);
        builder.Services.AddSingleton<CheckpointQueue>();
        builder.Services.AddSingleton<TrustBook>();
        builder.Services.AddSingleton<CallBudget>();
        builder.Services.AddSingleton<CallGate>();
        builder.Services.AddSingleton<AccessLog>();
        builder.Services.AddSingleton<PeerConnections>();
        builder.Services.AddSingleton<HandshakeGate>();
        builder.Services.AddSingleton<CoordinatorTelemetry>();
        builder.Services.AddSingleton<ShutdownGate>();
        builder.Services.AddSingleton<StoreHealth>();
        builder.Services.AddSingleton(new OpenPlaces(config.Limits));
        builder.Services.AddSingleton<JobQueue>();
        builder.Services.AddSingleton<JobHub>();
        builder.Services.AddSingleton<DryRuns>();
        builder.Services.AddSingleton<RoundHub>();
        builder.Services.AddSingleton<RoundAudit>();
        builder.Services.AddSingleton(new ConnectionGate(
            new GateLimit(config.Limits.MaxUnregistered, "max_unregistered"), new GateLimit(RelayEndpoint.MostUnregistered), "connections that have not registered"));
        builder.Services.AddSingleton<WatchGate>();
        builder.Services.AddSingleton<ReflectionStreams>();
        builder.Services.AddHostedService<DeadlineMonitor>();
        builder.Services.AddHostedService(services => services.GetRequiredService<RoundHub>());
        builder.Services.AddHostedService<QueuePump>();
        builder.Services.AddHostedService<CheckpointKeeper>();
        builder.Services.AddHostedService<StoreProbe>();
        builder.Services.AddGrpc(grpc =>
        {
            // The largest request is a job with its spec. Messages are held in memory before anything is decided of them.
            grpc.MaxReceiveMessageSize = Limits.MaxSpecBytes + FrameOverhead;
            grpc.EnableDetailedErrors = false;
            grpc.Interceptors.Add<CallMeter>();
            grpc.Interceptors.Add<ErrorInterceptor>();
            grpc.Interceptors.Add<AccessInterceptor>();
        }).AddServiceOptions<RelayEndpoint>(grpc =>
        {
            // The largest frame is an outcome with its sealed report; chunks are held to 1 MiB where they are received.
            grpc.MaxReceiveMessageSize = ReportSeal.MaxReportBytes + FrameOverhead;
        });
        WebApplication application = builder.Build();
        RequestPatience.Use(application, TimeSpan.FromSeconds(config.Limits.FrameSeconds), time);
        application.Use(application.Services.GetRequiredService<CallGate>().RunAsync);
        application.UseRouting();
        application.MapGrpcService<JobEndpoint>();
        application.MapGrpcService<RelayEndpoint>();
        application.MapGrpcService<AuditEndpoint>();
        application.MapGrpcService<HealthEndpoint>();
        application.MapGrpcService<ReflectionEndpoint>();
        application.MapGrpcService<AlphaReflectionEndpoint>();
        return application;
    }

    private static void ConfigureKestrel(KestrelServerOptions kestrel, CoordinatorConfig config, CoordinatorKeys keys)
    {
        kestrel.AddServerHeader = false;
        ILogger logger = kestrel.ApplicationServices.GetRequiredService<ILogger<CoordinatorHost>>();
        TimeProvider time = kestrel.ApplicationServices.GetRequiredService<TimeProvider>();
        HandshakeGate handshakes = kestrel.ApplicationServices.GetRequiredService<HandshakeGate>();
        PeerConnections connections = kestrel.ApplicationServices.GetRequiredService<PeerConnections>();
        kestrel.Listen(config.Listen, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            listen.Use(next => connection => handshakes.RunAsync(connection, next));
            listen.UseHttps(new TlsHandshakeCallbackOptions { HandshakeTimeout = HandshakePatience, OnConnection = _ => ValueTask.FromResult(Tls()) });
            listen.Use(next => connection => connections.RunAsync(connection, next));
        });
        KestrelServerLimits limits = kestrel.Limits;
        // HandshakeGate and PeerConnections bound them, each by whose they are; one number for all would let some take the others' places.
        limits.MaxConcurrentConnections = null;
        // Streams are open for as long as a job takes; pings find out who is gone.
        limits.MinRequestBodyDataRate = null;
        limits.MinResponseDataRate = null;
        limits.MaxRequestBodySize = null;
        limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(20);
        limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);
        limits.Http2.InitialStreamWindowSize = 4 * Limits.MaxChunkBytes;
        limits.Http2.InitialConnectionWindowSize = 8 * Limits.MaxChunkBytes;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(config.Limits.FrameSeconds);
        limits.MaxRequestHeadersTotalSize = 16 * 1024;

        // Asked for each connection: a renewed certificate counts from the next one on.
        SslServerAuthenticationOptions Tls() => MutualTls.Server(keys.Credential.Certificate, reason => Log.HandshakeRefused(logger, reason), time);
    }

    private static void ConfigureLogging(ILoggingBuilder logging, LogSettings settings)
    {
        logging.SetMinimumLevel(settings.Level);
        logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("Grpc", LogLevel.Warning);
        // Standard output carries the ready line alone.
        logging.AddProvider(new LineLoggerProvider(
            new LineLogger(Console.Error, TimeProvider.System, settings.Json ? LogFormat.Json : LogFormat.Plain, settings.Level)));
    }
}
