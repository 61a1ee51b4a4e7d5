namespace VertFed.Models;

/// <summary>
/// One party's share of the training: its quantised columns, its whitening and its copy of the joint optimiser. A role turns
/// integers from the encrypted step into a gradient block here, and gets back its next weights.
/// </summary>
/// <remarks>
/// Whitening uses curvature weights. In the linear family they are 1 and nothing changes. With a link, the first
/// <see cref="TrainingDefaults.WhiteningRounds"/> rounds bring weights S that a party knows by itself: the derivative of its main
/// effect, α′(u) or β′(v), which is the expected curvature given its own score. Then the coordinates stay.
/// </remarks>
public sealed class PartyBlock
{
    private readonly LbfgsOptions _options;
    private readonly double _l2;
    private readonly bool _weighted;
    private BlockWhitening? _whitening;
    private VectorFreeLbfgs? _optimiser;
    private double _unitDeviation;
    private double _peerUnitDeviation;

    /// <param name="columns">Own training columns; with an intercept at the label party, which is how the block knows its side.</param>
    /// <param name="l2">λ of λ/2·||w||².</param>
    /// <param name="start">Starting weights, one per column (intercept last); zeros at the feature party.</param>
    /// <exception cref="ModelException">Shapes that do not fit, or a singular block with λ too small to mend it.</exception>
    public PartyBlock(QuantisedColumns columns, GlmFamily family, double l2, LbfgsOptions options, ReadOnlySpan<double> start)
    {
        Throw.If(!(l2 >= 0) || !double.IsFinite(l2), ModelError.InvalidInput, "l2 has to be a number from 0.");
        Throw.If(start.Length != columns.Count, ModelError.InvalidInput, "There has to be one starting weight per column.");
        Columns = columns;
        _l2 = l2;
        _options = options;
        _weighted = family.HasLink;
        Weights = start.ToArray();
        if (!_weighted)
        {
            Whiten(BlockWhitening.Create(columns, l2));
        }
    }

    public QuantisedColumns Columns { get; }

    /// <summary>Current weights on the standardised scale, intercept last where there is one.</summary>
    public double[] Weights { get; private set; }

    /// <summary>Gradients so far.</summary>
    public int Iteration => _optimiser?.Iteration ?? 0;

    /// <summary>Whitened norm of the last joint gradient, +∞ before the first.</summary>
    public double GradientNorm => _optimiser?.GradientNorm ?? double.PositiveInfinity;

    /// <summary>
    /// At the label party: the standard deviation of u at the weights that the feature party has just moved to, within a few per cent, 0
    /// while those are zero. Follows from the scalars, so choosing tables needs no message of its own.
    /// </summary>
    public double PeerDeviation => (_optimiser?.PeerPointNorm ?? 0) * _peerUnitDeviation;

    /// <summary>This round wants <see cref="Reweight"/> before the scalars are built.</summary>
    public bool WantsCurvature => _weighted && Iteration < TrainingDefaults.WhiteningRounds;

    /// <summary>Own linear predictor of the training rows at the current weights, not clipped.</summary>
    public double[] LinearPredictor() => Columns.LinearPredictor(Weights);

    /// <summary>Whitens anew with the given curvature weights, one per row (<see cref="LinkSeries.Curvature"/>,
    /// <see cref="LinkTables.Curvature"/>).</summary>
    public void Reweight(ReadOnlyMemory<double> curvature)
    {
        Throw.If(!WantsCurvature, ModelError.InvalidInput, "This round takes no curvature weights.");
        Throw.If(curvature.Length != Columns.Rows, ModelError.InvalidInput, "There has to be one curvature weight per row.");
        Whiten(BlockWhitening.Create(Columns, _l2, curvature));
        double mean = Reductions.Sum(curvature.Span) / curvature.Length;
        double norm = Math.Sqrt(Reductions.Dot(_optimiser!.Point, _optimiser.Point));
        double[] predictor = LinearPredictor();
        _unitDeviation = norm > 0 ? Math.Sqrt(Reductions.Dot(predictor, predictor) / predictor.Length) / norm : 1 / Math.Sqrt(mean);
    }

