using System.CommandLine;
using System.Globalization;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;
using VertFed.Horizontal.Updates;
using VertFed.Protocol;

namespace VertFed.Cli.Simulate;

/// <summary>The options of `simulate` that say how training goes, and what they make together.</summary>
internal sealed class SimulateOptions
{
    private const int LargestClassCount = 1000;
    private const int MostStrategies = 32;

    private static readonly string[] s_forms = [.. StrategyParser.Forms, .. SimulatedMethod.Forms];

    private readonly Option<string> _model = new("--model") { Description = "logistic, linear, poisson, softmax, or mlp:WIDTH[,WIDTH[,WIDTH]] (logistic).", DefaultValueFactory = static _ => "logistic" };
    private readonly Option<string[]> _strategies = new("--strategy")
    {
        Description = $"How updates are aggregated: {string.Join(", ", s_forms)}. Given several times, the strategies are compared.",
        DefaultValueFactory = static _ => ["fedavg"],
    };

    private readonly Option<string> _partition = new("--partition") { Description = "How rows are dealt: iid, dirichlet:ALPHA, shards:K or feature-skew.", DefaultValueFactory = static _ => "iid" };
    private readonly Option<string> _compression = new("--compression") { Description = "How updates travel: none, quantise:8, quantise:4 or top-k:SHARE.", DefaultValueFactory = static _ => "none" };
    private readonly Option<string> _selection = new("--selection") { Description = "Whom a round prefers: uniform, by-size, by-availability or poisson (each client by itself; needed by --clip).", DefaultValueFactory = static _ => "uniform" };
    private readonly Option<int> _clients = Numbers.Between("--clients", "Simulated clients.", 100, 1, Partition.MostClients);
    private readonly Option<int> _rounds = Numbers.Between("--rounds", "Rounds.", 100, 1, 100_000);
    private readonly Option<double> _fraction = Numbers.Between("--fraction", "Share of clients that a round needs (fedbuff: that train at any time).", 1.0, 0.0, 1.0);
    private readonly Option<double> _overSelection = Numbers.Between("--over-selection", "How many times what is needed is invited.", 1.0, 1.0, 100.0);
    private readonly Option<int> _least = Numbers.Between("--least", "The fewest answers that make a round.", 1, 1, Partition.MostClients);
    private readonly Option<double> _availability = Numbers.Between("--availability", "Chance that a client is available in a round (selection by-availability).", 1.0, 0.001, 1.0);
    private readonly Option<double> _dropout = Numbers.Between("--dropout", "Chance that an invited client does not answer.", 0.0, 0.0, 0.99);
    private readonly Option<double> _slowest = Numbers.Between("--slowest", "Speed of the slowest client by the fastest's; slow ones do fewer steps.", 1.0, 0.01, 1.0);
    private readonly Option<double> _deadline = Numbers.Between("--deadline", "When a round ends, in units of what the fastest client needs for all its steps; 0 waits.", 0.0, 0.0, 1e6);
    private readonly Option<int> _epochs = Numbers.Between("--epochs", "Local epochs.", 1, 1, 1000);
    private readonly Option<int> _batch = Numbers.Between("--batch", "Rows of a local step; 0 takes all.", 32, 0, 1 << 24);
    private readonly Option<string> _optimiser = new("--optimiser") { Description = "Clients' optimiser: sgd, momentum or adam.", DefaultValueFactory = static _ => "sgd" };
    private readonly Option<double> _rate = Numbers.Between("--rate", "Clients' learning rate.", 0.1, 1e-9, 1e6);
    private readonly Option<double> _l2 = Numbers.Between("--l2", "L2 penalty on weights.", 0.0, 0.0, 1e6);
    private readonly Option<int> _staleness = Numbers.Between("--staleness", "fedbuff: the largest staleness that is taken, in versions.", 10, 0, 1_000_000);
    private readonly Option<double> _public = Numbers.Between("--public", "feddf, fedmd: share of the training rows that is public, without labels.", 0.1, 0.001, 0.9);
    private readonly Option<string?> _personal = new("--personal") { Description = "Personal models beside the shared one: fine-tune[:EPOCHS] or ditto:LAMBDA.", HelpName = "MODEL" };
    private readonly Option<double> _ownTest = Numbers.Between("--own-test", "Share of its rows that each client keeps for its own test; 0 measures clients on their training rows, and is 0.2 where personal models or ifca need it.", 0.0, 0.0, 0.9);
    private readonly Option<bool> _secure = new("--secure") { Description = "Add updates by the secure sum, with clients lost at each of its steps." };
    private readonly Option<double> _clip = Numbers.Between("--clip", "Client-level privacy: the norm to which updates are clipped; 0 is without.", 0.0, 0.0, 1e9);
    private readonly Option<double> _clipQuantile = Numbers.Between("--clip-quantile", "Client-level privacy: the clip follows this quantile of updates' norms; 0 keeps it.", 0.0, 0.0, 0.999);
    private readonly Option<double> _noise = Numbers.Between("--noise", "Client-level privacy: noise by the clip.", 1.0, 0.0, 1e6);
    private readonly Option<string> _noiseAt = new("--noise-at") { Description = "Client-level privacy: server, or clients (discrete noise before the masks; needs --secure).", DefaultValueFactory = static _ => "server" };
    private readonly Option<double> _recordPrivacy = Numbers.Between("--record-privacy", "Record-level privacy (DP-SGD at the clients): noise by --record-clip; 0 is without.", 0.0, 0.0, 1e6);
    private readonly Option<double> _recordClip = Numbers.Between("--record-clip", "Record-level privacy: the norm to which a row's gradient is clipped.", 1.0, 1e-9, 1e9);
    private readonly Option<double> _delta = Numbers.Between("--delta", "The δ at which ε is shown.", 1e-5, 1e-15, 0.1);

