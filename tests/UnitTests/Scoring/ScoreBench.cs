using VertFed.Models;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.Protocol;
using VertFed.UnitTests.Vertical;
using VertFed.Vertical;

namespace VertFed.UnitTests.Scoring;

/// <summary>Two halves of a model with columns to score, and what both agree that the model is.</summary>
internal sealed class ScoreBench
{
    public const string Model = "fedcba9876543210fedcba9876543210";

    public ScoreBench(Family family, int rows, double labelScale = 1, ulong seed = 5)
    {
        byte[] key = new byte[RandomStream.KeyBytes];
        BitConverter.TryWriteBytes(key, seed);
        using RandomStream random = new(key);
        Rows = rows;
        Family = family;
        (Label, LabelColumns) = Draw(random, "b", 3, labelScale, intercept: labelScale * 0.7);
        (Feature, FeatureColumns) = Draw(random, "r", 2, labelScale, intercept: 0);
    }

    public int Rows { get; }

    public Family Family { get; }

    public ModelHalf Label { get; }

    public ModelHalf Feature { get; }

    public double[][] LabelColumns { get; }

    public double[][] FeatureColumns { get; }

    public double[][] Terms { get; } = new double[2][];

    public static JobSpecification Specification()
    {
        JobSpec spec = InMemoryParties.DefaultSpec();
        spec.Kind = JobKind.Score;
        spec.Train = null;
        spec.Score = new ScoreSpec { Model = Model };
        spec.Holdout = 0;
        spec.DeadlineSeconds = 60;
        spec.LabelParty.Fingerprint = Enumerable.Repeat((byte)1, 32).ToArray().ToByteString();
        spec.FeatureParty.Fingerprint = Enumerable.Repeat((byte)2, 32).ToArray().ToByteString();
        return JobSpecification.FromMessage(spec);
    }

    public static ModelIdentity IdentityOf(Role role, byte root = 7) => new(
        Model, Filled(root), Filled(role == Role.LabelParty ? (byte)1 : (byte)2), Filled(role == Role.LabelParty ? (byte)2 : (byte)1));

    public Scorer Scorer(IChannel channel, ModelIdentity? identity = null) => new(
        channel, channel.Self == Role.LabelParty ? Label : Feature, identity ?? IdentityOf(channel.Self), Specification(), new SilentObserver());

    public double[][] ColumnsOf(Role role) => role == Role.LabelParty ? LabelColumns : FeatureColumns;

    /// <summary>The score on the joined columns, by a loop of its own; the feature party's part rounded or not.</summary>
    public double Oracle(int row, bool rounded)
    {
        double u = Sum(Feature, FeatureColumns, row);
        if (rounded)
        {
            u = Math.Round(u / Label.LabelScale * 4096) / 4096 * Label.LabelScale;
        }

        double eta = Label.Intercept + Sum(Label, LabelColumns, row) + u;
        return Family == Family.Logistic ? 1 / (1 + Math.Exp(-eta)) : eta;
    }

    private double Sum(ModelHalf half, double[][] columns, int row)
    {
        double[] terms = Terms[half == Label ? 0 : 1];
        double sum = 0;
        for (int j = 0; j < columns.Length; j++)
        {
            sum += terms[j] * (columns[j][row] - j) / (j + 2);
        }

        return sum;
    }

    private (ModelHalf Half, double[][] Columns) Draw(RandomStream random, string prefix, int count, double scale, double intercept)
    {
        double[] weights = new double[count];
        double[][] columns = new double[count][];
        for (int j = 0; j < count; j++)
        {
            weights[j] = scale * (Uniform(random) - 0.5);
            columns[j] = new double[Rows];
            for (int i = 0; i < Rows; i++)
            {
                columns[j][i] = j + ((j + 2) * 4 * (Uniform(random) - 0.5));
            }
        }

        Terms[prefix == "b" ? 0 : 1] = [.. weights];
        return (
            new ModelHalf(
                Family,
                [.. Enumerable.Range(0, count).Select(j => $"{prefix}{j}")],
                weights,
                [.. Enumerable.Range(0, count).Select(j => (double)j)],
                [.. Enumerable.Range(0, count).Select(j => j + 2.0)],
                intercept,
                scale),
            columns);
    }

    private static double Uniform(RandomStream random) => (random.NextUInt64() >> 11) * DeterministicMath.PowerOfTwo(-53);

    private static byte[] Filled(byte value) => [.. Enumerable.Repeat(value, 32)];
}
