using Microsoft.Extensions.Hosting;

namespace VertFed.Operations.Service;

/// <summary>
/// A host's lifetime that waits for nothing and hears no signal. The default one stops its host at SIGTERM and SIGINT by itself, beside the node's own
/// handlers: running jobs would lose their time to end, and a terminal's Ctrl-C would end a child before its parent has cancelled the job.
/// </summary>
public sealed class NoSignals : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
