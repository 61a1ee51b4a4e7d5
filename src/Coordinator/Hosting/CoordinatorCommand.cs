using System.Runtime.InteropServices;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Operations;
using VertFed.Operations.Service;
using VertFed.Protocol;

namespace VertFed.Coordinator.Hosting;

/// <summary>The command line: <c>--config FILE [--parent-pipe]</c>. Exit codes are those of <see cref="ErrorCode"/>, 0 after an orderly stop.</summary>
public static class CoordinatorCommand
{
    private const string Usage = "usage: coordinator --config FILE [--parent-pipe] | --doctor [--config FILE]";

    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors)
    {
        try
        {
            if (arguments is ["--doctor"] or ["--doctor", "--config", _])
                return await CoordinatorDoctor.RunAsync(arguments.Count == 1 ? null : arguments[2], output, TimeProvider.System);
            (string file, bool parentPipe) = NodeArguments.Parse(arguments, Usage);
            CoordinatorConfig config = ConfigReader.Read(file);
            await using CoordinatorHost host = await CoordinatorHost.StartAsync(config, CancellationToken.None);
            await RunUntilToldAsync(host, file, parentPipe, output);
            ServiceNotifier.Stopping();
            return host.HasFailed ? throw new VertFedException(ErrorCode.Internal, "a part of the coordinator failed; its log has the reason") : 0;
        }
        catch (VertFedException exception)
        {
            await errors.WriteLineAsync($"error: {exception.Message}");
            return (int)exception.Code;
        }
    }

    /// <summary>Says that the coordinator is ready once signals reach it: whoever reads the line may send one at once.</summary>
    private static async Task RunUntilToldAsync(CoordinatorHost host, string file, bool parentPipe, TextWriter output)
    {
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Reload);
        using var ended = new CancellationTokenSource();
        Task stop = host.StopRequested;
        Task pipe = parentPipe ? ParentPipe.WaitForEndAsync(Console.OpenStandardInput(), ended.Token) : Task.Delay(Timeout.Infinite, ended.Token);
        Task watching = FileChanges.WatchAsync(() => host.FilesOf(file), () => host.ReloadFrom(file), TimeProvider.System, ended.Token);
        await output.WriteLineAsync(host.ReadyLine());
        await output.FlushAsync();
        ServiceNotifier.Ready();
        await Task.WhenAny(stop, pipe);
        await ended.CancelAsync();
        await watching;

        void Handle(PosixSignalContext signal)
        {
            signal.Cancel = true;
            host.RequestStop();
        }

        void Reload(PosixSignalContext signal)
        {
            signal.Cancel = true;
            host.ReloadFrom(file);
        }

        // A terminal's Ctrl-C reaches a parent and its children alike. The parent ends its children in order, through the pipe.
        void Interrupt(PosixSignalContext signal)
        {
            signal.Cancel = true;
            if (!parentPipe)
                host.RequestStop();
        }
    }
}
