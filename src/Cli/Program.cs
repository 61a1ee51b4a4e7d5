using System.CommandLine;
using System.CommandLine.Parsing;
using VertFed.Protocol;

namespace VertFed.Cli;

/// <summary>Entry of `vertfed`: parses, runs one command, and turns every failure into one line and an exit code.</summary>
internal static class Program
{
    /// <summary>Whether failures show their stack trace (VERTFED_DEBUG=1).</summary>
    public static bool Debug { get; } = string.Equals(Environment.GetEnvironmentVariable("VERTFED_DEBUG"), "1", StringComparison.Ordinal);

    private static async Task<int> Main(string[] arguments)
    {
        using Interruption interruption = new();
        return await RunAsync(arguments, Terminal.System(), interruption.Token);
    }

    internal static async Task<int> RunAsync(string[] arguments, Terminal terminal, CancellationToken cancellationToken)
    {
        Command root = CommandLine.Create(terminal);
        InvocationConfiguration configuration = new()
        {
            Output = arguments.Length == 0 ? terminal.Error : terminal.Output,
            Error = terminal.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        };
        try
        {
            if (arguments.Length == 0)
            {
                await root.Parse("--help").InvokeAsync(configuration, cancellationToken);
                return (int)ErrorCode.Usage;
            }

            ParseResult result = root.Parse(arguments);
            if (result.Errors.Count > 0)
            {
                Complain(result, terminal);
                return (int)ErrorCode.Usage;
            }

            return await result.InvokeAsync(configuration, cancellationToken);
        }
        catch (Exception e)
        {
            return Report(e, terminal, cancellationToken);
        }
    }

    private static void Complain(ParseResult result, Terminal terminal)
    {
        // Of "required command was not provided" and "unrecognized command 'x'", the second says what to mend.
        bool unknown = result.UnmatchedTokens.Count > 0;
        foreach (string message in result.Errors
            .Where(error => !unknown || error.SymbolResult is not CommandResult || error.Message.Contains('\'', StringComparison.Ordinal))
            .Select(error => Error.OneLine(error.Message)).Distinct(StringComparer.Ordinal))
        {
            terminal.Info($"vertfed: {message}");
        }

        List<string> names = [];
        for (SymbolResult? at = result.CommandResult; at is CommandResult one; at = one.Parent)
        {
            names.Insert(0, one.Command.Name);
        }

        terminal.Info($"See {string.Join(' ', names)} --help");
    }

    private static int Report(Exception exception, Terminal terminal, CancellationToken cancellationToken)
    {
        (ErrorCode code, string message) = exception switch
        {
            VertFedException known => (known.Code, known.Message),
            OperationCanceledException when cancellationToken.IsCancellationRequested => (ErrorCode.Cancelled, "cancelled"),
            IOException or UnauthorizedAccessException => (ErrorCode.Usage, exception.Message),
            _ => (ErrorCode.Internal, $"internal error: {exception.GetType().Name}: {exception.Message} (VERTFED_DEBUG=1 shows where)"),
        };
        terminal.Info($"vertfed: {Error.OneLine(message)}");
        if (Debug)
        {
            terminal.Info(exception.ToString());
        }

        return (int)code;
    }
}
