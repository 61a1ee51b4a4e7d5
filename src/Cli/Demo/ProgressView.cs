using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace VertFed.Cli.Demo;

/// <summary>Shows a <see cref="DemoProgress"/> on standard error: a live table on a terminal, else a line for each change.</summary>
internal sealed class ProgressView : IAsyncDisposable
{
    private static readonly TimeSpan s_refresh = TimeSpan.FromMilliseconds(200);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _display;

    private ProgressView(Task display) => _display = display;

    public static ProgressView Start(DemoProgress progress, Terminal terminal)
    {
        if (!terminal.ErrorIsTerminal)
        {
            progress.Line += terminal.Info;
            return new ProgressView(Task.CompletedTask);
        }

        CancellationTokenSource stop = new();
        ProgressView view = new(ShowAsync(progress, terminal.ErrorConsole(), stop.Token));
        view._stop.Token.Register(stop.Cancel);
        return view;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _display;
        _stop.Dispose();
    }

    private static Task ShowAsync(DemoProgress progress, IAnsiConsole console, CancellationToken stop) =>
        console.Live(Render(progress.Current)).AutoClear(false).StartAsync(async context =>
        {
            while (!stop.IsCancellationRequested)
            {
                context.UpdateTarget(Render(progress.Current));
                await Task.Delay(s_refresh, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            context.UpdateTarget(Render(progress.Current));
        });

    private static Rows Render(Snapshot now)
    {
        List<IRenderable> rows = [.. now.Notes.Select(note => new Text(note))];
        if (now.Phases.Count > 0)
        {
            Table table = new Table().Border(TableBorder.Simple);
            table.AddColumns(new TableColumn("Phase"), new TableColumn("Seconds").RightAligned(), new TableColumn("MB").RightAligned());
            foreach (PhaseProgress phase in now.Phases)
            {
                table.AddRow(
                    Markup.Escape(phase.Name),
                    (phase.End - phase.Start).ToString("0.0", CultureInfo.InvariantCulture),
                    ((phase.BytesAfter - phase.BytesBefore) / 1e6).ToString("0.0", CultureInfo.InvariantCulture));
            }

            rows.Add(table);
        }

        rows.Add(new Text(StatusLine(now)));
        return new Rows(rows);
    }

    private static string StatusLine(Snapshot now)
    {
        string line = string.Create(CultureInfo.InvariantCulture, $"{now.Seconds:0.0} s");
        if (now.Iteration is { } iteration)
        {
            line += string.Create(CultureInfo.InvariantCulture, $" | iteration {iteration.Round}");
            if (iteration.GradientNorm is { } norm)
            {
                line += string.Create(CultureInfo.InvariantCulture, $" | gradient norm {norm:0.000e+00}");
            }
        }

        return now.Step.Length > 0 ? $"{line} | last step {now.Step}" : line;
    }
}
