using System.Globalization;
using VertFed.Cli.Hosts;
using VertFed.Protocol;

namespace VertFed.Cli.Demo;

/// <summary>
/// The demo's processes, a coordinator and the parties: started one after the other, stopped together. One that is killed while the job runs is
/// started again, as a service manager would, and takes the job up from its store.
/// </summary>
internal sealed class DemoNodes(DemoFolder folder, Action<string, NodeEvent> onEvent) : IAsyncDisposable
{
    /// <summary>How often one process is started again.</summary>
    public const int MaxRestarts = 5;

    private static readonly TimeSpan s_startTimeout = TimeSpan.FromSeconds(60);
    private readonly List<Node> _nodes = [];

    /// <summary>Starts the coordinator and returns the address it listens on.</summary>
    public async Task<Uri> StartCoordinatorAsync(CancellationToken cancellationToken)
    {
        Node coordinator = Add(DemoConfiguration.Coordinator, HostLocator.Coordinator, folder.CoordinatorConfig);
        NodeEvent ready = await coordinator.Process.ReadyAsync(s_startTimeout, cancellationToken);
        return Jobs.CoordinatorConnection.ParseAddress(ready.Text("address"));
    }

    /// <summary>Starts the parties and waits until all have registered with the coordinator.</summary>
    /// <param name="names">Each has its configuration in the demo's folder.</param>
    public async Task StartPartiesAsync(IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        HostProcess[] parties = [.. names.Select(name => Add(name, HostLocator.PartyNode, folder.Config(name)).Process)];
        await Task.WhenAll(parties.Select(party => party.ReadyAsync(s_startTimeout, cancellationToken)));
    }

    /// <summary>Starts again whatever ends, until one of the processes is given up.</summary>
    /// <param name="note">Told of every restart.</param>
    /// <returns>The error that names the process that was given up; none is while the token is not cancelled and all goes well.</returns>
    public async Task<VertFedException> SuperviseAsync(Action<string> note, CancellationToken cancellationToken) =>
        await await Task.WhenAny(_nodes.Select(node => SuperviseAsync(node, note, cancellationToken)));

    public async ValueTask DisposeAsync()
    {
        // Parties first, so that they can still tell the coordinator goodbye.
        await Task.WhenAll(_nodes.Skip(1).Select(node => node.Process.DisposeAsync().AsTask()));
        if (_nodes.Count > 0)
        {
            await _nodes[0].Process.DisposeAsync();
        }

        _nodes.Clear();
    }

    private async Task<VertFedException> SuperviseAsync(Node node, Action<string> note, CancellationToken cancellationToken)
    {
        for (int restarts = 0; ; restarts++)
        {
            int exitCode;
            try
            {
                exitCode = await node.Process.Exited.WaitAsync(cancellationToken);
            }
            catch (VertFedException unwritten)
            {
                return unwritten;
            }

            if (restarts == MaxRestarts || !MayRecover(exitCode))
            {
                return node.Process.EndedEarly(exitCode, restarts);
            }

            note(string.Create(
                CultureInfo.InvariantCulture,
                $"The {node.Name} process ended with exit code {exitCode}; starting it again ({restarts + 1} of {MaxRestarts})"));
            await node.Process.DisposeAsync();
            cancellationToken.ThrowIfCancellationRequested();
            node.Process = Start(node);
        }
    }

    /// <summary>Killed by a signal, or ended by a fault that may be gone: not by what it was told or given to read.</summary>
    private static bool MayRecover(int exitCode) =>
        exitCode is < 0 or > 128 and not (int)ErrorCode.Cancelled || exitCode is (int)ErrorCode.Internal or (int)ErrorCode.Storage;

    private Node Add(string name, string program, string config)
    {
        Node node = new(name, program, config);
        node.Process = Start(node);
        _nodes.Add(node);
        return node;
    }

    private HostProcess Start(Node node) => HostProcess.Start(
        node.Name, node.Program, ["--config", node.Config, "--parent-pipe"], folder.Log(node.Name), nodeEvent => onEvent(node.Name, nodeEvent));

    private sealed class Node(string name, string program, string config)
    {
        public string Name { get; } = name;

        public string Program { get; } = program;

        public string Config { get; } = config;

        /// <summary>The process of this moment.</summary>
        public HostProcess Process { get; set; } = null!;
    }
}
