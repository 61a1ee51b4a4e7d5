using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Simulation;

/// <summary>One round, for the report. Of asynchronous training: what happened until the model's next version.</summary>
/// <param name="Round">From 1.</param>
/// <param name="Invited">Clients that were sent the model.</param>
/// <param name="Answered">Clients whose update was taken.</param>
/// <param name="BytesUp">From clients, in this round.</param>
/// <param name="BytesDown">To clients, in this round.</param>
/// <param name="Test">On rows that no client has; of clustered training on the rows that clients keep for their own test.</param>
/// <param name="Refusals">Updates that were refused.</param>
/// <param name="Outliers">Clients that the strategy set aside or weakened.</param>
/// <param name="Epsilon">ε spent up to and with this round; NaN without privacy.</param>
public sealed record RoundRecord(
    int Round,
    int Invited,
    int Answered,
    long BytesUp,
    long BytesDown,
    Evaluation Test,
    IReadOnlyList<Refusal> Refusals,
    IReadOnlyList<Outlier> Outliers,
    double Epsilon)
{
    /// <summary>Why the round left the model as it was; null where it made one.</summary>
    public string? Failure { get; init; }

    /// <summary>Asynchronous training: the mean staleness of the updates taken, in versions; else NaN.</summary>
    public double Staleness { get; init; } = double.NaN;
}

/// <summary>How models do on each client's own rows: on accuracy where they have one, else on the loss.</summary>
/// <param name="Measure">"accuracy" or "loss".</param>
/// <param name="Mean">Over clients, each alike.</param>
/// <param name="Deviation">Over clients.</param>
/// <param name="WorstDecile">Mean over the tenth of the clients that fare worst.</param>
/// <param name="Worst">The client that fares worst.</param>
/// <param name="Best">The client that fares best.</param>
public sealed record ClientSpread(string Measure, double Mean, double Deviation, double WorstDecile, double Worst, double Best)
{
    /// <param name="each">One evaluation a client, at least one.</param>
    public static ClientSpread Of(IReadOnlyList<Evaluation> each)
    {
        Throw.Invalid(each.Count == 0, "There is no client with rows to measure on.");
        bool accuracy = !double.IsNaN(each[0].Accuracy);
        double[] values = [.. each.Select(one => accuracy ? one.Accuracy : one.Loss)];
        double mean = values.Sum() / values.Length;
        double deviation = Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / values.Length);
        double[] worstFirst = accuracy ? [.. values.Order()] : [.. values.OrderDescending()];
        int decile = Math.Max(1, (worstFirst.Length + 9) / 10);
        return new ClientSpread(
            accuracy ? "accuracy" : "loss", mean, deviation, worstFirst.Take(decile).Sum() / decile, worstFirst[0], worstFirst[^1]);
    }
}

/// <summary>Personal models beside the shared one, both on the rows that clients keep for their own test.</summary>
/// <param name="Name">"fine-tune:EPOCHS" or "ditto:LAMBDA".</param>
/// <param name="Shared">The shared model, over clients.</param>
/// <param name="Personal">Each client's own model, over clients.</param>
/// <param name="SharedPooled">The shared model on all these rows together.</param>
/// <param name="PersonalPooled">Each row by its client's own model.</param>
public sealed record PersonalOutcome(string Name, ClientSpread Shared, ClientSpread Personal, Evaluation SharedPooled, Evaluation PersonalPooled);

/// <summary>What a simulation found.</summary>
/// <param name="Parameters">The shared model; of clustered training that of the largest cluster.</param>
/// <param name="Rounds">One record a round.</param>
/// <param name="Spread">Each client's model on its own rows: those kept for its test, where there are any, else those it trained on.</param>
/// <param name="RowsOfClients">Rows that each client trains on.</param>
public sealed record SimulationResult(
    double[] Parameters, IReadOnlyList<RoundRecord> Rounds, ClientSpread Spread, IReadOnlyList<int> RowsOfClients)
{
    /// <summary>Personal models, where the options ask for them.</summary>
    public PersonalOutcome? Personal { get; init; }

    /// <summary>Clustered training: how many clients chose each cluster in the end; else empty.</summary>
    public IReadOnlyList<int> ClusterSizes { get; init; } = [];
}
