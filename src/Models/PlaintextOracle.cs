namespace VertFed.Models;

/// <summary>How the oracle computes residuals.</summary>
public enum OracleMode
{
    /// <summary>The exact mean function in double precision: what the optimiser does without link or rounding.</summary>
    Exact,

    /// <summary>Exactly the integers of the encrypted run: its gradients must equal these bit for bit.</summary>
    Quantised,
}

/// <summary>The two parties' aligned training rows and what a job spec says about training.</summary>
public sealed record OracleProblem
{
    public required GlmFamily Family { get; init; }

    /// <summary>Label party's columns: already quantised, with intercept.</summary>
    public required QuantisedColumns Label { get; init; }

    /// <summary>Feature party's columns.</summary>
    public required QuantisedColumns Feature { get; init; }

    /// <summary>Labels; in the linear family standardised.</summary>
    public required double[] Y { get; init; }

    public required ScalePlan Plan { get; init; }

    public required double L2 { get; init; }

    public int MaxIterations { get; init; } = 30;

    public LinkPlannerOptions Link { get; init; } = LinkPlannerOptions.Default;

    /// <summary>Constants of the optimiser; null takes the family's.</summary>
    public LbfgsOptions? Optimiser { get; init; }
}

/// <summary>One round of the oracle.</summary>
/// <param name="Pairs">K of the round's link, 0 where none was needed.</param>
/// <param name="TableVersion">Version of the link tables.</param>
/// <param name="FeatureSums">Quantised mode: ⟨x_j, r⟩ of the feature party as integers.</param>
/// <param name="LabelSums">Quantised mode: ⟨x_j, r⟩ of the label party as integers, intercept last.</param>
/// <param name="Clipped">Rows clipped at either party.</param>
public sealed record OracleRound(
    LbfgsStep Step, int Pairs, int TableVersion, double LinkError, long[] FeatureSums, long[] LabelSums, long Clipped);

/// <summary>Where the oracle ended.</summary>
/// <param name="LabelWeights">Standardised scale, intercept last.</param>
/// <param name="TrainLoss">Mean loss of the training rows at the final weights, without penalty (exact link).</param>
public sealed record OracleResult(
    double[] LabelWeights, double[] FeatureWeights, bool Converged, double TrainLoss, IReadOnlyList<OracleRound> Rounds);

/// <summary>
/// The two-party optimiser in one process, without encryption: the reference that the encrypted run is compared with, and the dry run
/// by which an analyst sees what a job would do. Each party's part is computed from its own data and from what would cross.
/// </summary>
public static class PlaintextOracle
{
    /// <exception cref="ModelException">As any part of training raises it.</exception>
    public static OracleResult Run(OracleProblem problem, OracleMode mode)
    {
        QuantisedColumns labelColumns = problem.Label;
        QuantisedColumns featureColumns = problem.Feature;
        Throw.If(
            labelColumns.Rows != featureColumns.Rows || labelColumns.Rows != problem.Y.Length,
            ModelError.InvalidInput,
            "Both parties need the same aligned rows.");
        LbfgsOptions options = problem.Optimiser ?? TrainingDefaults.Optimiser(problem.Family, problem.MaxIterations);
        LocalFit alone = LocalFit.Fit(labelColumns, problem.Y, problem.Family, problem.L2);
        PartyBlock label = new(labelColumns, problem.Family, problem.L2, options, TrainingDefaults.Start(problem.Family, alone));
        PartyBlock feature = new(featureColumns, problem.Family, problem.L2, options, new double[featureColumns.Count]);
        LinkPlanner planner = new(problem.Link);
        List<OracleRound> rounds = [];
        while (true)
        {
            double[] u = feature.LinearPredictor();
            double[] v = label.LinearPredictor();
            OracleRound round = mode == OracleMode.Exact
                ? ExactRound(problem, planner, label, feature, u, v)
                : QuantisedRound(problem, planner, label, feature, u, v);
            rounds.Add(round);
            if (round.Step.Verdict != LbfgsVerdict.Continue)
            {
                double[] eta = label.LinearPredictor();
                double[] finalU = feature.LinearPredictor();
                Reductions.MultiplyAdd(1, finalU, eta);
                return new OracleResult(
                    label.Weights,
                    feature.Weights,
                    round.Step.Verdict == LbfgsVerdict.Converged,
                    LocalFit.MeanLoss(problem.Family, eta, problem.Y),
                    rounds);
            }
        }
    }

