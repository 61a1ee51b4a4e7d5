using System.Runtime.InteropServices;

namespace VertFed.Cli;

/// <summary>
/// Turns Ctrl-C, TERM and a closed terminal into cancellation, so that a command can tell its peers and write what it knows
/// before it ends. A second Ctrl-C or TERM ends the process at once, with exit code 130.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private const int ExitCode = 130;
    private readonly CancellationTokenSource _source = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private int _signals;

    public Interruption()
    {
        foreach (PosixSignal signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP])
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, Handle));
        }
    }

    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }

        _source.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        if (Interlocked.Increment(ref _signals) > 1)
        {
            Environment.Exit(ExitCode);
        }

        _source.Cancel();
    }
}
