using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Personal;
using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Simulation;

/// <summary>
/// IFCA: every round each invited client takes all models, trains the one that fits its training rows best, and says which. Measured on the rows
/// that clients keep for their test, each by the model that its client chooses.
/// </summary>
internal sealed class ClusteredServer : SimulatedServer
{
    private readonly SimulationOptions _options;
    private readonly SimulatedClients _clients;
    private readonly Clusters _clusters;
    private IReadOnlyList<ServerState> _states;
    private int[] _choices;

    public ClusteredServer(SimulationOptions options, SimulatedClients clients, double[] first, ClusteredMethod method)
    {
        _options = options;
        _clients = clients;
        _clusters = new Clusters(options.Strategy);
        _states = Clusters.Start(first, method.Models, clients.Streams);
        _choices = new int[clients.Count];
    }

    /// <summary>The model of the largest cluster, the first of equals.</summary>
    public override double[] Parameters
    {
        get
        {
            IReadOnlyList<int> sizes = ClusterSizes;
            return _states[Enumerable.Range(0, sizes.Count).MaxBy(cluster => sizes[cluster])].Parameters;
        }
    }

    public override IReadOnlyList<int> ClusterSizes => [.. _states.Select((_, cluster) => _choices.Count(choice => choice == cluster))];

    public override RoundRecord Round(int round, CancellationToken cancellationToken)
    {
        int[] invited = _clients.Invite(round);
        int[] answering = _clients.Answering(invited, _options.Work, round);
        (int Cluster, ClientUpdate Update, long Bytes)[] answers = _clients.InParallel(answering, client => Answer(client, round, cancellationToken), cancellationToken);
        int length = _states[0].Parameters.Length;
        var inbox = new RoundInbox(new UpdateLimits(length, round, double.PositiveInfinity, int.MaxValue, _options.Work.StepLimit, false) { Work = _options.Work }, invited);
        (int Cluster, ClientUpdate Update, long Bytes)[] taken = [.. answers.Where(answer => inbox.TryTake(answer.Update))];
        bool enough = taken.Length >= _options.LeastClients;
        _states = enough
            ? _clusters.Aggregate(_states, [.. taken.Select(static answer => (answer.Cluster, answer.Update))], _clients.Count)
            : [.. _states.Select(static state => state with { Round = state.Round + 1 })];
        _choices = _clients.InParallel([.. Enumerable.Range(0, _clients.Count)], Choose, cancellationToken);
        Evaluation test = Evaluation.Pooled(_options.Model, [.. _clients.AllMeasured().Select(one => (ModelOf(one.Client), one.Rows))]);
        long down = 8L * length * _states.Count * invited.Length;
        return new RoundRecord(round + 1, invited.Length, taken.Length, answers.Sum(static answer => answer.Bytes + 4), down, test, inbox.Refusals, [], double.NaN)
        {
            Failure = enough ? null : $"{taken.Length} of at least {_options.LeastClients} clients answered.",
        };
    }

    public override double[] ModelOf(int client) => _states[_choices[client]].Parameters;

    private (int Cluster, ClientUpdate Update, long Bytes) Answer(int client, int round, CancellationToken cancellationToken)
    {
        int cluster = Choose(client);
        RoundOrder order = _options.Strategy.Order(_states[cluster], _options.Work) with { Round = round };
        (ClientUpdate update, long bytes) = _clients.Answer(client, order, round, cancellationToken);
        return (cluster, update, bytes);
    }

    private int Choose(int client) => Clusters.Choose(_options.Model, _states, _clients.Of(client));
}
