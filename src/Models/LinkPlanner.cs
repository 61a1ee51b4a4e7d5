namespace VertFed.Models;

/// <summary>How the label party chooses K and when it refits.</summary>
public sealed record LinkPlannerOptions
{
    public static LinkPlannerOptions Default { get; } = new();

    /// <summary>The numbers of pairs to choose from, ascending.</summary>
    public IReadOnlyList<int> Pairs { get; init; } = [4, 6, 8, 10, 12];

    /// <summary>The link's error may be this share of the whitened gradient's norm: the gradient stays a descent direction.</summary>
    public double RelativeError { get; init; } = 0.01;

    /// <summary>Error below which more pairs bring nothing.</summary>
    public double FinalError { get; init; } = 3e-6;
}

/// <summary>
/// The label party's choice of link tables, round by round: the fewest pairs whose error is small beside the last gradient, new
/// tables when a scale bucket moves. The whitened gradient's error is at most the link's root mean square error over the rows,
/// since each whitened block has orthonormal columns, so both live on one scale.
/// </summary>
public sealed class LinkPlanner
{
    private readonly LinkPlannerOptions _options;
    private LinkTables[] _fitted = [];
    private ScaleBuckets? _buckets;
    private LinkTables? _current;
    private int _version = -1;

    public LinkPlanner(LinkPlannerOptions? options = null) => _options = options ?? LinkPlannerOptions.Default;

    /// <summary>The tables for the coming round; the same object as before where nothing changes.</summary>
    /// <param name="gradientNorm">Whitened norm of the last gradient; +∞ before the first.</param>
    /// <param name="sigmaU">Standard deviation of u, 0 while the feature party has not moved.</param>
    /// <param name="v">The label party's own linear predictor.</param>
    public LinkTables Next(double gradientNorm, double sigmaU, ReadOnlySpan<double> v)
    {
        double mean = Reductions.Sum(v) / v.Length;
        double square = Reductions.Dot(v, v) / v.Length;
        double sigmaV = Math.Sqrt(Math.Max(0, square - (mean * mean)));
        ScaleBuckets buckets = ScaleBuckets.Choose(sigmaU, mean, sigmaV, _buckets);
        if (sigmaU == 0)
        {
            return _current is { Pairs: 0 } ? _current : Use(LinkTables.ForZeroScores(++_version, buckets));
        }

        if (buckets != _buckets)
        {
            _buckets = buckets;
            _fitted = LinkTables.LogisticFamilyOfTables(0, buckets, [.. _options.Pairs]);
            _current = null;
        }

        double wanted = Math.Max(_options.FinalError, _options.RelativeError * gradientNorm);
        LinkTables chosen = _fitted.FirstOrDefault(tables => tables.RmsError <= wanted, _fitted[^1]);

        // Never fewer pairs than before: the gradient norm may rise for a round without the stage changing.
        if (_current is not null && _current.Pairs >= chosen.Pairs)
        {
            return _current;
        }

        return Use(chosen.With(++_version, final: chosen.Pairs == _fitted[^1].Pairs));
    }

    /// <summary>The buckets of the current tables, for the ledger; null before the first.</summary>
    public ScaleBuckets? Buckets => _buckets;

    private LinkTables Use(LinkTables tables)
    {
        _current = tables;
        return tables;
    }
}
