using System.Globalization;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.SecureAggregation;
using VertFed.Horizontal.Simulation;
using VertFed.Horizontal.Updates;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Horizontal.Service;

/// <summary>
/// What the words of a horizontal job spec mean, for the coordinator and the parties alike: both make it of the same spec, so an order need say
/// the parameters alone.
/// </summary>
public sealed class JobPlan
{
    /// <summary>
    /// Of a secure sum of updates: |n Δ| of a party up to 2^33, to 2^-22, of up to 100 parties.
    /// </summary>
    private const int SumBits = 22;
    private const double SumBound = 8589934592;

    private readonly int[] _hidden;
    private readonly Activation _activation;

    private JobPlan(
        HorizontalSpecification spec, LossHead head, Activation activation, int[] hidden, AggregationStrategy strategy, UpdateCodec codec, LocalWork work, int parties)
    {
        Specification = spec;
        Head = head;
        _activation = activation;
        _hidden = hidden;
        Strategy = strategy;
        Codec = codec;
        Work = work;
        Parties = parties;
    }

    public HorizontalSpecification Specification { get; }

    public LossHead Head { get; }

    /// <summary>Without client-level noise, which needs the coordinator's own streams (<see cref="WithNoise"/>).</summary>
    public AggregationStrategy Strategy { get; }

    public UpdateCodec Codec { get; }

    /// <summary>What each party does in a round.</summary>
    public LocalWork Work { get; }

    /// <summary>Whom a round invites.</summary>
    public SelectionPolicy Selection => Specification.Selection switch
    {
        SelectionChoice.BySize => SelectionPolicy.BySize,
        SelectionChoice.ByAvailability => SelectionPolicy.ByAvailability,
        _ => SelectionPolicy.Uniform,
    };

    /// <summary>The model of its own that each party keeps; null where there are none.</summary>
    public PersonalMethod? Personal { get; private init; }

    /// <summary>What a party does for its own model, which is published nowhere: without the strategy's proximal term, by plain steps.</summary>
    public LocalWork PersonalWork => Work with { Optimiser = OptimiserSpec.Sgd(Work.Optimiser.Rate) };

    /// <summary>Parties of the job.</summary>
    public int Parties { get; }

    /// <summary>How numbers enter a secure sum of updates.</summary>
    public RingEncoding Encoding => new(SumBits, SumBound, Parties);

    /// <summary>Reads a spec's words.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>, naming the field.</exception>
    public static JobPlan Of(JobSpecification job)
    {
        HorizontalSpecification spec = job.Horizontal ?? throw new ArgumentException("The job is not a horizontal one.", nameof(job));
        (LossHead head, Activation activation, int[] hidden) = Field("horizontal.model", () => Model(spec.Model));
        AggregationStrategy strategy = Field("horizontal.strategy", () => StrategyParser.Parse(spec.Strategy));
        UpdateCodec codec = Field("horizontal.compression", () => UpdateCodec.Parse(spec.Compression));
        LocalWork work = new()
        {
            Epochs = spec.Epochs,
            BatchSize = spec.Batch,
            L2 = spec.L2,
            Optimiser = new OptimiserSpec(
                spec.Optimiser switch { OptimiserChoice.Adam => OptimiserKind.Adam, OptimiserChoice.Momentum => OptimiserKind.Momentum, _ => OptimiserKind.Sgd },
                spec.Rate),
            Privacy = spec.Privacy is { Level: PrivacyLevel.Record } privacy ? new RecordPrivacy(privacy.Clip, privacy.Noise) : null,
        };
        Field("horizontal", () =>
        {
            strategy.Prepare(work).Validate();
            return 0;
        });
        Require(
            !spec.IsSecure || strategy is SumStrategy, "horizontal.strategy",
            $"'{strategy.Name}' compares the parties' updates one by one, which secure_aggregation hides");
        Require(!strategy.UsesControl || spec.Optimiser == OptimiserChoice.Sgd, "horizontal.optimiser", $"is not sgd, whose steps '{strategy.Name}' corrects");
        return new JobPlan(spec, head, activation, hidden, strategy, codec, work, job.Parties.Count)
        {
            Personal = spec.Personal.Length == 0 ? null : Field("horizontal.personal", () => PersonalMethod.Parse(spec.Personal)),
        };
    }

