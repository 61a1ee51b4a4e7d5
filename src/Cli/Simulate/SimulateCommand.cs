using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;
using VertFed.Primitives;
using VertFed.Protocol;

namespace VertFed.Cli.Simulate;

/// <summary>`simulate`: federated training of many clients in one process, from one file; of several strategies and seeds, a comparison.</summary>
internal sealed class SimulateCommand
{
    private readonly Option<string> _data = new("--data") { Description = "The file with all rows: numeric, with a header.", HelpName = "FILE", Required = true };
    private readonly Option<string> _label = new("--label") { Description = "The label column; a column id is left out.", DefaultValueFactory = static _ => "y" };
    private readonly SimulateOptions _training = new();
    private readonly Option<string?> _by = new("--by") { Description = "Show the score by the values of this column too, on the test rows.", HelpName = "COLUMN" };
    private readonly Option<double> _holdout = Numbers.Between("--holdout", "Share of rows that no client has, for the test.", 0.2, 0.01, 0.9);
    private readonly Option<ulong> _seed = new("--seed") { Description = "Seed; the same seed gives the same result.", DefaultValueFactory = static _ => 1 };
    private readonly Option<int> _seeds = Numbers.Between("--seeds", "How many seeds, from --seed on; more than one gives means and deviations.", 1, 1, 1000);
    private readonly Option<int> _threads = Numbers.Between("--threads", "Threads; they change no result.", Math.Min(Environment.ProcessorCount, 1024), 1, 1024);
    private readonly Option<string?> _plot = new("--plot") { Description = "Write the score by round and by megabyte to this SVG file, which must not be there yet.", HelpName = "FILE" };
    private readonly Option<bool> _json = CommandLine.Json();

    public static Command Create(Terminal terminal)
    {
        SimulateCommand options = new();
        Command command = new("simulate", "Train one model across many simulated clients, each with its own rows of a file, by the code of the horizontal mode. Example: vertfed simulate --data FILE.csv --clients 1000 --partition dirichlet:0.3 --strategy fedprox:0.01 --plot plot.svg")
        {
            options._data, options._label,
        };
        foreach (Option option in (IEnumerable<Option>)[.. options._training.All(), options._by, options._holdout, options._seed, options._seeds, options._threads, options._plot, options._json])
        {
            command.Add(option);
        }

        command.SetAction((result, cancellationToken) => Task.FromResult(options.Run(result, terminal, cancellationToken)));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellationToken)
    {
        string? plot = parsed.GetValue(_plot);
        if (plot is not null && File.Exists(plot))
        {
            throw Error.FileExists(plot);
        }

        // Before anything runs, which may be hours.
        if (plot is not null && Path.GetDirectoryName(Path.GetFullPath(plot)) is { } folder && !Directory.Exists(folder))
        {
            throw new VertFedException(ErrorCode.Usage, $"'{plot}' cannot be written: its folder does not exist.");
        }

        Stopwatch clock = Stopwatch.StartNew();
        SimulationTable table = SimulationCsv.Read(parsed.GetRequiredValue(_data), parsed.GetRequiredValue(_label), cancellationToken);
        string[] strategies = _training.Strategies(parsed);
        try
        {
            string drawn = strategies.Length == 1 && parsed.GetValue(_seeds) == 1
                ? One(parsed, terminal, table, strategies[0], cancellationToken)
                : Several(parsed, terminal, table, strategies, cancellationToken);
            if (plot is not null)
            {
                Write(plot, drawn);
                terminal.Info($"plot: {plot}");
            }
        }
        catch (HorizontalException e)
        {
            throw new VertFedException(e.Error == HorizontalError.InvalidLabels ? ErrorCode.BadInput : ErrorCode.Usage, e.Message, e);
        }

        terminal.Info(string.Create(CultureInfo.InvariantCulture, $"done in {clock.Elapsed.TotalSeconds:0.0} s"));
        return 0;
    }