    /// <summary>Gradient block from the exact integer inner products ⟨x_j, r⟩ in units of <see cref="ScalePlan.GradientUnit"/>.</summary>
    public double[] Gradient(ReadOnlySpan<long> innerProducts, ScalePlan plan)
    {
        double[] sums = new double[innerProducts.Length];
        for (int j = 0; j < sums.Length; j++)
        {
            sums[j] = innerProducts[j] * plan.GradientUnit;
        }

        return Gradient(sums);
    }

    /// <summary>Gradient block (1/n)·⟨x_j, r⟩ + λ w_j from inner products on the standardised scale.</summary>
    public double[] Gradient(ReadOnlySpan<double> innerProducts)
    {
        Throw.If(innerProducts.Length != Columns.Count, ModelError.InvalidInput, "There has to be one inner product per column.");
        double[] gradient = new double[innerProducts.Length];
        int penalised = Columns.HasIntercept ? gradient.Length - 1 : gradient.Length;
        for (int j = 0; j < gradient.Length; j++)
        {
            gradient[j] = innerProducts[j] / Columns.Rows;
            if (j < penalised)
            {
                gradient[j] = Math.FusedMultiplyAdd(_l2, Weights[j], gradient[j]);
            }
        }

        return gradient;
    }

    /// <summary>
    /// Own optimiser scalars of this round: the inner products that <see cref="VectorFreeLbfgs"/> lists, and last, from the feature
    /// party, the standard deviation of u per unit of the whitened norm (the label party sends 0).
    /// </summary>
    /// <param name="gradient">Own gradient block by the weights, as <see cref="Gradient(ReadOnlySpan{double})"/> returns it.</param>
    public double[] BuildOwnScalars(ReadOnlySpan<double> gradient)
    {
        Throw.If(
            _optimiser is null || _whitening is null || (WantsCurvature && !_reweighted),
            ModelError.InvalidInput,
            "This round takes curvature weights first.");
        return [.. _optimiser.BuildOwnScalars(_whitening.WhitenGradient(gradient)), Columns.HasIntercept ? 0 : _unitDeviation];
    }

    /// <summary>Moves to the next weights; see <see cref="VectorFreeLbfgs.Advance"/>.</summary>
    /// <exception cref="ModelException">The peer's scalars are not what this round takes.</exception>
    public LbfgsStep Advance(ReadOnlySpan<double> own, ReadOnlySpan<double> peer, LinkQuality link)
    {
        Throw.If(own.IsEmpty || peer.Length != own.Length, ModelError.InvalidInput, $"This round takes {own.Length} optimiser scalars of each party.");
        Throw.If(!(peer[^1] is >= 0 and < 1e6), ModelError.InvalidInput, "The peer's deviation per unit is out of range.");
        Throw.If(_optimiser is null || _whitening is null, ModelError.InvalidInput, "The optimiser was called out of turn.");
        LbfgsStep step = _optimiser.Advance(own[..^1], peer[..^1], link);
        _peerUnitDeviation = peer[^1];
        _reweighted = false;
        if (step.Verdict != LbfgsVerdict.Exhausted)
        {
            Weights = _whitening.UnwhitenWeights(_optimiser.Point);
        }

        return step;
    }

    private bool _reweighted;

    private void Whiten(BlockWhitening next)
    {
        if (_optimiser is null || _whitening is null)
        {
            _optimiser = new VectorFreeLbfgs(_options, Columns.HasIntercept, next.WhitenWeights(Weights));
        }
        else
        {
            BlockWhitening last = _whitening;
            _optimiser.ChangeCoordinates(
                z => next.WhitenWeights(last.UnwhitenWeights(z)),
                g => next.WhitenGradient(last.UnwhitenGradient(g)));
        }

        _whitening = next;
        _reweighted = true;
    }
}
