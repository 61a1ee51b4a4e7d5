using VertFed.Cli.Hosts;
using VertFed.Protocol;

namespace VertFed.Cli.Demo;

/// <summary>The demo's three processes: started one after the other, stopped together.</summary>
internal sealed class DemoNodes(DemoFolder folder, Action<string, NodeEvent> onEvent) : IAsyncDisposable
{
    private static readonly TimeSpan s_startTimeout = TimeSpan.FromSeconds(60);
    private readonly List<HostProcess> _nodes = [];

    /// <summary>Starts the coordinator and returns the address it listens on.</summary>
    public async Task<Uri> StartCoordinatorAsync(CancellationToken cancellationToken)
    {
        HostProcess coordinator = Start("coordinator", HostLocator.Coordinator, folder.CoordinatorConfig);
        NodeEvent ready = await coordinator.ReadyAsync(s_startTimeout, cancellationToken);
        return Jobs.CoordinatorConnection.ParseAddress(ready.Text("address"));
    }

    /// <summary>Starts both parties and waits until both have registered with the coordinator.</summary>
    public async Task StartPartiesAsync(CancellationToken cancellationToken)
    {
        HostProcess bank = Start(DemoConfiguration.Bank, HostLocator.PartyNode, folder.BankConfig);
        HostProcess retailer = Start(DemoConfiguration.Retailer, HostLocator.PartyNode, folder.RetailerConfig);
        await Task.WhenAll(bank.ReadyAsync(s_startTimeout, cancellationToken), retailer.ReadyAsync(s_startTimeout, cancellationToken));
    }

    /// <summary>Completes with an error when one of the processes ends; none should while a job runs.</summary>
    public async Task<VertFedException> FirstToEndAsync()
    {
        Task<int> ended = await Task.WhenAny(_nodes.Select(node => node.Exited));
        return _nodes.First(node => node.Exited == ended).EndedEarly(await ended);
    }

    public async ValueTask DisposeAsync()
    {
        // Parties first, so that they can still tell the coordinator goodbye.
        await Task.WhenAll(_nodes.Skip(1).Select(node => node.DisposeAsync().AsTask()));
        if (_nodes.Count > 0)
        {
            await _nodes[0].DisposeAsync();
        }

        _nodes.Clear();
    }

    private HostProcess Start(string name, string program, string config)
    {
        HostProcess node = HostProcess.Start(
            name, program, ["--config", config, "--parent-pipe"], folder.Log(name), nodeEvent => onEvent(name, nodeEvent));
        _nodes.Add(node);
        return node;
    }
}
