using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using VertFed.Protocol;

namespace VertFed.Cli.Simulate;

/// <summary>`simulate`: federated training of many clients in one process, from one file.</summary>
internal sealed class SimulateCommand
{
    private const int LargestClassCount = 1000;

    private readonly Option<string> _data = new("--data") { Description = "The file with all rows: numeric, with a header.", HelpName = "FILE", Required = true };
    private readonly Option<string> _label = new("--label") { Description = "The label column; a column id is left out.", DefaultValueFactory = static _ => "y" };
    private readonly Option<string> _model = new("--model") { Description = "logistic, linear, poisson, softmax, or mlp:WIDTH[,WIDTH[,WIDTH]] (logistic).", DefaultValueFactory = static _ => "logistic" };
    private readonly Option<string> _strategy = new("--strategy") { Description = $"How updates are aggregated: {string.Join(", ", StrategyParser.Forms)}.", DefaultValueFactory = static _ => "fedavg" };
    private readonly Option<string> _partition = new("--partition") { Description = "How rows are dealt: iid, dirichlet:ALPHA, shards:K or feature-skew.", DefaultValueFactory = static _ => "iid" };
    private readonly Option<string> _compression = new("--compression") { Description = "How updates travel: none, quantise:8, quantise:4 or top-k:SHARE.", DefaultValueFactory = static _ => "none" };
    private readonly Option<SelectionPolicy> _selection = Selection();
    private readonly Option<int> _clients = Numbers.Between("--clients", "Simulated clients.", 100, 1, Partition.MostClients);
    private readonly Option<int> _rounds = Numbers.Between("--rounds", "Rounds.", 100, 1, 100_000);
    private readonly Option<double> _fraction = Numbers.Between("--fraction", "Share of clients that a round needs.", 1.0, 0.0, 1.0);
    private readonly Option<double> _overSelection = Numbers.Between("--over-selection", "How many times what is needed is invited.", 1.0, 1.0, 100.0);
    private readonly Option<double> _dropout = Numbers.Between("--dropout", "Chance that an invited client does not answer.", 0.0, 0.0, 0.99);
    private readonly Option<double> _slowest = Numbers.Between("--slowest", "Speed of the slowest client by the fastest's; slow ones do fewer steps.", 1.0, 0.01, 1.0);
    private readonly Option<int> _epochs = Numbers.Between("--epochs", "Local epochs.", 1, 1, 1000);
    private readonly Option<int> _batch = Numbers.Between("--batch", "Rows of a local step; 0 takes all.", 32, 0, 1 << 24);
    private readonly Option<string> _optimiser = new("--optimiser") { Description = "Clients' optimiser: sgd, momentum or adam.", DefaultValueFactory = static _ => "sgd" };
    private readonly Option<double> _rate = Numbers.Between("--rate", "Clients' learning rate.", 0.1, 1e-9, 1e6);
    private readonly Option<double> _l2 = Numbers.Between("--l2", "L2 penalty on weights.", 0.0, 0.0, 1e6);
    private readonly Option<double> _clip = Numbers.Between("--clip", "Client-level privacy: the norm to which updates are clipped; 0 is without.", 0.0, 0.0, 1e9);
    private readonly Option<double> _noise = Numbers.Between("--noise", "Client-level privacy: noise by the clip.", 1.0, 0.0, 1e6);
    private readonly Option<double> _delta = Numbers.Between("--delta", "Client-level privacy: the δ at which ε is shown.", 1e-5, 1e-15, 0.1);
    private readonly Option<string?> _by = new("--by") { Description = "Show the score by the values of this column too, on the test rows.", HelpName = "COLUMN" };
    private readonly Option<double> _holdout = Numbers.Between("--holdout", "Share of rows that no client has, for the test.", 0.2, 0.01, 0.9);
    private readonly Option<ulong> _seed = new("--seed") { Description = "Seed; the same seed gives the same result.", DefaultValueFactory = static _ => 1 };
    private readonly Option<int> _threads = Numbers.Between("--threads", "Threads; they change no result.", Math.Min(Environment.ProcessorCount, 1024), 1, 1024);
    private readonly Option<string?> _plot = new("--plot") { Description = "Write the score by round and by megabyte to this SVG file, which must not be there yet.", HelpName = "FILE" };
    private readonly Option<bool> _json = CommandLine.Json();

