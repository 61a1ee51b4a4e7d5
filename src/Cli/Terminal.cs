using Spectre.Console;

namespace VertFed.Cli;

/// <summary>
/// Where output goes: data to standard output, progress and errors to standard error. Live display and colour only where
/// standard error is a terminal that wants them (NO_COLOR, TERM=dumb).
/// </summary>
internal sealed class Terminal
{
    private const int PlainWidth = 110;

    public Terminal(TextWriter output, TextWriter error, bool outputIsTerminal, bool errorIsTerminal)
    {
        Output = output;
        Error = error;
        OutputIsTerminal = outputIsTerminal;
        ErrorIsTerminal = errorIsTerminal;
    }

    public TextWriter Output { get; }

    public TextWriter Error { get; }

    public bool OutputIsTerminal { get; }

    public bool ErrorIsTerminal { get; }

    public static Terminal System()
    {
        bool plain = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
            || string.Equals(Environment.GetEnvironmentVariable("TERM"), "dumb", StringComparison.Ordinal);
        return new Terminal(Console.Out, Console.Error, !plain && !Console.IsOutputRedirected, !plain && !Console.IsErrorRedirected);
    }

    /// <summary>A console over standard output for tables and reports.</summary>
    public IAnsiConsole OutputConsole() => Create(Output, OutputIsTerminal);

    /// <summary>A console over standard error for progress.</summary>
    public IAnsiConsole ErrorConsole() => Create(Error, ErrorIsTerminal);

    public void Info(string line)
    {
        Error.WriteLine(line);
        Error.Flush();
    }

    private static IAnsiConsole Create(TextWriter writer, bool terminal)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = terminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = terminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = terminal ? InteractionSupport.Detect : InteractionSupport.No,
            Out = new AnsiConsoleOutput(writer),
        });
        if (!terminal)
        {
            console.Profile.Width = PlainWidth;
        }

        return console;
    }
}
