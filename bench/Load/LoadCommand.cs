using System.Diagnostics;
using System.Globalization;
using VertFed.Load.Measures;

namespace VertFed.Load;

/// <summary>
/// The command line: <c>[load|tls|score|all] [--short] [--output FOLDER]</c>. Each measure starts programs of its own, prints its tables as Markdown
/// and writes them to FOLDER (bench/results) as NAME.md and NAME.json. A measure whose service did not do what it must (someone was not
/// served, a job did not end) fails, with exit code 1.
/// </summary>
public static class LoadCommand
{
    private const string Usage = "usage: load [load|tls|score|all] [--short] [--output FOLDER]";

    // No run takes longer, whatever hangs: what is started ends with it.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(15);

    private static readonly Dictionary<string, (string Name, Func<Run, Task> Take)[]> Groups = new(StringComparer.Ordinal)
    {
        ["load"] = [("idle", IdleMeasure.TakeAsync), ("flood", FloodMeasure.TakeAsync), ("overload", OverloadMeasure.TakeAsync), ("queue", QueueMeasure.TakeAsync)],
        ["tls"] = [("tls", TlsMeasure.TakeAsync)],
        ["score"] = [("score", ScoreMeasure.TakeAsync)],
    };

    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(errors);
        if (Parse(arguments) is not { } wanted)
        {
            await errors.WriteLineAsync(Usage);
            return 2;
        }

        using CancellationTokenSource limit = new(Longest);
        foreach ((string name, Func<Run, Task> take) in wanted.Measures)
        {
            long start = Stopwatch.GetTimestamp();
            Run run = new(name, wanted.IsShort, limit.Token);
            try
            {
                await take(run);
            }
            catch (MeasureException e)
            {
                await errors.WriteLineAsync($"{name}: {e.Message}");
                return 1;
            }

            await output.WriteLineAsync(run.Markdown());
            await run.WriteAsync(wanted.Output);
            await errors.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{name}: {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s"));
        }

        return 0;
    }

    private static (IReadOnlyList<(string Name, Func<Run, Task> Take)> Measures, bool IsShort, string Output)? Parse(IReadOnlyList<string> arguments)
    {
        string group = "load";
        string output = Path.Combine("bench", "results");
        bool isShort = false;
        for (int i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--short":
                    isShort = true;
                    break;
                case "--output" when i + 1 < arguments.Count:
                    output = arguments[++i];
                    break;
                case { } word when i == 0 && (word == "all" || Groups.ContainsKey(word)):
                    group = word;
                    break;
                default:
                    return null;
            }
        }

        return (group == "all" ? [.. Groups.Values.SelectMany(measures => measures)] : Groups[group], isShort, output);
    }
}
