namespace VertFed.Models;

/// <summary>
/// Joint L-BFGS over two blocks of coordinates of which each party holds one (vector-free L-BFGS: Chen, Wang and Zhou, NIPS 2014;
/// L-BFGS: Nocedal and Wright, "Numerical Optimization", algorithm 7.4). Directions are combinations of the vectors
/// s_i, y_i, g whose coefficients depend on inner products alone, and those are sums of one term per party. So both parties run
/// this class on their own block, exchange their terms, derive the same coefficients, and each moves its own block.
/// </summary>
/// <remarks>
/// One round: the gradient at <see cref="Point"/> → <see cref="BuildOwnScalars"/> → exchange → <see cref="Advance"/>.
/// The scalars are inner products of own blocks. With the pairs kept as p_1 … p_m, oldest first, their vectors
/// s_1, y_1, …, s_m, y_m, and the new pair s, y (from the second round on), the order is: s with each of s_1 … y_m, s·s, s·y; y with
/// each of s_1 … y_m, y·y; g with each of s_1 … y_m, s, y, g·g; z (the point) with each of s_1 … y_m, s, y, then z·g, z·z. In a round
/// after <see cref="ChangeCoordinates"/> the products of s_1 … y_m with one another come first.
/// </remarks>
public sealed class VectorFreeLbfgs
{
    private readonly LbfgsOptions _options;
    private readonly bool _isLabelParty;
    private readonly int _gradientSlot;
    private readonly int _pointSlot;
    private readonly int _slots;
    private readonly double[]?[] _vectors; // own blocks: s of pair p in slot 2p, y in 2p + 1, then g, then z
    private readonly GramTable _gram;
    private readonly List<int> _pairs = []; // pair numbers, oldest first
    private int _candidate = -1;
    private double[]? _previousPoint;
    private double[]? _previousGradient;
    private double _previousSlope;
    private double _firstNorm;
    private LinkQuality _previousLink;
    private double _inverseCurvature;
    private int _growths;
    private bool _coordinatesChanged;
    private bool _awaitsScalars;
    private bool _done;

    /// <param name="start">Own block of the starting point, whitened.</param>
    /// <param name="isLabelParty">Which of the two blocks this is; the order of some sums depends on it, alike at both.</param>
    /// <exception cref="ModelException">Options out of range or a start that is not finite.</exception>
    public VectorFreeLbfgs(LbfgsOptions options, bool isLabelParty, ReadOnlySpan<double> start)
    {
        Throw.If(options.History < 1 || options.MaxIterations < 1, ModelError.InvalidInput, "At least one pair and one iteration are needed.");
        Throw.If(!(options.InitialInverseCurvature > 0), ModelError.InvalidInput, "The initial inverse curvature has to be positive.");
        Throw.IfNotFinite(start, "The starting point");
        _options = options;
        _isLabelParty = isLabelParty;
        _inverseCurvature = options.InitialInverseCurvature;
        _gradientSlot = 2 * (options.History + 1);
        _pointSlot = _gradientSlot + 1;
        _slots = _pointSlot + 1;
        _vectors = new double[_slots][];
        _vectors[_pointSlot] = start.ToArray();
        _gram = new GramTable(_slots);
    }

    /// <summary>Own block of the point at which the next gradient is wanted, whitened.</summary>
    public ReadOnlySpan<double> Point => _vectors[_pointSlot];

    /// <summary>Gradients taken so far.</summary>
    public int Iteration { get; private set; }

    /// <summary>Whitened norm of the last joint gradient, +∞ before the first.</summary>
    public double GradientNorm { get; private set; } = double.PositiveInfinity;

    /// <summary>Norm of the peer's block of <see cref="Point"/>, known from the scalars; 0 before the first round.</summary>
    public double PeerPointNorm { get; private set; }

    /// <summary>
    /// Goes over to other whitened coordinates between two rounds; both parties must do so in the same rounds. Curvature pairs stay valid,
    /// since s'y does not depend on the coordinates.
    /// </summary>
    /// <param name="mapPoint">Maps a difference of points, z → z′.</param>
    /// <param name="mapGradient">Maps a difference of gradients; the inverse transpose of the other.</param>
    public void ChangeCoordinates(Func<double[], double[]> mapPoint, Func<double[], double[]> mapGradient)
    {
        Throw.If(_awaitsScalars, ModelError.InvalidInput, "The optimiser was called out of turn.");
        _vectors[_pointSlot] = mapPoint(_vectors[_pointSlot]!);
        _previousPoint = _previousPoint is null ? null : mapPoint(_previousPoint);
        _previousGradient = _previousGradient is null ? null : mapGradient(_previousGradient);
        foreach (int pair in _pairs)
        {
            _vectors[2 * pair] = mapPoint(_vectors[2 * pair]!);
            _vectors[(2 * pair) + 1] = mapGradient(_vectors[(2 * pair) + 1]!);
        }

        _coordinatesChanged = true;
    }

