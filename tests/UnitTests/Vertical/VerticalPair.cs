using VertFed.Lattice;
using VertFed.Models;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;

namespace VertFed.UnitTests.Vertical;

/// <summary>Small aligned data sets and both roles over an in-memory channel.</summary>
internal static class VerticalPair
{
    private const int FeatureBits = 13;

    public static JobSpecification Specification(
        VertFed.Protocol.V1.Family family = VertFed.Protocol.V1.Family.Logistic, bool acceptRisk = true, uint maxIterations = 30)
    {
        JobSpec spec = InMemoryParties.DefaultSpec(family);
        spec.AcceptDisclosureRisk = acceptRisk;
        spec.Train.MaxIterations = maxIterations;
        spec.LabelParty.Fingerprint = Google.Protobuf.ByteString.CopyFrom(Enumerable.Repeat((byte)1, 32).ToArray());
        spec.FeatureParty.Fingerprint = Google.Protobuf.ByteString.CopyFrom(Enumerable.Repeat((byte)2, 32).ToArray());
        return JobSpecification.FromMessage(spec);
    }

    /// <summary>Two parties' columns with some correlation across them, and labels that need both.</summary>
    public static (VerticalInput Label, VerticalInput Feature) Data(
        int rows, int labelColumns, int featureColumns, bool linear = false, ulong seed = 7)
    {
        byte[] key = new byte[RandomStream.KeyBytes];
        BitConverter.TryWriteBytes(key, seed);
        using RandomStream random = new(key);
        double[][] label = Columns(random, labelColumns, rows);
        double[][] feature = Columns(random, featureColumns, rows);
        double[] y = new double[rows];
        bool[] isTest = new bool[rows];
        for (int i = 0; i < rows; i++)
        {
            double eta = linear ? 2 : -0.7;
            for (int j = 0; j < labelColumns; j++)
            {
                eta += label[j][i] * 0.6 / (j + 1);
            }

            for (int j = 0; j < featureColumns; j++)
            {
                feature[j][i] += 0.4 * label[j % labelColumns][i];
                eta -= feature[j][i] * 0.5 / (j + 1);
            }

            y[i] = linear ? eta + (0.3 * Normal(random)) : (Uniform(random) < DeterministicMath.Sigmoid(eta) ? 1 : 0);
            isTest[i] = random.NextBelow(5) == 0;
        }

        return (
            new VerticalInput([.. Enumerable.Range(0, labelColumns).Select(j => $"b{j}")], label, y, isTest),
            new VerticalInput([.. Enumerable.Range(0, featureColumns).Select(j => $"r{j}")], feature, null, isTest));
    }

    public static async Task<(VerticalResult Label, VerticalResult Feature)> RunAsync(
        VerticalInput label, VerticalInput feature, JobSpecification specification, ulong seed = 1)
    {
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(specification, seed);
        Task<VerticalResult> bank = new LabelParty(pair.Label, label, specification, new SilentObserver()).RunAsync(default);
        Task<VerticalResult> retailer = new FeatureParty(pair.Feature, feature, specification, new SilentObserver()).RunAsync(default);
        await Task.WhenAll(bank, retailer);
        return (await bank, await retailer);
    }

    /// <summary>A pair whose alignment is over, as far as the grammar can tell: training does not look at what it said.</summary>
    public static async Task<InMemoryChannelPair> OpenAsync(JobSpecification specification, ulong seed)
    {
        InMemoryChannelPair pair = await InMemoryChannelPair.OpenAsync(specification, seed);
        await Task.WhenAll(PassAlignmentAsync(pair.Label), PassAlignmentAsync(pair.Feature));
        return pair;
    }

    /// <summary>The same job without encryption.</summary>
    public static OracleResult Oracle(VerticalInput label, VerticalInput feature, JobSpecification specification)
    {
        TrainingSetup bank = TrainingSetup.Prepare(label, specification);
        TrainingSetup retailer = TrainingSetup.Prepare(feature, specification);
        return PlaintextOracle.Run(
            new OracleProblem
            {
                Family = bank.Family,
                Label = bank.Columns,
                Feature = retailer.Columns,
                Y = LabelScale.Of(bank.Family, label.Labels!, bank.TrainRows).Train,
                Plan = bank.Plan,
                L2 = specification.L2,
                MaxIterations = specification.MaxIterations,
            },
            OracleMode.Quantised);
    }

    /// <summary>Lets both ends pass TrainSetup without looking at it.</summary>
    public static async Task PassSetupAsync(InMemoryChannelPair pair)
    {
        await pair.Label.SendAsync(Step.TrainSetup, 0, new TrainSetup(), default);
        await pair.Feature.SendAsync(Step.TrainSetup, 0, new TrainSetup(), default);
        await pair.Label.ReceiveAsync(Step.TrainSetup, 0, TrainSetup.Parser, default);
        await pair.Feature.ReceiveAsync(Step.TrainSetup, 0, TrainSetup.Parser, default);
    }

    public static QuantisedColumns QuantisedColumns(int rows, int columns, byte seed)
    {
        using RandomStream random = new(Enumerable.Repeat(seed, RandomStream.KeyBytes).ToArray());
        int[][] values = new int[columns][];
        for (int j = 0; j < columns; j++)
        {
            values[j] = [.. Enumerable.Range(0, rows).Select(_ => (int)random.NextBelow(6 << FeatureBits) - (3 << FeatureBits))];
        }

        return new QuantisedColumns(values, rows, FeatureBits, hasIntercept: false);
    }

    public static FloodingBound Flood(QuantisedColumns columns, PackingPlan plan) => new(
        LatticeParameters.Gradient,
        FloodingBound.ColumnProductNoise(Math.Sqrt(plan.ColumnsPerResponse) * Math.Max(1, columns.MaxNorm())),
        30 * columns.Count);

    public static ulong[] RandomResidues(int rows, byte seed)
    {
        using RandomStream random = new(Enumerable.Repeat(seed, RandomStream.KeyBytes).ToArray());
        ulong[] residues = new ulong[rows];
        PlainField.FillRandom(random, residues);
        return residues;
    }

    private static async Task PassAlignmentAsync(SealedChannel channel)
    {
        await channel.SendAsync(Step.BlindedIds, 0, new BlindedIds(), default);
        await channel.ReceiveAsync(Step.BlindedIds, 0, BlindedIds.Parser, default);
        await channel.SendAsync(Step.EvaluatedIds, 0, new EvaluatedIds(), default);
        await channel.ReceiveAsync(Step.EvaluatedIds, 0, EvaluatedIds.Parser, default);
        await channel.SendAsync(Step.AlignmentDigest, 0, new AlignmentDigest(), default);
        await channel.ReceiveAsync(Step.AlignmentDigest, 0, AlignmentDigest.Parser, default);
    }

    private static double[][] Columns(RandomStream random, int columns, int rows)
    {
        double[][] result = new double[columns][];
        for (int j = 0; j < columns; j++)
        {
            result[j] = [.. Enumerable.Range(0, rows).Select(_ => (3 * Normal(random)) + j)];
        }

        return result;
    }

    private static double Uniform(RandomStream random) => (random.NextUInt64() >> 11) * DeterministicMath.PowerOfTwo(-53);

    private static double Normal(RandomStream random)
    {
        double sum = 0;
        for (int i = 0; i < 12; i++)
        {
            sum += Uniform(random);
        }

        return sum - 6;
    }
}

internal sealed class SilentObserver : IVerticalObserver
{
    public void PhaseStarted(Phase phase)
    {
    }

    public void IterationFinished(IterationProgress progress)
    {
    }
}