    private string One(ParseResult parsed, Terminal terminal, SimulationTable table, string strategy, CancellationToken cancellationToken)
    {
        SimulationOptions options = _training.Of(parsed, table.Rows, strategy, parsed.GetValue(_seed), parsed.GetValue(_threads));
        int? by = parsed.GetValue(_by) is { } column ? table.Column(column) : null;
        if (by is not null && options.Method is ClusteredMethod)
        {
            throw new VertFedException(ErrorCode.Usage, "--by measures one shared model, and ifca has several.");
        }

        if (by is not null)
        {
            GroupScores.Check(table, by.Value);
        }

        options.Validate();
        table.CheckLabels(options.Model.Head);
        (Examples train, Examples test, Examples raw) = Prepare(table.Rows, options, parsed.GetValue(_holdout));
        using var progress = new SimulationProgress(terminal, options, 1);
        progress.Begin(strategy);
        SimulationResult result = SimulationEngine.Run(options, train, test, progress.Show, cancellationToken);
        SimulationReport report = SimulationReport.Of(options, result, train.Count, test.Count) with
        {
            By = by is null ? null : table.Names[by.Value],
            Groups = by is null ? [] : GroupScores.Of(options.Model, result.Parameters, test, raw, by.Value),
        };
        progress.Dispose();
        if (parsed.GetValue(_json))
        {
            terminal.Output.WriteLine(JsonSerializer.Serialize(report, SimulationJson.Default.SimulationReport));
        }
        else
        {
            SimulationText.Write(terminal.OutputConsole(), report);
        }

        return report.Plot();
    }

    private string Several(ParseResult parsed, Terminal terminal, SimulationTable table, string[] strategies, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(_by) is not null)
        {
            throw new VertFedException(ErrorCode.Usage, "--by goes with one strategy and one seed.");
        }

        int seeds = parsed.GetValue(_seeds);
        ulong seed = parsed.GetValue(_seed);
        if (seed > ulong.MaxValue - (ulong)(seeds - 1))
        {
            throw new VertFedException(ErrorCode.Usage, "--seed and --seeds go beyond the largest seed, 18446744073709551615.");
        }

        int threads = parsed.GetValue(_threads);
        double holdout = parsed.GetValue(_holdout);
        SimulationOptions first = _training.Of(parsed, table.Rows, strategies[0], seed, threads);
        foreach (string strategy in strategies)
        {
            // Before anything runs: the last of twenty strategies may be the one that cannot.
            _training.Of(parsed, table.Rows, strategy, seed, threads).Validate();
        }

        table.CheckLabels(first.Model.Head);
        var comparison = new StrategyComparison(first, seeds);
        using var progress = new SimulationProgress(terminal, first, (strategies.Length + 1) * seeds);
        for (int i = 0; i < seeds; i++)
        {
            ulong at = seed + (ulong)i;
            SimulationOptions reference = StrategyComparison.InOnePlace(first with { Seed = at });
            (Examples train, Examples test, _) = Prepare(table.Rows, reference, holdout);
            progress.Begin("all rows in one place");
            comparison.AddReference(SimulationEngine.Run(reference, train, test, progress.Show, cancellationToken));
            foreach (string strategy in strategies)
            {
                SimulationOptions options = _training.Of(parsed, table.Rows, strategy, at, threads);
                progress.Begin(strategy);
                comparison.Add(options, SimulationEngine.Run(options, train, test, progress.Show, cancellationToken));
            }
        }

        progress.Dispose();
        ComparisonReport report = comparison.Report();
        if (parsed.GetValue(_json))
        {
            terminal.Output.WriteLine(JsonSerializer.Serialize(report, SimulationJson.Default.ComparisonReport));
        }
        else
        {
            terminal.Output.Write(report.Table());
        }

        return comparison.Plot();
    }

    // The scaling is the one that clients' sums of their training rows give, wherever these rows are.
    private static (Examples Train, Examples Test, Examples RawTest) Prepare(Examples all, SimulationOptions options, double holdout)
    {
        int[] order = [.. Enumerable.Range(0, all.Count)];
        using RandomStreams streams = RandomStreams.InsecureFromSeed(options.Seed);
        using RandomStream stream = streams.For("holdout", 0, RandomStreams.Server);
        Draws.Shuffle(stream, order.AsSpan());
        int test = Math.Clamp((int)Math.Round(holdout * all.Count, MidpointRounding.ToEven), 1, all.Count - 1);
        Examples train = all.Take(order.AsSpan(test));
        FederatedScaling scaling = FederatedScaling.FromSum(FederatedScaling.Contribution(train));
        Examples raw = all.Take(order.AsSpan(0, test));
        return (scaling.Apply(train), scaling.Apply(raw), raw);
    }

    private static void Write(string path, string text)
    {
        try
        {
            using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);
            using StreamWriter writer = new(file);
            writer.Write(text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.CannotWrite(path, e);
        }
    }
}