    /// <summary>Takes own block of the gradient at <see cref="Point"/> and returns the scalars to send.</summary>
    /// <exception cref="ModelException">Wrong length, numbers that are not finite, or a call out of turn.</exception>
    public double[] BuildOwnScalars(ReadOnlySpan<double> gradient)
    {
        Throw.If(_done || _awaitsScalars, ModelError.InvalidInput, "The optimiser was called out of turn.");
        Throw.If(gradient.Length != Point.Length, ModelError.InvalidInput, "The gradient block has the wrong length.");
        Throw.IfNotFinite(gradient, "The gradient");
        _vectors[_gradientSlot] = gradient.ToArray();
        _candidate = -1;
        if (_previousPoint is not null && _previousGradient is not null)
        {
            _candidate = Enumerable.Range(0, _options.History + 1).First(pair => !_pairs.Contains(pair));
            _vectors[2 * _candidate] = Difference(Point, _previousPoint);
            _vectors[(2 * _candidate) + 1] = Difference(gradient, _previousGradient);
        }

        _awaitsScalars = true;
        return [.. WantedProducts().Select(wanted => Reductions.Dot(_vectors[wanted.I], _vectors[wanted.J]))];
    }

    /// <summary>Takes both parties' scalars and moves to the next point.</summary>
    /// <param name="own">What <see cref="BuildOwnScalars"/> returned.</param>
    /// <param name="peer">The peer's, of the same length.</param>
    /// <param name="link">The round's link tables, the same at both parties.</param>
    /// <exception cref="ModelException">Wrong length, numbers that are not finite, squares below zero, or a call out of turn.</exception>
    public LbfgsStep Advance(ReadOnlySpan<double> own, ReadOnlySpan<double> peer, LinkQuality link)
    {
        Throw.If(!_awaitsScalars, ModelError.InvalidInput, "The optimiser was called out of turn.");
        TakeScalars(own, peer);
        _awaitsScalars = false;
        _coordinatesChanged = false;
        Iteration++;

        double norm = Math.Sqrt(_gram.Total(_gradientSlot, _gradientSlot));
        _firstNorm = Iteration == 1 ? norm : _firstNorm;
        bool kept = TakePair(link);
        bool restarted = RestartAfterGrowth(norm);
        (Combination step, double slope, double length) = Measure(Direction());
        if (!(slope < -_options.DescentTolerance * length * norm) && norm > 0)
        {
            _pairs.Clear();
            restarted = true;
            (step, slope, length) = Measure(Direction());
        }

        double decrement = -0.5 * slope;
        bool converged = norm == 0
            || (decrement < _options.DecrementTolerance
                && norm <= _options.GradientTolerance * _firstNorm
                && (link.Final || link.RmsError <= _options.LinkTolerance));
        GradientNorm = norm;
        if (!converged && Iteration >= _options.MaxIterations)
        {
            _done = true;
            return new LbfgsStep(LbfgsVerdict.Exhausted, Iteration, norm, decrement, 0, kept, restarted, false);
        }

        bool interpolated = false;
        if (!converged && !restarted && SecantStep() is { } back)
        {
            (step, slope, length) = Measure(back);
            interpolated = true;
        }

        if (length > _options.MaxStep)
        {
            step.Scale(_options.MaxStep / length);
            slope *= _options.MaxStep / length;
            length = _options.MaxStep;
        }

        Move(step);
        _previousSlope = slope;
        _previousLink = link;
        _done = converged;
        return new LbfgsStep(
            converged ? LbfgsVerdict.Converged : LbfgsVerdict.Continue, Iteration, norm, decrement, length, kept, restarted, interpolated);
    }

    private List<(int I, int J)> WantedProducts()
    {
        List<(int I, int J)> wanted = [];
        List<int> all = [];
        foreach (int pair in _pairs)
        {
            all.Add(2 * pair);
            all.Add((2 * pair) + 1);
        }

        if (_coordinatesChanged)
        {
            for (int i = 0; i < all.Count; i++)
            {
                for (int j = 0; j <= i; j++)
                {
                    wanted.Add((all[i], all[j]));
                }
            }
        }

        if (_candidate >= 0)
        {
            int s = 2 * _candidate;
            wanted.AddRange(all.Select(slot => (s, slot)));
            wanted.Add((s, s));
            wanted.Add((s, s + 1));
            wanted.AddRange(all.Select(slot => (s + 1, slot)));
            wanted.Add((s + 1, s + 1));
            all.Add(s);
            all.Add(s + 1);
        }

        wanted.AddRange(all.Select(slot => (_gradientSlot, slot)));
        wanted.Add((_gradientSlot, _gradientSlot));
        wanted.AddRange(all.Select(slot => (_pointSlot, slot)));
        wanted.Add((_pointSlot, _gradientSlot));
        wanted.Add((_pointSlot, _pointSlot));
        return wanted;
    }

