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

    [SkippableTheory]
    [InlineData("iid", 0.003)]
    [InlineData("dirichlet:0.3", 0.04)]
    public void Under_fedmd_each_own_model_ranks_nearly_as_the_fit_of_all_rows_in_one_place_does_or_somewhat_worse_where_parties_are_unlike(string partition, double gap)
    {
        PairData data = Data.Value;
        FederatedScaling scaling = FederatedScaling.FromSum(FederatedScaling.Contribution(Rows(data, data.Train)));
        Examples test = scaling.Apply(Rows(data, data.Test));
        var method = new DistillingMethod(OutputsOnly: true, DistillingMethod.UsualSteps, PublicShare: 0.05);
        var options = new SimulationOptions
        {
            Model = FederatedModel.Generalised(LossHead.Logistic, test.Features),
            Strategy = new FedAvg(),
            Partition = Partition.Parse(partition),
            Clients = 5,
            Rounds = 20,
            Seed = 1,
            Method = method,
            Work = new LocalWork { Epochs = 1, BatchSize = 256, L2 = 1e-3, Optimiser = OptimiserSpec.Sgd(0.1) },
        };
        (Examples shared, Examples train) = DistillingServer.Publish(scaling.Apply(Rows(data, data.Train)), method.PublicShare, options.Seed);
        using var clients = new SimulatedClients(options, train, usesControl: false);
        var server = new DistillingServer(options, clients, test, new double[options.Model.Layout.Length], method, shared);
        for (int round = 0; round < options.Rounds; round++)
        {
            server.Round(round, CancellationToken.None);
        }

        double[] scores = [.. Enumerable.Range(0, 5).Select(client => Evaluation.Of(options.Model, server.ModelOf(client), test).Score)];
        double central = data.Model.GetProperty("joint").GetProperty("test").GetProperty("auc").GetDouble();
        Assert.All(scores, score => Assert.InRange(score, central - gap, central + 0.003));
    }

    private static Examples Rows(PairData data, int[] rows)
    {
        double[][] columns = [.. data.Bank, .. data.Retailer];
        return Examples.FromRows([.. rows.SelectMany(row => columns.Select(column => column[row]))], [.. rows.Select(row => data.Y[row])], columns.Length);
    }
}
