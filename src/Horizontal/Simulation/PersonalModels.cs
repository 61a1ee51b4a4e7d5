using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Personal;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;

namespace VertFed.Horizontal.Simulation;

/// <summary>Each client's own model: Ditto's, moved in every round that the client answers, or a fine-tuned copy of the finished model.</summary>
internal sealed class PersonalModels(SimulationOptions options, SimulatedClients clients, double[] first)
{
    private readonly PersonalMethod _method = options.Personal!;
    private readonly double[][] _own = [.. Enumerable.Range(0, clients.Count).Select(_ => first)];

    // What a client does for itself is published nowhere, so it takes neither a proximal term of the strategy nor noise.
    private readonly LocalWork _work = options.Work with { Proximal = 0, Privacy = null, Optimiser = OptimiserSpec.Sgd(options.Work.Optimiser.Rate) };

    public void Round(RoundOrder order, int[] answering, CancellationToken cancellationToken)
    {
        if (_method.Epochs > 0)
        {
            return;
        }

        clients.InParallel(
            answering,
            client =>
            {
                using RandomStream stream = clients.Streams.For("ditto", order.Round, client);
                return _own[client] = PersonalModel.DittoRound(options.Model, clients.Of(client), _own[client], order.Parameters, _method.Lambda, _work, stream);
            },
            cancellationToken);
    }

    public PersonalOutcome Close(double[] shared, CancellationToken cancellationToken)
    {
        IReadOnlyList<(int Client, Examples Rows)> measured = clients.AllMeasured();
        double[][] own = clients.InParallel(measured, one => _method.Epochs > 0 ? FineTuned(one.Client, shared, cancellationToken) : _own[one.Client], cancellationToken);
        ClientSpread sharedSpread = ClientSpread.Of([.. measured.Select(one => Evaluation.Of(options.Model, shared, one.Rows))]);
        ClientSpread ownSpread = ClientSpread.Of([.. measured.Select((one, i) => Evaluation.Of(options.Model, own[i], one.Rows))]);
        return new PersonalOutcome(
            _method.Name,
            sharedSpread,
            ownSpread,
            Evaluation.Pooled(options.Model, [.. measured.Select(one => (shared, one.Rows))]),
            Evaluation.Pooled(options.Model, [.. measured.Select((one, i) => (own[i], one.Rows))]));
    }

    private double[] FineTuned(int client, double[] shared, CancellationToken cancellationToken)
    {
        using RandomStream stream = clients.Streams.For("fine-tune", 0, client);
        return PersonalModel.FineTune(options.Model, client, clients.Of(client), shared, _work with { Epochs = _method.Epochs }, stream, cancellationToken);
    }
}
