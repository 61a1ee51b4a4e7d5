using BenchmarkDotNet.Attributes;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;
using VertFed.Horizontal.Updates;
using VertFed.Models;
using VertFed.Primitives;

namespace VertFed.Bench;

/// <summary>Whole simulations of the horizontal mode on the machine's cores: 30,000 training rows of 23 features, evaluation on 7,500 rows each round.</summary>
[Config(typeof(MacroConfig))]
public class SimulationBenchmarks
{
    private const int TrainRows = 30_000;
    private const int TestRows = 7_500;
    private const int Features = 23;
    private Examples? _train;
    private Examples? _test;

    [GlobalSetup]
    public void Draw()
    {
        _train = Rows(1, TrainRows);
        _test = Rows(2, TestRows);
    }

    /// <summary>1,000 clients, 100 rounds, all clients in each round.</summary>
    [Benchmark]
    public double ThousandClientsHundredRounds() => Run(1000, 100, secure: false);

    /// <summary>One round of the secure sum, with all its steps, of 100 clients.</summary>
    [Benchmark]
    public double SecureSumOfHundredClients() => Run(100, 1, secure: true);

    private double Run(int clients, int rounds, bool secure) => SimulationEngine.Run(
        new SimulationOptions
        {
            Model = FederatedModel.Generalised(LossHead.Logistic, Features),
            Strategy = new FedAvg(),
            Partition = Partition.Parse("dirichlet:0.3"),
            Clients = clients,
            Rounds = rounds,
            Seed = 1,
            Threads = Environment.ProcessorCount,
            Secure = secure,
            Work = new LocalWork { Epochs = 1, BatchSize = 32, Optimiser = OptimiserSpec.Sgd(0.1) },
        },
        _train!,
        _test!).Rounds[^1].Test.Loss;

    private static Examples Rows(ulong seed, int rows)
    {
        using RandomStream stream = Horizontal.RandomStreams.InsecureFromSeed(seed).For("bench", 0, 0);
        double[] x = new double[rows * Features];
        double[] y = new double[rows];
        for (int i = 0; i < rows; i++)
        {
            double eta = -1;
            for (int j = 0; j < Features; j++)
            {
                double value = Horizontal.Draws.Normal(stream);
                x[(i * Features) + j] = value;
                eta += value / (1 + j);
            }

            y[i] = Horizontal.Draws.Uniform(stream) < DeterministicMath.Sigmoid(eta) ? 1 : 0;
        }

        return Examples.FromRows(x, y, Features);
    }
}
