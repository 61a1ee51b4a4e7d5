using System.Diagnostics;
using System.Globalization;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;

namespace VertFed.Cli.Simulate;

/// <summary>A bar over all rounds of all runs where standard error is a terminal, else a line every tenth of them.</summary>
internal sealed class SimulationProgress(Terminal terminal, SimulationOptions options, int runs) : IDisposable
{
    private const int MostBar = 30;
    private const int LeastBar = 10;
    private const int Lines = 10;
    private readonly int _rounds = options.Rounds;
    private readonly string _score = Evaluation.ScoreName(options.Model.Head);
    private readonly int _width = terminal.ErrorIsTerminal ? terminal.ErrorConsole().Profile.Width : 0;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private string _name = "";
    private int _run;
    private bool _open;

    /// <summary>The next run begins.</summary>
    /// <param name="name">Of its strategy.</param>
    public void Begin(string name)
    {
        _run++;
        _name = name;
    }

    public void Show(RoundRecord round)
    {
        long done = ((_run - 1L) * _rounds) + round.Round;
        long all = (long)runs * _rounds;
        string run = runs == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $"run {_run} of {runs}, ");
        string text = string.Create(CultureInfo.InvariantCulture, $"{run}round {round.Round} of {_rounds}: loss {round.Test.Loss:0.0000}, {_score} {round.Test.Score:0.0000}");
        string name = runs == 1 ? "" : $" ({_name})";
        if (terminal.ErrorIsTerminal)
        {
            double left = _clock.Elapsed.TotalSeconds * (all - done) / done;
            terminal.Error.Write($"\r{Bar(done, all, string.Create(CultureInfo.InvariantCulture, $"{text}, {left:0} s left{name}"))}\u001b[K");
            terminal.Error.Flush();
            _open = true;
        }
        else if (done == all || done % Math.Max(1, all / Lines) == 0)
        {
            terminal.Info(text + name);
        }
    }

    /// <summary>Ends the line of the bar: whatever is printed next, an error too, begins a line.</summary>
    public void Dispose()
    {
        if (_open)
        {
            terminal.Info("");
            _open = false;
        }
    }

    // On one line whatever the terminal's width: a line that wraps is not overwritten by the next.
    private string Bar(long done, long all, string text)
    {
        int bar = Math.Clamp(_width - text.Length - 4, LeastBar, MostBar);
        int filled = (int)(bar * done / all);
        string line = $"[{new string('#', filled)}{new string('.', bar - filled)}] {text}";
        return line.Length < _width ? line : line[..Math.Max(0, _width - 1)];
    }
}