    public static Command Create(Terminal terminal)
    {
        SimulateCommand options = new();
        Command command = new("simulate", "Train one model across many simulated clients, each with its own rows of a file, by the code of the horizontal mode.")
        {
            options._data, options._label, options._model, options._clients, options._partition, options._strategy, options._rounds, options._fraction,
            options._overSelection, options._selection, options._dropout, options._slowest, options._epochs, options._batch, options._optimiser, options._rate,
            options._l2, options._compression, options._clip, options._noise, options._delta, options._by, options._holdout, options._seed, options._threads, options._plot, options._json,
        };
        command.SetAction((result, cancellationToken) => Task.FromResult(options.Run(result, terminal, cancellationToken)));
        return command;
    }

    private static Option<SelectionPolicy> Selection() => new("--selection")
    {
        Description = "Whom a round prefers: uniform, by-size or poisson (each client by itself; needed by --clip).",
        DefaultValueFactory = static _ => SelectionPolicy.Uniform,
        CustomParser = static result =>
        {
            switch (result.Tokens.Count == 1 ? result.Tokens[0].Value : "")
            {
                case "uniform":
                    return SelectionPolicy.Uniform;
                case "by-size":
                    return SelectionPolicy.BySize;
                case "poisson":
                    return SelectionPolicy.Poisson;
                default:
                    result.AddError("--selection is uniform, by-size or poisson.");
                    return SelectionPolicy.Uniform;
            }
        },
    };

