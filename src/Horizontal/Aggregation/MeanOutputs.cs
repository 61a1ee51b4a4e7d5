using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Aggregation;

/// <summary>
/// FedMD's consensus (Li and Wang 2019): the mean of the clients' outputs on public rows, every client alike, whatever its rows. What stands in the place of
/// parameters is the consensus before, and an update is a client's outputs less it; so the mean of updates moves it to the mean of outputs.
/// </summary>
public sealed class MeanOutputs() : SumStrategy("mean")
{
    public override int ContributionLength(int parameters) => parameters;

    public override double[] Contribution(ClientUpdate update, double? clip) => [.. update.Delta];

    public override ServerState Apply(ServerState state, ReadOnlySpan<double> sum, int clients, int roster)
    {
        Throw.If(sum.Length != state.Parameters.Length, HorizontalError.WrongShape, "The sum does not have the consensus' length.");
        Throw.Invalid(clients < 1 || roster < clients, $"{clients} clients of {roster} cannot have answered.");
        return state.Next(state.Moved(1.0 / clients, sum));
    }
}
