using VertFed.Cli.Jobs;
using VertFed.Cli.Reports;
using VertFed.Protocol;

namespace VertFed.Cli.Demo;

/// <summary>Turns whatever ends a demo into what its report says, so that the report is written in any case.</summary>
internal static class DemoFailure
{
    /// <param name="run">Returns the error of a job that ended otherwise than done, or null.</param>
    /// <returns>Both null where all went well.</returns>
    public static async Task<(ErrorCode? Failure, ReportError? Error)> CatchAsync(Func<Task<ReportError?>> run, CancellationToken interrupted)
    {
        try
        {
            ReportError? error = await run();
            return (error is null ? null : JobOutcomes.Code(error.Code, ErrorCode.Internal), error);
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            return (ErrorCode.Cancelled, new ReportError(nameof(ErrorCode.Cancelled), "demo", "", "Cancelled by a signal."));
        }
        catch (VertFedException e)
        {
            return (e.Code, new ReportError(e.Code.ToString(), e.Party.Length > 0 ? e.Party : "demo", e.Step, Error.OneLine(e.Message)));
        }
        catch (Exception e) when (!Program.Debug)
        {
            return (ErrorCode.Internal, new ReportError(nameof(ErrorCode.Internal), "demo", "", Error.OneLine($"{e.GetType().Name}: {e.Message}")));
        }
    }

    /// <summary>Writes the report. Of a run that has failed already, a report that cannot be written is told and does not hide why it failed.</summary>
    /// <returns>Whether the report is there.</returns>
    /// <exception cref="VertFedException">It cannot be written, of a run that went well.</exception>
    public static bool Keep(Action write, ErrorCode? failure, Terminal terminal)
    {
        try
        {
            write();
            return true;
        }
        catch (VertFedException e) when (failure is not null)
        {
            terminal.Info($"vertfed: {Error.OneLine(e.Message)}");
            return false;
        }
    }
}