    private static OracleRound ExactRound(
        OracleProblem problem, LinkPlanner planner, PartyBlock label, PartyBlock feature, double[] u, double[] v)
    {
        double[] residual = new double[u.Length];
        for (int i = 0; i < residual.Length; i++)
        {
            residual[i] = problem.Family.Mean(u[i] + v[i]) - problem.Y[i];
        }

        double[] Block(PartyBlock block)
        {
            double[] sums = new double[block.Columns.Count];
            for (int j = 0; j < sums.Length; j++)
            {
                sums[j] = block.Columns.Dot(j, residual);
            }

            return block.Gradient(sums);
        }

        if (label.WantsCurvature)
        {
            LinkTables tables = planner.Next(label.GradientNorm, label.PeerDeviation, v);
            _ = QuantisedLink.Clip(u) + QuantisedLink.Clip(v);
            label.Reweight(tables.Curvature(v));
            feature.Reweight(tables.ForFeatureParty.Curvature(u));
        }

        LbfgsStep step = Exchange(label, feature, Block(label), Block(feature), LinkQuality.Exact);
        return new OracleRound(step, 0, 0, 0, [], [], 0);
    }

    private static OracleRound QuantisedRound(
        OracleProblem problem, LinkPlanner planner, PartyBlock label, PartyBlock feature, double[] u, double[] v)
    {
        ScalePlan plan = problem.Plan;
        long[] residual;
        int pairs = 0;
        int version = 0;
        LinkQuality link = LinkQuality.Exact;
        long clipped = 0;
        if (problem.Family.HasLink)
        {
            LinkTables tables = planner.Next(label.GradientNorm, label.PeerDeviation, v);
            clipped = QuantisedLink.Clip(u) + QuantisedLink.Clip(v);
            pairs = tables.Pairs;
            version = tables.Version;
            link = tables.ForFeatureParty.Quality;
            if (label.WantsCurvature)
            {
                label.Reweight(tables.Curvature(v));
                feature.Reweight(tables.ForFeatureParty.Curvature(u));
            }

            residual = QuantisedLink.FeatureShare(tables.ForFeatureParty, u, plan);
            Add(residual, QuantisedLink.LabelShare(tables, v, problem.Y, plan));
            long[][] phi = QuantisedLink.Phi(tables.ForFeatureParty, u, plan);
            long[][] psi = QuantisedLink.Psi(tables, v, plan);
            for (int k = 0; k < pairs; k++)
            {
                for (int i = 0; i < residual.Length; i++)
                {
                    residual[i] += phi[k][i] * psi[k][i];
                }
            }
        }
        else
        {
            residual = QuantisedLink.LinearShare(u, plan);
            Reductions.MultiplyAdd(-1, problem.Y, v);
            Add(residual, QuantisedLink.LinearShare(v, plan));
        }

        long[] labelSums = Sums(label, residual);
        long[] featureSums = Sums(feature, residual);
        LbfgsStep step = Exchange(label, feature, label.Gradient(labelSums, plan), feature.Gradient(featureSums, plan), link);
        return new OracleRound(step, pairs, version, link.RmsError, featureSums, labelSums, clipped);
    }

    private static LbfgsStep Exchange(PartyBlock label, PartyBlock feature, double[] labelGradient, double[] featureGradient, LinkQuality link)
    {
        double[] fromLabel = label.BuildOwnScalars(labelGradient);
        double[] fromFeature = feature.BuildOwnScalars(featureGradient);
        LbfgsStep step = label.Advance(fromLabel, fromFeature, link);
        LbfgsStep twin = feature.Advance(fromFeature, fromLabel, link);
        Throw.If(step != twin, ModelError.InvalidInput, "The two parties' optimisers came apart.");
        return step;
    }

    private static long[] Sums(PartyBlock block, long[] residual)
    {
        long[] sums = new long[block.Columns.Count];
        for (int j = 0; j < sums.Length; j++)
        {
            sums[j] = block.Columns.Dot(j, residual);
        }

        return sums;
    }

    private static void Add(long[] sum, long[] other)
    {
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] += other[i];
        }
    }
}
