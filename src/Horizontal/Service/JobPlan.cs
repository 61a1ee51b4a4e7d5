using System.Globalization;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Learning;
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
        HorizontalSpecification spec, LossHead head, Activation activation, int[] hidden, AggregationStrategy strategy, UpdateCodec codec, LocalWork work, JobPrivacy? privacy, int parties)
    {
        Specification = spec;
        Privacy = privacy;
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

    /// <summary>As the spec names it; under privacy <see cref="WithNoise"/> has the one that runs.</summary>
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

    /// <summary>What an asynchronous job collects updates in; null where the job has rounds.</summary>
    public FedBuff? Buffer { get; private init; }

    /// <summary>
    /// Envelopes that an honest coordinator does not come to towards one party: twice the four questions of a round with a secure sum, in an asynchronous job for each
    /// update of a version; and 256 for rounds that are begun again after a crash.
    /// </summary>
    public long MostQuestions => ((Specification.Rounds + 2L) * 8 * (Buffer?.Size ?? 1)) + 256;

    /// <summary>How many models an order has, from which a party chooses; 1 but under ifca.</summary>
    public int Models { get; private init; }

    /// <summary>
    /// With distillation, a party's steps towards the consensus before each round's work; else null. What travels in the place of parameters is then outputs
    /// on the public rows, and each party's model is its own.
    /// </summary>
    public LocalWork? Digest { get; private init; }

    /// <summary>The model of its own that each party keeps; null where there are none.</summary>
    public PersonalMethod? Personal { get; private init; }

    /// <summary>What a party does for its own model, which is published nowhere: without the strategy's proximal term, by plain steps.</summary>
    public LocalWork PersonalWork => Work with { Optimiser = OptimiserSpec.Sgd(Work.Optimiser.Rate) };

    /// <summary>Null where the spec asks for none.</summary>
    public JobPrivacy? Privacy { get; }

    /// <summary>Whether parties tell their losses. A loss has no noise, so under privacy nobody does.</summary>
    public bool TellsLoss => Privacy is null;

    /// <summary>Parties of the job.</summary>
    public int Parties { get; }

    /// <summary>How numbers enter a secure sum of updates.</summary>
    public RingEncoding Encoding => Privacy is { Level: PrivacyLevel.Distributed } noisy
        ? noisy.Encoding
        : new RingEncoding(SumBits, SumBound, Parties) { TowardsZero = Privacy is { Level: PrivacyLevel.Client } };

    /// <summary>Reads a spec's words.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>, naming the field.</exception>
    public static JobPlan Of(JobSpecification job)
    {
        HorizontalSpecification spec = job.Horizontal ?? throw new ArgumentException("The job is not a horizontal one.", nameof(job));
        (LossHead head, Activation activation, int[] hidden) = Field("horizontal.model", () => Model(spec.Model));
        UpdateCodec codec = Field("horizontal.compression", () => UpdateCodec.Parse(spec.Compression));
        SimulatedMethod? method = Field("horizontal.strategy", () => JobMethod.Of(spec, codec, job.Parties.Count));
        AggregationStrategy strategy = Field<AggregationStrategy>("horizontal.strategy", () => method switch
        {
            null => StrategyParser.Parse(spec.Strategy),
            DistillingMethod => JobMethod.Consensus(spec),
            _ => new FedAvg(),
        });
        Require(spec.PublicRows is null || method is DistillingMethod, "horizontal.public_rows", "goes with the strategy fedmd alone");
        Require(
            spec.PublicRows is not { } shared || (long)shared.Rows * head.Outputs <= HorizontalSpecification.MostParameters, "horizontal.public_rows.rows",
            $"times {head.Outputs} outputs is more than {HorizontalSpecification.MostParameters}, which is what an order carries");
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
        JobPrivacy? noise = Field("horizontal.privacy", () => JobPrivacy.Of(spec, work, job.Parties.Count));
        return new JobPlan(spec, head, activation, hidden, strategy, codec, work, noise, job.Parties.Count)
        {
            Buffer = method is BufferedMethod buffered ? new FedBuff(buffered.Size, buffered.MostStale) : null,
            Models = method is ClusteredMethod clustered ? clustered.Models : 1,
            Digest = (method as DistillingMethod)?.Digest,
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
        return model.Layout.Length * Models <= HorizontalSpecification.MostParameters
            ? model
            : throw new VertFedException(
                ErrorCode.Refused,
                $"The model '{Specification.Model}' has {model.Layout.Length} parameters over {columns} columns, {Models} times; at most {HorizontalSpecification.MostParameters} are trained.");
    }

    /// <summary>The model that a spec's words name, over so many encoded columns, however large: as a model file has them.</summary>
    /// <param name="words">As the spec's <c>model</c>.</param>
    /// <exception cref="HorizontalException">There is no such model.</exception>
    public static FederatedModel ModelOf(string words, int columns)
    {
        (LossHead head, Activation activation, int[] hidden) = Model(words);
        return hidden.Length == 0 ? FederatedModel.Generalised(head, columns) : FederatedModel.Perceptron(head, columns, activation, hidden);
    }

    /// <summary>Numbers that an order carries: the parameters of all models, or with distillation the outputs on the public rows.</summary>
    public int OrderLength(FederatedModel model) =>
        Digest is null ? model.Layout.Length * Models : (int)Specification.PublicRows!.Rows * Head.Outputs;

    /// <summary>The strategy, in the form that the spec's privacy gives it.</summary>
    /// <param name="streams">The coordinator's own, or a party's, which are not drawn from.</param>
    public AggregationStrategy WithNoise(RandomStreams streams) => Privacy?.Strategy(streams) ?? Strategy;

    /// <summary>Numbers of a secure sum of updates: the strategy's own and, but under privacy, rows times loss and rows.</summary>
    public int SumLength(SumStrategy strategy, int parameters) => strategy.ContributionLength(parameters) + (TellsLoss ? 2 : 0);

    /// <summary>Fewest parties that a round may be of (0: the scaling), however few are invited: what the spec promises the parties.</summary>
    public int FewestIn(uint round) => Math.Max(
        Specification.MinimumClients, round > 0 && Privacy is { Level: PrivacyLevel.Distributed } noisy ? noisy.FewestParties : 0);

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