    private void TakeScalars(ReadOnlySpan<double> own, ReadOnlySpan<double> peer)
    {
        List<(int I, int J)> wanted = WantedProducts();
        Throw.If(
            own.Length != wanted.Count || peer.Length != wanted.Count,
            ModelError.InvalidInput,
            $"This round takes {wanted.Count} optimiser scalars of each party.");
        Throw.IfNotFinite(own, "The list of own optimiser scalars");
        Throw.IfNotFinite(peer, "The peer's list of optimiser scalars");
        for (int k = 0; k < wanted.Count; k++)
        {
            Throw.If(wanted[k].I == wanted[k].J && peer[k] < 0, ModelError.InvalidInput, "The peer sent a negative square.");
        }

        for (int k = 0; k < wanted.Count; k++)
        {
            _gram.Set(wanted[k].I, wanted[k].J, own[k], peer[k]);
        }
    }

    /// <summary>Puts the candidate into the history if it tells the curvature of one function.</summary>
    private bool TakePair(LinkQuality link)
    {
        if (_candidate < 0)
        {
            return false;
        }

        int s = 2 * _candidate;
        int y = s + 1;
        double lengthS = Math.Sqrt(_gram.Total(s, s));
        double lengthY = Math.Sqrt(_gram.Total(y, y));
        bool curved = _gram.Total(s, y) > _options.CurvatureTolerance * lengthS * lengthY;
        bool oneFunction = link.Version == _previousLink.Version
            || link.RmsError + _previousLink.RmsError <= _options.PairErrorTolerance * lengthY;
        if (!curved || !oneFunction)
        {
            return false;
        }

        _pairs.Add(_candidate);
        if (_pairs.Count > _options.History)
        {
            _pairs.RemoveAt(0);
        }

        return true;
    }

    private bool RestartAfterGrowth(double norm)
    {
        // A quadratic's pairs are exact, whatever the gradient's norm does on the way.
        _growths = !_options.ExactBlocks && norm > GradientNorm ? _growths + 1 : 0;
        if (_growths < 2)
        {
            return false;
        }

        _pairs.Clear();
        _inverseCurvature *= 0.5;
        _growths = 0;
        return true;
    }

    private Combination Direction() => _options.ExactBlocks
        ? BlockDirection.Find(_gram, _slots, _gradientSlot, _pairs, _isLabelParty, _inverseCurvature)
        : TwoLoop();

    /// <summary>−H g by the two-loop recursion, inner products read from the table.</summary>
    private Combination TwoLoop()
    {
        Combination d = new Combination(_slots).Add(_gradientSlot, -1);
        double[] alpha = new double[_pairs.Count];
        for (int i = _pairs.Count - 1; i >= 0; i--)
        {
            int s = 2 * _pairs[i];
            alpha[i] = _gram.Inner(d, s) / _gram.Total(s, s + 1);
            d.Add(s + 1, -alpha[i]);
        }

        d.Scale(_inverseCurvature);
        for (int i = 0; i < _pairs.Count; i++)
        {
            int s = 2 * _pairs[i];
            double beta = _gram.Inner(d, s + 1) / _gram.Total(s, s + 1);
            d.Add(s, alpha[i] - beta);
        }

        return d;
    }

    /// <summary>Back along the last step to the zero of the slope's secant, where the step overshot.</summary>
    private Combination? SecantStep()
    {
        if (_options.ExactBlocks || _candidate < 0 || !_pairs.Contains(_candidate))
        {
            return null;
        }

        int s = 2 * _candidate;
        double slope = _gram.Total(s, _gradientSlot);
        double old = Math.Abs(_previousSlope);
        return slope > _options.SecantThreshold * old ? new Combination(_slots).Add(s, -slope / (slope + old)) : null;
    }

    private (Combination Step, double Slope, double Length) Measure(Combination step) =>
        (step, _gram.Inner(step, _gradientSlot), Math.Sqrt(Math.Max(0, _gram.Inner(step, step))));

    private void Move(Combination step)
    {
        double[] point = _vectors[_pointSlot]!;
        double[] next = (double[])point.Clone();
        for (int slot = 0; slot < _pointSlot; slot++)
        {
            if (step.Own[slot] != 0)
            {
                Reductions.MultiplyAdd(step.Own[slot], _vectors[slot], next);
            }
        }

        PeerPointNorm = Math.Sqrt(Math.Max(0, _gram.PeerSquare(step.Add(_pointSlot, 1))));
        _previousPoint = point;
        _previousGradient = _vectors[_gradientSlot];
        _vectors[_pointSlot] = next;
    }

    /// <summary>Norm of the peer's block of the point at which the last gradient was taken.</summary>
    internal double PeerNormAtGradient => Math.Sqrt(Math.Max(0, _gram.Peer(_pointSlot, _pointSlot)));

    private static double[] Difference(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        double[] result = new double[a.Length];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = a[i] - b[i];
        }

        return result;
    }
}