    /// <summary>The model over so many encoded columns.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>: it has more parameters than the service trains.</exception>
    public FederatedModel ModelOf(int columns)
    {
        FederatedModel model = _hidden.Length == 0
            ? FederatedModel.Generalised(Head, columns)
            : FederatedModel.Perceptron(Head, columns, _activation, _hidden);
        return model.Layout.Length <= HorizontalSpecification.MostParameters
            ? model
            : throw new VertFedException(
                ErrorCode.Refused,
                $"The model '{Specification.Model}' has {model.Layout.Length} parameters over {columns} columns; at most {HorizontalSpecification.MostParameters} are trained.");
    }

    /// <summary>The strategy, with client-level noise where the spec asks for it.</summary>
    /// <param name="streams">The coordinator's own.</param>
    public AggregationStrategy WithNoise(RandomStreams streams) => Specification.Privacy is { Level: PrivacyLevel.Client } privacy
        ? new PrivateFedAvg(new ClientPrivacy(privacy.Clip, privacy.Noise, Specification.ClientsPerRound), streams)
        : Strategy;

    /// <summary>
    /// ε after so many rounds of client-level noise. Parties are invited at the coordinator's choice and all are known to it, so no
    /// amplification by sampling is claimed: each round is reckoned as if every party took part.
    /// </summary>
    public double ClientEpsilon(int rounds) => Specification.Privacy is { Level: PrivacyLevel.Client } privacy
        ? PrivacyAccountant.Fresh.AfterSampledGaussian(1, privacy.Noise, rounds).Epsilon(privacy.Delta)
        : 0;

    /// <summary>The account of a party's rows after so many rounds of DP-SGD on top of what is spent.</summary>
    /// <param name="spent">Before the job.</param>
    /// <param name="rows">The party's training rows, at least 1.</param>
    public PrivacyAccountant RecordAccount(PrivacyAccountant spent, int rows, int rounds)
    {
        if (Work.Privacy is not { } privacy)
        {
            return spent;
        }

        double sampled = Math.Min(1, (double)Work.BatchSize / rows);
        return spent.AfterSampledGaussian(sampled, privacy.NoiseMultiplier, checked(Work.Steps(rows) * rounds));
    }

    private static (LossHead Head, Activation Activation, int[] Hidden) Model(string text)
    {
        string[] parts = text.Split('/', 2);
        LossHead head = parts[0] switch
        {
            "logistic" => LossHead.Logistic,
            "linear" => LossHead.Linear,
            "poisson" => LossHead.Poisson,
            _ => LossHead.Softmax(Number(parts[0], "softmax:")),
        };
        if (parts.Length == 1)
        {
            return (head, Activation.Relu, []);
        }

        string[] layers = parts[1].Split(':', 2);
        Activation activation = layers[0] switch
        {
            "relu" => Activation.Relu,
            "tanh" => Activation.Tanh,
            _ => throw NoModel(text),
        };
        int[] hidden = layers.Length == 2 ? [.. layers[1].Split(',').Select(width => Number(width, ""))] : throw NoModel(text);
        _ = FederatedModel.Perceptron(head, 1, activation, hidden);
        return (head, activation, hidden);
    }

    private static int Number(string text, string prefix) =>
        text.StartsWith(prefix, StringComparison.Ordinal)
        && int.TryParse(text.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            ? number
            : throw NoModel(text);

    private static HorizontalException NoModel(string text) => new(
        HorizontalError.InvalidInput, $"there is no model '{text}': logistic, linear, poisson or softmax:CLASSES, with hidden layers as in logistic/relu:16,8");

    private static T Field<T>(string field, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (HorizontalException error)
        {
            throw new VertFedException(ErrorCode.ProtocolViolation, $"The job spec is refused: {field}: {error.Message}", error) { Field = field };
        }
    }

    private static void Require(bool holds, string field, string wrong)
    {
        if (!holds)
        {
            throw new VertFedException(ErrorCode.ProtocolViolation, $"The job spec is refused: {field} {wrong}.") { Field = field };
        }
    }
}
