using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Aggregation;

/// <summary>
/// How a server makes the next model of clients' updates. Two kinds there are, and the type says which: a <see cref="SumStrategy"/> needs
/// nothing but a sum over clients, so it runs under secure aggregation; an <see cref="IndividualStrategy"/> looks at each update.
/// </summary>
public abstract class AggregationStrategy
{
    private protected AggregationStrategy(string name) => Name = name;

    /// <summary>As in job specs and reports, with its parameter: "fedprox:0.01".</summary>
    public string Name { get; }

    /// <summary>Whether orders carry <see cref="ServerState.Control"/> and updates a control variate.</summary>
    public virtual bool UsesControl => false;

    /// <summary>The norm to which clients clip their updates in the next round; null where they do not.</summary>
    public virtual double? Clip(ServerState state) => null;

    /// <summary>The local work that clients are asked for.</summary>
    public virtual LocalWork Prepare(LocalWork work) => work;

    /// <summary>The next order.</summary>
    public RoundOrder Order(ServerState state, LocalWork work) => new(
        state.Round,
        state.Parameters,
        UsesControl ? state.Slot(ServerState.Control) ?? new double[state.Parameters.Length] : null,
        Prepare(work))
    {
        Clip = Clip(state),
    };

    /// <summary>One round, from updates that the inbox took.</summary>
    /// <exception cref="HorizontalException">No updates, too few for the strategy, or shapes that do not match.</exception>
    public Aggregated Aggregate(ServerState state, IReadOnlyList<ClientUpdate> updates, int roster)
    {
        Throw.If(updates.Count == 0, HorizontalError.TooFewClients, "A round without updates makes no model.");
        for (int i = 0; i < updates.Count; i++)
        {
            Throw.If(
                updates[i].Delta.Length != state.Parameters.Length,
                HorizontalError.WrongShape,
                $"Client {updates[i].Client}'s update has {updates[i].Delta.Length} numbers, the model {state.Parameters.Length}.");
            Throw.Invalid(i > 0 && updates[i - 1].Client >= updates[i].Client, "Updates are aggregated in the order of clients, one each.");
        }

        return AggregateCore(state, updates, roster);
    }

    private protected abstract Aggregated AggregateCore(ServerState state, IReadOnlyList<ClientUpdate> updates, int roster);

    public override string ToString() => Name;
}

/// <summary>
/// A sum over clients of vectors that each makes of its own update alone, and the step that the server takes with the sum. The vectors are
/// added in the clear here, in the order of clients, or in a ring under masks.
/// </summary>
public abstract class SumStrategy : AggregationStrategy
{
    private protected SumStrategy(string name)
        : base(name)
    {
    }

    /// <summary>Length of a contribution for a model of so many parameters.</summary>
    public abstract int ContributionLength(int parameters);

    /// <summary>What a client adds to the sum.</summary>
    /// <param name="update">The client's own update.</param>
    /// <param name="clip">The order's clip, null where the strategy has none.</param>
    public abstract double[] Contribution(ClientUpdate update, double? clip);

    /// <summary>The next state from the sum.</summary>
    /// <param name="state">Before the round.</param>
    /// <param name="sum">Σ of contributions.</param>
    /// <param name="clients">Contributions in it, at least 1.</param>
    /// <param name="roster">Clients in the job, N.</param>
    public abstract ServerState Apply(ServerState state, ReadOnlySpan<double> sum, int clients, int roster);

    private protected sealed override Aggregated AggregateCore(ServerState state, IReadOnlyList<ClientUpdate> updates, int roster)
    {
        double[] sum = new double[ContributionLength(state.Parameters.Length)];
        foreach (ClientUpdate update in updates)
        {
            double[] part = Contribution(update, Clip(state));
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += part[i];
            }
        }

        return new Aggregated(Apply(state, sum, updates.Count, roster), []);
    }

    private protected static double PositiveWeight(double weight)
    {
        Throw.Invalid(!(weight > 0) || !double.IsFinite(weight), "The clients' weights do not add up to a positive number.");
        return weight;
    }
}

/// <summary>A strategy that compares single updates. It cannot run under secure aggregation, which hides them; the type says so.</summary>
public abstract class IndividualStrategy : AggregationStrategy
{
    private protected IndividualStrategy(string name)
        : base(name)
    {
    }
}