    public IEnumerable<Option> All() =>
    [
        _model, _clients, _partition, _strategies, _rounds, _fraction, _overSelection, _least, _selection, _availability, _dropout, _slowest, _deadline, _epochs, _batch,
        _optimiser, _rate, _l2, _compression, _staleness, _public, _personal, _ownTest, _secure, _clip, _clipQuantile, _noise, _noiseAt, _recordPrivacy, _recordClip, _delta,
    ];

    /// <summary>The strategies asked for, as written.</summary>
    public string[] Strategies(ParseResult parsed)
    {
        string[] strategies = parsed.GetRequiredValue(_strategies);
        Check(strategies.Length is >= 1 and <= MostStrategies, $"A simulation compares at most {MostStrategies} strategies.");
        foreach (string strategy in strategies)
        {
            Check(
                s_forms.Any(form => form.Split(':', '[')[0] == strategy.Split(':')[0]),
                $"There is no strategy '{Error.OneLine(strategy)}': {string.Join(", ", s_forms)}.");
        }

        Check(strategies.Distinct(StringComparer.Ordinal).Count() == strategies.Length, "A strategy is given twice.");
        return strategies;
    }

    /// <exception cref="VertFedException">An option is not one of its forms, or stands where it does nothing.</exception>
    /// <exception cref="Horizontal.HorizontalException">A number is out of its range.</exception>
    public SimulationOptions Of(ParseResult parsed, Examples all, string strategy, ulong seed, int threads)
    {
        double slowest = parsed.GetValue(_slowest);
        double deadline = parsed.GetValue(_deadline);
        SimulatedMethod? method = SimulatedMethod.Parse(strategy, parsed.GetValue(_staleness), parsed.GetValue(_public));
        PersonalMethod? personal = parsed.GetValue(_personal) is { } named ? PersonalMethod.Parse(named) : null;
        SelectionPolicy selection = Selection(parsed.GetRequiredValue(_selection));
        Check(
            selection == SelectionPolicy.ByAvailability || parsed.GetResult(_availability) is not { Implicit: false },
            "--availability goes with --selection by-availability.");
        return new SimulationOptions
        {
            Model = Model(parsed.GetRequiredValue(_model), all),
            Strategy = method is null ? StrategyParser.Parse(strategy) : new FedAvg(),
            Method = method,
            Partition = Partition.Parse(parsed.GetRequiredValue(_partition)),
            Codec = UpdateCodec.Parse(parsed.GetRequiredValue(_compression)),
            Clients = parsed.GetValue(_clients),
            Rounds = parsed.GetValue(_rounds),
            Fraction = parsed.GetValue(_fraction),
            OverSelection = parsed.GetValue(_overSelection),
            LeastClients = parsed.GetValue(_least),
            Selection = selection,
            Availability = parsed.GetValue(_availability),
            DropoutRate = parsed.GetValue(_dropout),
            SlowestSpeed = slowest,
            AdaptiveWork = slowest < 1,
            Deadline = deadline > 0 ? deadline : double.PositiveInfinity,
            Personal = personal,
            OwnTest = parsed.GetResult(_ownTest) is { Implicit: false } ? parsed.GetValue(_ownTest) : personal is not null || method is ClusteredMethod ? 0.2 : 0,
            Secure = parsed.GetValue(_secure),
            Privacy = Privacy(parsed),
            RecordDelta = parsed.GetValue(_delta),
            Seed = seed,
            Threads = threads,
            Work = new LocalWork
            {
                Epochs = parsed.GetValue(_epochs),
                BatchSize = parsed.GetValue(_batch),
                L2 = parsed.GetValue(_l2),
                Optimiser = new OptimiserSpec(Optimiser(parsed.GetRequiredValue(_optimiser)), parsed.GetValue(_rate)),
                Privacy = parsed.GetValue(_recordPrivacy) > 0 ? new RecordPrivacy(parsed.GetValue(_recordClip), parsed.GetValue(_recordPrivacy)) : null,
            },
        };
    }

    private SimulatedPrivacy? Privacy(ParseResult parsed)
    {
        string at = parsed.GetRequiredValue(_noiseAt);
        double quantile = parsed.GetValue(_clipQuantile);
        double clip = parsed.GetValue(_clip);
        Check(at is "server" or "clients", "--noise-at is server or clients.");
        Check(clip > 0 || (at == "server" && quantile == 0), "--noise-at clients and --clip-quantile need --clip.");
        return clip > 0 ? new SimulatedPrivacy(clip, parsed.GetValue(_noise), parsed.GetValue(_delta), quantile > 0 ? quantile : null, at == "clients") : null;
    }

    private static SelectionPolicy Selection(string name) => name switch
    {
        "uniform" => SelectionPolicy.Uniform,
        "by-size" => SelectionPolicy.BySize,
        "by-availability" => SelectionPolicy.ByAvailability,
        "poisson" => SelectionPolicy.Poisson,
        _ => throw new VertFedException(ErrorCode.Usage, "--selection is uniform, by-size, by-availability or poisson."),
    };

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

    private static void Check(bool holds, string message)
    {
        if (!holds)
        {
            throw new VertFedException(ErrorCode.Usage, message);
        }
    }
}
