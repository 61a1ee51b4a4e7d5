using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;
using VertFed.Horizontal.Updates;
using VertFed.UnitTests.Models;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

/// <summary>The default-credit data, its two files joined by id and the rows dealt to five clients.</summary>
public sealed class DefaultCreditTests
{
    private static readonly Lazy<PairData> Data = new(static () => PairData.Shared("default_credit"));

    [SkippableTheory]
    [InlineData("iid")]
    [InlineData("dirichlet:0.3")]
    public void Fedavg_of_five_clients_ranks_as_the_fit_of_all_rows_in_one_place_does(string partition)
    {
        PairData data = Data.Value;
        FederatedScaling scaling = FederatedScaling.FromSum(FederatedScaling.Contribution(Rows(data, data.Train)));
        Examples train = scaling.Apply(Rows(data, data.Train));
        Examples test = scaling.Apply(Rows(data, data.Test));
        var options = new SimulationOptions
        {
            Model = FederatedModel.Generalised(LossHead.Logistic, train.Features),
            Strategy = new FedAvg(),
            Partition = Partition.Parse(partition),
            Clients = 5,
            Rounds = 20,
            Seed = 1,
            Work = new LocalWork { Epochs = 1, BatchSize = 256, L2 = 1e-3, Optimiser = OptimiserSpec.Sgd(0.1) },
        };
        SimulationResult federated = SimulationEngine.Run(options, train, test);

        double central = data.Model.GetProperty("joint").GetProperty("test").GetProperty("auc").GetDouble();
        Assert.InRange(federated.Rounds[^1].Test.Score, central - 0.002, central + 0.002);
        Assert.Equal(data.Train.Length, federated.RowsOfClients.Sum());
    }

    private static Examples Rows(PairData data, int[] rows)
    {
        double[][] columns = [.. data.Bank, .. data.Retailer];
        return Examples.FromRows([.. rows.SelectMany(row => columns.Select(column => column[row]))], [.. rows.Select(row => data.Y[row])], columns.Length);
    }
}
