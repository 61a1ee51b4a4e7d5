using VertFed.Horizontal.Learning;
using VertFed.Primitives;

namespace VertFed.Horizontal.Simulation;

/// <summary>
/// Federated training of thousands of clients in one process, by the same client and strategy code as the service. A round: select and invite
/// → those that answer train in parallel, each with streams of its own → encode, decode, check → the first that are needed are aggregated in the
/// order of clients, in the clear or by the secure sum → evaluate.
/// </summary>
public static class SimulationEngine
{
    /// <summary>Bytes of an update beside its vectors: client, round, rows, steps, normalised steps and two losses.</summary>
    public const int UpdateHeaderBytes = 44;

    /// <summary>Runs all rounds.</summary>
    /// <param name="options">What to run.</param>
    /// <param name="train">Rows that are dealt to clients, scaled as the model needs them.</param>
    /// <param name="test">Rows that no client has.</param>
    /// <param name="progress">Told of each round; may be null.</param>
    /// <exception cref="HorizontalException">An option is out of range, two do not go together, or training diverged.</exception>
    public static SimulationResult Run(
        SimulationOptions options, Examples train, Examples test, Action<RoundRecord>? progress = null, CancellationToken cancellationToken = default)
    {
        options.Validate();
        Examples? publicRows = null;
        if (options.Method is DistillingMethod distilling)
        {
            (publicRows, train) = DistillingServer.Publish(train, distilling.PublicShare, options.Seed);
        }

        using var clients = new SimulatedClients(options, train, options.Strategy.UsesControl);
        double[] first;
        using (RandomStream initial = clients.Streams.For("initial", 0, RandomStreams.Server))
        {
            first = options.Model.Initial(initial);
        }

        SimulatedServer server = options.Method switch
        {
            BufferedMethod buffered => new BufferedServer(options, clients, test, first, buffered),
            ClusteredMethod clustered => new ClusteredServer(options, clients, first, clustered),
            DistillingMethod method => new DistillingServer(options, clients, test, first, method, publicRows!),
            _ => new SynchronousServer(options, clients, test, first),
        };
        var records = new List<RoundRecord>(options.Rounds);
        for (int round = 0; round < options.Rounds; round++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            RoundRecord record = server.Round(round, cancellationToken);
            records.Add(record);
            progress?.Invoke(record);
        }

        IReadOnlyList<(int Client, Examples Rows)> measured = clients.AllMeasured();
        Evaluation[] each = clients.InParallel(measured, one => Evaluation.Of(options.Model, server.ModelOf(one.Client), one.Rows), cancellationToken);
        return new SimulationResult(server.Parameters, records, ClientSpread.Of(each), clients.Rows)
        {
            Personal = server.Personal(cancellationToken),
            ClusterSizes = server.ClusterSizes,
        };
    }
}

/// <summary>What leads the clients of a simulation from round to round.</summary>
internal abstract class SimulatedServer
{
    /// <summary>The shared model.</summary>
    public abstract double[] Parameters { get; }

    /// <summary>Clustered training: clients by cluster.</summary>
    public virtual IReadOnlyList<int> ClusterSizes => [];

    public abstract RoundRecord Round(int round, CancellationToken cancellationToken);

    /// <summary>The model that a client would use now.</summary>
    public virtual double[] ModelOf(int client) => Parameters;

    /// <summary>Personal models at the end; null where the options ask for none.</summary>
    public virtual PersonalOutcome? Personal(CancellationToken cancellationToken) => null;
}