    private int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellationToken)
    {
        string? plot = parsed.GetValue(_plot);
        if (plot is not null && File.Exists(plot))
        {
            throw Error.FileExists(plot);
        }

        Stopwatch clock = Stopwatch.StartNew();
        SimulationTable table = SimulationCsv.Read(parsed.GetRequiredValue(_data), parsed.GetRequiredValue(_label), cancellationToken);
        Examples all = table.Rows;
        int? by = parsed.GetValue(_by) is { } column ? table.Column(column) : null;
        SimulationReport report;
        try
        {
            SimulationOptions options = Options(parsed, all);
            (Examples train, Examples test, Examples raw) = Prepare(all, options, parsed.GetValue(_holdout));
            SimulationResult result = SimulationEngine.Run(options, train, test, round => Progress(terminal, options, round), cancellationToken);
            report = SimulationReport.Of(options, result, train.Count, test.Count) with
            {
                Groups = by is null ? [] : GroupScores.Of(options.Model, result.Parameters, test, raw, by.Value),
            };
        }
        catch (HorizontalException e)
        {
            throw new VertFedException(e.Error == HorizontalError.InvalidLabels ? ErrorCode.BadInput : ErrorCode.Usage, e.Message, e);
        }

        if (plot is not null)
        {
            Write(plot, report.Plot());
        }

        if (parsed.GetValue(_json))
        {
            terminal.Output.WriteLine(JsonSerializer.Serialize(report, SimulationJson.Default.SimulationReport));
        }
        else
        {
            report.Print(terminal.OutputConsole());
            report.PrintGroups(terminal.OutputConsole());
        }

        terminal.Info(string.Create(CultureInfo.InvariantCulture, $"{report.Rounds.Count} rounds in {clock.Elapsed.TotalSeconds:0.0} s"));
        return 0;
    }

    private SimulationOptions Options(ParseResult parsed, Examples all)
    {
        double slowest = parsed.GetValue(_slowest);
        return new SimulationOptions
        {
            Model = Model(parsed.GetRequiredValue(_model), all),
            Strategy = StrategyParser.Parse(parsed.GetRequiredValue(_strategy)),
            Partition = Partition.Parse(parsed.GetRequiredValue(_partition)),
            Codec = UpdateCodec.Parse(parsed.GetRequiredValue(_compression)),
            Clients = parsed.GetValue(_clients),
            Rounds = parsed.GetValue(_rounds),
            Fraction = parsed.GetValue(_fraction),
            OverSelection = parsed.GetValue(_overSelection),
            Selection = parsed.GetValue(_selection),
            DropoutRate = parsed.GetValue(_dropout),
            SlowestSpeed = slowest,
            AdaptiveWork = slowest < 1,
            Privacy = parsed.GetValue(_clip) > 0 ? new SimulatedPrivacy(parsed.GetValue(_clip), parsed.GetValue(_noise), parsed.GetValue(_delta)) : null,
            Seed = parsed.GetValue(_seed),
            Threads = parsed.GetValue(_threads),
            Work = new LocalWork
            {
                Epochs = parsed.GetValue(_epochs),
                BatchSize = parsed.GetValue(_batch),
                L2 = parsed.GetValue(_l2),
                Optimiser = new OptimiserSpec(Optimiser(parsed.GetRequiredValue(_optimiser)), parsed.GetValue(_rate)),
            },
        };
    }

    private static OptimiserKind Optimiser(string name) => name switch
    {
        "sgd" => OptimiserKind.Sgd,
        "momentum" => OptimiserKind.Momentum,
        "adam" => OptimiserKind.Adam,
        _ => throw new VertFedException(ErrorCode.Usage, $"There is no optimiser '{Error.OneLine(name)}': sgd, momentum or adam."),
    };

    private static FederatedModel Model(string text, Examples all)
    {
        switch (text)
        {
            case "logistic":
                return FederatedModel.Generalised(LossHead.Logistic, all.Features);
            case "linear":
                return FederatedModel.Generalised(LossHead.Linear, all.Features);
            case "poisson":
                return FederatedModel.Generalised(LossHead.Poisson, all.Features);
            case "softmax":
                double most = all.Labels().Max();
                return FederatedModel.Generalised(LossHead.Softmax((int)Math.Clamp(most + 1, 2, LargestClassCount)), all.Features);
        }

        List<int> widths = [];
        bool parsed = text.StartsWith("mlp:", StringComparison.Ordinal);
        foreach (string width in parsed ? text[4..].Split(',') : [])
        {
            parsed &= int.TryParse(width, NumberStyles.None, CultureInfo.InvariantCulture, out int value);
            widths.Add(value);
        }

        return parsed
            ? FederatedModel.Perceptron(LossHead.Logistic, all.Features, Activation.Relu, [.. widths])
            : throw new VertFedException(ErrorCode.Usage, $"There is no model '{Error.OneLine(text)}': logistic, linear, poisson, softmax or mlp:WIDTH[,WIDTH[,WIDTH]].");
    }

    // The scaling is the one that clients' sums of their training rows give, wherever these rows are.
    private static (Examples Train, Examples Test, Examples RawTest) Prepare(Examples all, SimulationOptions options, double holdout)
    {
        for (int row = 0; row < all.Count; row++)
        {
            options.Model.Head.ValidateLabel(all.Label(row));
        }

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

    private static void Progress(Terminal terminal, SimulationOptions options, RoundRecord round)
    {
        const int Width = 30;
        string score = string.Create(CultureInfo.InvariantCulture, $"round {round.Round} of {options.Rounds}: loss {round.Test.Loss:0.0000}, {Evaluation.ScoreName(options.Model.Head)} {round.Test.Score:0.0000}");
        if (terminal.ErrorIsTerminal)
        {
            int done = Width * round.Round / options.Rounds;
            terminal.Error.Write($"\r[{new string('#', done)}{new string('.', Width - done)}] {score}{(round.Round == options.Rounds ? "\n" : "")}");
            terminal.Error.Flush();
        }
        else if (round.Round == options.Rounds || round.Round % Math.Max(1, options.Rounds / 10) == 0)
        {
            terminal.Info(score);
        }
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
