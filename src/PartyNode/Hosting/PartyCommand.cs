using System.Runtime.InteropServices;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Control;
using VertFed.Operations.Service;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Operations;
using VertFed.PartyNode.Reporting;
using VertFed.Protocol;
using VertFed.Storage;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// The command line: <c>--config FILE [--parent-pipe]</c>. JSON events go to standard output, logs to standard error. Exit codes
/// are those of <see cref="ErrorCode"/>; a node that is told to stop ends with 130.
/// </summary>
public static class PartyCommand
{
    private const string Usage = "usage: party --config FILE [--parent-pipe] | --doctor [--config FILE]";
    internal const string SecretsKeyFile = "secrets.key";

    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, Stream input, TextWriter output, TextWriter errors)
    {
        try
        {
            if (arguments is ["--doctor"] or ["--doctor", "--config", _])
            {
                return await PartyDoctor.RunAsync(arguments.Count == 1 ? null : arguments[2], output, TimeProvider.System);
            }

            (string file, bool parentPipe) = NodeArguments.Parse(arguments, Usage);
            PartyConfig config = PartyConfig.Load(file);
            foreach (DatasetOptions dataset in config.Datasets.Values)
            {
                TableLoader.RequireReadable(dataset);
            }

            AtomicFile.CreateFolder(config.DataDirectory);
            using NodeKeys keys = NodeKeys.Load(config);
            await using IPartyStore store = config.Database.OpenParty(SecretsOf(config));
            using PartyTelemetry telemetry = new(config, TimeProvider.System);
            NodeLog log = new(errors, TimeProvider.System, config.Log.Format, config.Log.Level) { Telemetry = telemetry };
            log.Starting(config.Name, SoftwareVersion.Current, config.DataDirectory);
            using PartyHost host = new(config, keys, store, new ProgressWriter(output), log, TimeProvider.System);
            await using AdminHost? admin = await StartAdminAsync(config, host, log);
            await using PartyOperations? operations = await PartyOperations.StartAsync(config, keys, store, host, telemetry, log, TimeProvider.System);
            await RunUntilToldAsync(host, file, TimeSpan.FromSeconds(config.Operations.ShutdownSeconds), parentPipe ? input : null, log);
            return (int)ErrorCode.Cancelled;
        }
        catch (VertFedException exception)
        {
            await errors.WriteLineAsync($"error: {exception.Message}");
            return (int)exception.Code;
        }
    }

    /// <summary>The configuration's file comes first, then the environment, then a file in the data folder that the first start makes.</summary>
    internal static SecretsKey SecretsOf(PartyConfig config) => config.SecretsKeyPath is { } path
        ? SecretsKey.Load(path)
        : Environment.GetEnvironmentVariable(SecretsKey.Variable) is { Length: > 0 } text
            ? SecretsKey.FromText(text, SecretsKey.Variable)
            : SecretsKey.LoadOrCreate(Path.Combine(config.DataDirectory, SecretsKeyFile));

    /// <summary>Opens what the operator's commands talk to. A node whose jobs wait for the operator does not run without it.</summary>
    private static async Task<AdminHost?> StartAdminAsync(PartyConfig config, PartyHost host, NodeLog log)
    {
        string socket = ControlSocket.PathOf(config);
        if (ControlSocket.Objection(socket) is { } why)
        {
            if (config.Policy.ManualApproval)
            {
                throw new VertFedException(ErrorCode.Usage, why);
            }

            log.NoControlSocket(why);
            return null;
        }

        return await AdminHost.StartAsync(new AdminOptions { Socket = socket, Jobs = host.Jobs, Models = host.Models, Log = log }, CancellationToken.None);
    }

    private static async Task RunUntilToldAsync(PartyHost host, string file, TimeSpan patience, Stream? parentPipe, NodeLog log)
    {
        using CancellationTokenSource told = new();
        using CancellationTokenSource stop = new();
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnInterrupt);
        using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnHangUp);
        Task running = host.RunAsync(stop.Token);
        Task watching = FileChanges.WatchAsync(() => host.FilesOf(file), () => host.ReloadFrom(file), TimeProvider.System, stop.Token);
        ServiceNotifier.Ready();
        Task orphaned = parentPipe is null ? Task.Delay(Timeout.Infinite, stop.Token) : ParentPipe.WaitForEndAsync(parentPipe, stop.Token);
        Task asked = Task.Delay(Timeout.Infinite, told.Token);
        Task first = await Task.WhenAny(running, orphaned, asked);
        ServiceNotifier.Stopping();
        if (first == orphaned)
        {
            log.Stopping("the parent process is gone");
        }
        else if (first == asked && patience > TimeSpan.Zero)
        {
            await Task.WhenAny(running, orphaned, host.DrainAsync(patience, stop.Token));
        }

        await stop.CancelAsync();
        await watching;
        await running;

        void OnHangUp(PosixSignalContext signal)
        {
            signal.Cancel = true;
            host.ReloadFrom(file);
        }

        void OnSignal(PosixSignalContext signal)
        {
            signal.Cancel = true;
            log.Stopping(signal.Signal.ToString());
            if (told.IsCancellationRequested)
            {
                stop.Cancel();
            }

            told.Cancel();
        }

        // A terminal's Ctrl-C reaches a parent and its children alike. The parent cancels the job and ends its children through the pipe.
        void OnInterrupt(PosixSignalContext signal)
        {
            if (parentPipe is null)
            {
                OnSignal(signal);
            }

            signal.Cancel = true;
        }
    }
}
