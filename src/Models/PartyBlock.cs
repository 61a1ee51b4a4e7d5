namespace VertFed.Models;

/// <summary>
/// One party's share of the training: its quantised columns, its whitening and its copy of the joint optimiser. A role turns
/// integers from the encrypted step into a gradient block here, and gets back its next weights.
/// </summary>
public sealed class PartyBlock
{
    private readonly BlockWhitening _whitening;
    private readonly VectorFreeLbfgs _optimiser;
    private readonly double _l2;

    /// <param name="columns">Own training columns; with an intercept at the label party.</param>
    /// <param name="l2">λ of λ/2·||w||².</param>
    /// <param name="start">Starting weights, one per column (intercept last); zeros at the feature party.</param>
    public PartyBlock(QuantisedColumns columns, double l2, LbfgsOptions options, ReadOnlySpan<double> start)
    {
        Throw.If(!(l2 >= 0) || !double.IsFinite(l2), ModelError.InvalidInput, "l2 has to be a number from 0.");
        Throw.If(start.Length != columns.Count, ModelError.InvalidInput, "There has to be one starting weight per column.");
        Columns = columns;
        _l2 = l2;
        _whitening = BlockWhitening.Create(columns, l2);
        _optimiser = new VectorFreeLbfgs(options, _whitening.WhitenWeights(start));
        Weights = start.ToArray();
    }

    public QuantisedColumns Columns { get; }

    /// <summary>Current weights on the standardised scale, intercept last where there is one.</summary>
    public double[] Weights { get; private set; }

    /// <summary>See <see cref="VectorFreeLbfgs.PeerPointNorm"/>.</summary>
    public double PeerPointNorm => _optimiser.PeerPointNorm;

    /// <summary>See <see cref="VectorFreeLbfgs.GradientNorm"/>.</summary>
    public double GradientNorm => _optimiser.GradientNorm;

    /// <summary>Own linear predictor of the training rows at the current weights, not clipped.</summary>
    public double[] LinearPredictor() => Columns.LinearPredictor(Weights);

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

    /// <summary>Own optimiser scalars of this round; see <see cref="VectorFreeLbfgs"/> for their order.</summary>
    /// <param name="gradient">Own gradient block by the weights, as <see cref="Gradient(ReadOnlySpan{double})"/> returns it.</param>
    public double[] BuildOwnScalars(ReadOnlySpan<double> gradient) => _optimiser.BuildOwnScalars(_whitening.WhitenGradient(gradient));

    /// <summary>Moves to the next weights; see <see cref="VectorFreeLbfgs.Advance"/>.</summary>
    public LbfgsStep Advance(ReadOnlySpan<double> own, ReadOnlySpan<double> peer, double linkError)
    {
        LbfgsStep step = _optimiser.Advance(own, peer, linkError);
        if (step.Verdict != LbfgsVerdict.Exhausted)
        {
            Weights = _whitening.UnwhitenWeights(_optimiser.Point);
        }

        return step;
    }
}
