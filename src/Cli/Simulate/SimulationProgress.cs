using System.Globalization;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;

namespace VertFed.Cli.Simulate;

/// <summary>A bar over all rounds of all runs where standard error is a terminal, else a line every tenth of them.</summary>
internal sealed class SimulationProgress(Terminal terminal, SimulationOptions options, int runs)
{
    private const int Width = 30;
    private const int Lines = 10;
    private readonly int _rounds = options.Rounds;
    private readonly string _score = Evaluation.ScoreName(options.Model.Head);
    private int _run;

    public void NextRun() => _run++;

    public void Show(RoundRecord round)
    {
        long done = ((long)_run * _rounds) + round.Round;
        long all = (long)runs * _rounds;
        string run = runs == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $"run {_run + 1} of {runs}, ");
        string text = string.Create(CultureInfo.InvariantCulture, $"{run}round {round.Round} of {_rounds}: loss {round.Test.Loss:0.0000}, {_score} {round.Test.Score:0.0000}");
        if (terminal.ErrorIsTerminal)
        {
            int filled = (int)(Width * done / all);

            // To the end of the line: a shorter text would leave the end of a longer one.
            terminal.Error.Write($"\r[{new string('#', filled)}{new string('.', Width - filled)}] {text}\u001b[K{(done == all ? "\n" : "")}");
            terminal.Error.Flush();
        }
        else if (done == all || done % Math.Max(1, all / Lines) == 0)
        {
            terminal.Info(text);
        }
    }
}
