using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Personal;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;

namespace VertFed.Horizontal.Simulation;

/// <summary>
/// Distillation on public rows that everybody has. FedDF (Lin et al. 2020): a round of FedAvg, then the mean model is trained to the clients' mean
/// outputs, every client alike. FedMD (Li and Wang 2019): a client trains its own model to the last consensus, then on its rows, and sends outputs alone; the
/// server's model is distilled from the consensus.
/// </summary>
internal sealed class DistillingServer : SimulatedServer
{
    private readonly SimulationOptions _options;
    private readonly SimulatedClients _clients;
    private readonly Examples _test;
    private readonly Examples _public;
    private readonly bool _outputsOnly;
    private readonly LocalWork _digest;
    private readonly double[][] _own;
    private double[]? _consensus;
    private ServerState _state;

    public DistillingServer(SimulationOptions options, SimulatedClients clients, Examples test, double[] first, DistillingMethod method, Examples publicRows)
    {
        _options = options;
        _clients = clients;
        _test = test;
        _public = publicRows;
        _outputsOnly = method.OutputsOnly;
        _digest = method.Digest;
        _own = method.OutputsOnly ? [.. Enumerable.Range(0, clients.Count).Select(_ => first)] : [];
        _state = ServerState.Start(first);
    }

    public override double[] Parameters => _state.Parameters;

    /// <summary>Takes the public rows out of the training rows; their labels are 0, and nothing reads them.</summary>
    public static (Examples Public, Examples Private) Publish(Examples train, double share, ulong seed)
    {
        using RandomStreams streams = RandomStreams.InsecureFromSeed(seed);
        using RandomStream stream = streams.For("public", 0, RandomStreams.Server);
        int[] order = [.. Enumerable.Range(0, train.Count)];
        Draws.Shuffle(stream, order.AsSpan());
        int count = Math.Clamp((int)Math.Round(share * train.Count, MidpointRounding.ToEven), 1, train.Count - 1);
        Examples publicRows = train.Take([.. order.Take(count).Order()]);
        return (publicRows.WithLabels(new double[count]), train.Take([.. order.Skip(count).Order()]));
    }

    public override RoundRecord Round(int round, CancellationToken cancellationToken)
    {
        int[] invited = _clients.Invite(round);
        int[] answering = _clients.Answering(invited, _options.Work, round);
        return _outputsOnly ? OutputsOnly(round, invited, answering, cancellationToken) : Models(round, invited, answering, cancellationToken);
    }

    public override double[] ModelOf(int client) => _outputsOnly ? _own[client] : Parameters;

    private RoundRecord Models(int round, int[] invited, int[] answering, CancellationToken cancellationToken)
    {
        RoundOrder order = _options.Strategy.Order(_state, _options.Work) with { Round = round };
        (ClientUpdate Update, long Bytes)[] answers = _clients.Train(order, answering, cancellationToken);
        var limits = new UpdateLimits(order.Parameters.Length, round, double.PositiveInfinity, int.MaxValue, _options.Work.StepLimit, false) { Work = _options.Work };
        var inbox = new RoundInbox(limits, invited);
        foreach ((ClientUpdate update, _) in answers)
        {
            inbox.TryTake(update);
        }

        bool enough = inbox.Count >= _options.LeastClients;
        if (enough)
        {
            IReadOnlyList<ClientUpdate> taken = inbox.Close(_options.LeastClients);
            ServerState mean = _options.Strategy.Aggregate(_state, taken, _clients.Count).State;
            double[][] outputs = _clients.InParallel(taken, update => Distillation.Outputs(_options.Model, _state.Moved(1, update.Delta), _public), cancellationToken);
            double[] consensus = Distillation.Consensus(outputs, [.. outputs.Select(static _ => 1.0)]);
            _state = mean with { Parameters = Distillation.Distil(_options.Model, mean.Parameters, _public, consensus, _digest, cancellationToken) };
        }
        else
        {
            _state = _state with { Round = _state.Round + 1 };
        }

        long down = 8L * order.Parameters.Length * invited.Length;
        return Record(round, invited, inbox.Count, answers.Sum(static answer => answer.Bytes), down, inbox.Refusals, enough);
    }

    private RoundRecord OutputsOnly(int round, int[] invited, int[] answering, CancellationToken cancellationToken)
    {
        double[]? before = _consensus;
        double[][] outputs = _clients.InParallel(answering, client => Digest(client, round, before, cancellationToken), cancellationToken);
        bool enough = outputs.Length >= _options.LeastClients;
        if (enough)
        {
            _consensus = Distillation.Consensus(outputs, [.. outputs.Select(static _ => 1.0)]);
            _state = _state.Next(Distillation.Distil(_options.Model, _state.Parameters, _public, _consensus, _digest, cancellationToken));
        }

        long vector = 8L * _public.Count * _options.Model.Head.Outputs;
        return Record(round, invited, outputs.Length, outputs.Length * (8 + vector), before is null ? 0 : invited.Length * vector, [], enough);
    }

    // A client's own model moves whether or not its outputs are counted: it is the client's.
    private double[] Digest(int client, int round, double[]? consensus, CancellationToken cancellationToken)
    {
        double[] own = consensus is null ? _own[client] : Distillation.Distil(_options.Model, _own[client], _public, consensus, _digest, cancellationToken);
        ClientUpdate update = _clients.Local(client, new RoundOrder(round, own, null, _options.Work), round, cancellationToken);
        double[] moved = [.. own];
        Kernels.AddScaled(1, update.Delta, moved);
        _own[client] = moved;
        return Distillation.Outputs(_options.Model, moved, _public);
    }

    private RoundRecord Record(int round, int[] invited, int answered, long up, long down, IReadOnlyList<Refusal> refusals, bool enough) =>
        new(round + 1, invited.Length, answered, up, down, Evaluation.Of(_options.Model, _state.Parameters, _test), refusals, [], _clients.RecordEpsilon())
        {
            Failure = enough ? null : $"{answered} of at least {_options.LeastClients} clients answered.",
        };
}
