using VertFed.Cli;

namespace VertFed.UnitTests.Cli;

/// <summary>Runs the command line in this process and keeps what it prints.</summary>
internal sealed class CapturedTerminal
{
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    /// <param name="errorIsTerminal">Whether progress may be drawn over itself.</param>
    public CapturedTerminal(bool errorIsTerminal = false) => Terminal = new Terminal(_output, _error, outputIsTerminal: false, errorIsTerminal);

    public Terminal Terminal { get; }

    public string Output => _output.ToString();

    public string Error => _error.ToString();

    public Task<int> RunAsync(params string[] arguments) => VertFed.Cli.Program.RunAsync(arguments, Terminal, CancellationToken.None);
}
