namespace VertFed.Models;

/// <summary>
/// Joint L-BFGS over two blocks of coordinates of which each party holds one (vector-free L-BFGS: Chen, Wang and Zhou, NIPS 2014;
/// L-BFGS: Nocedal and Wright, "Numerical Optimization", algorithm 7.4). Directions are combinations of the vectors
/// s_i, y_i, g whose coefficients depend on inner products alone, and those are sums of one term per party. So both parties run
/// this class on their own block, exchange their terms, derive the same coefficients, and each moves its own block.
/// </summary>
/// <remarks>
/// One round: the gradient at <see cref="Point"/> → <see cref="BuildOwnScalars"/> → exchange → <see cref="Advance"/>.
/// The scalars are inner products of own blocks, in this order: for the new pair (s, y), from the second round on: s·s_j, s·y_j for
/// every pair j kept (oldest first), s·s, s·y, then y·s_j, y·y_j for every j, y·y; then g·s_j, g·y_j for every pair j, the new one
/// last, g·g; then z·s_j, z·y_j likewise, z·g, z·z, where z is the point. All of them follow from the Gram matrix of the gradients'
/// blocks and the start, so they tell no more than that matrix does.
/// Terms are added as own + peer: IEEE addition commutes, so both get the same bits.
/// </remarks>
public sealed class VectorFreeLbfgs
{
    private readonly LbfgsOptions _options;
    private readonly int _gradientSlot;
    private readonly int _pointSlot;
    private readonly int _slots;
    private readonly double[]?[] _vectors; // own blocks: s of pair p in slot 2p, y in 2p + 1, then g, then z
    private readonly double[] _own;
    private readonly double[] _peer;
    private readonly double[] _total;
    private readonly List<int> _pairs = []; // pair numbers, oldest first
    private int _candidate = -1;
    private double[]? _previousPoint;
    private double[]? _previousGradient;
    private double _previousSlope;
    private double _previousNorm = double.PositiveInfinity;
    private double _firstNorm;
    private double _previousLinkError;
    private double _initialInverse;
    private int _growths;
    private int _iteration;
    private bool _awaitsScalars;
    private bool _done;

    /// <param name="start">Own block of the starting point, whitened.</param>
    public VectorFreeLbfgs(LbfgsOptions options, ReadOnlySpan<double> start)
    {
        Throw.If(options.History < 1 || options.MaxIterations < 1, ModelError.InvalidInput, "At least one pair and one iteration are needed.");
        Throw.If(!(options.InitialInverseCurvature > 0), ModelError.InvalidInput, "The initial inverse curvature has to be positive.");
        _options = options;
        _initialInverse = options.InitialInverseCurvature;
        int pairs = options.History + 1;
        _gradientSlot = 2 * pairs;
        _pointSlot = _gradientSlot + 1;
        _slots = _pointSlot + 1;
        _vectors = new double[_slots][];
        _own = new double[_slots * _slots];
        _peer = new double[_slots * _slots];
        _total = new double[_slots * _slots];
        Throw.IfNotFinite(start, "The starting point");
        _vectors[_pointSlot] = start.ToArray();
    }

    /// <summary>Own block of the point at which the next gradient is wanted, whitened.</summary>
    public ReadOnlySpan<double> Point => _vectors[_pointSlot];

    /// <summary>Gradients taken so far.</summary>
    public int Iteration => _iteration;

    /// <summary>Whitened norm of the last joint gradient, +∞ before the first.</summary>
    public double GradientNorm => _previousNorm;

    /// <summary>
    /// Norm of the peer's block of <see cref="Point"/>, known from the scalars. At the label party this bounds the standard
    /// deviation of u from above, by a hair (λ||w||²): it picks the scale bucket of u with no message of its own. 0 at the start.
    /// </summary>
    public double PeerPointNorm { get; private set; }

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
            _candidate = Enumerable.Range(0, _options.History + 1).First(p => !_pairs.Contains(p));
            _vectors[2 * _candidate] = Difference(Point, _previousPoint);
            _vectors[(2 * _candidate) + 1] = Difference(gradient, _previousGradient);
        }

        _awaitsScalars = true;
        List<(int I, int J)> wanted = WantedProducts();
        double[] scalars = new double[wanted.Count];
        for (int k = 0; k < scalars.Length; k++)
        {
            scalars[k] = Reductions.Dot(_vectors[wanted[k].I], _vectors[wanted[k].J]);
        }

        return scalars;
    }

    /// <summary>Takes both parties' scalars and moves to the next point.</summary>
    /// <param name="own">What <see cref="BuildOwnScalars"/> returned.</param>
    /// <param name="peer">The peer's, of the same length.</param>
    /// <param name="linkError">Root mean square error of the round's link tables (<see cref="LinkSeries.RmsError"/>), 0 where the
    /// residual is exact; the same number at both parties.</param>
    /// <exception cref="ModelException">Wrong length, numbers that are not finite, squares below zero, or a call out of turn.</exception>
    public LbfgsStep Advance(ReadOnlySpan<double> own, ReadOnlySpan<double> peer, double linkError)
    {
        Throw.If(!_awaitsScalars, ModelError.InvalidInput, "The optimiser was called out of turn.");
        TakeScalars(own, peer);
        _awaitsScalars = false;
        _iteration++;

        double norm = Math.Sqrt(Total(_gradientSlot, _gradientSlot));
        _firstNorm = _iteration == 1 ? norm : _firstNorm;
        bool kept = TakePair(linkError);
        bool restarted = false;
        bool interpolated = false;

        _growths = norm > _previousNorm ? _growths + 1 : 0;
        if (_growths == 2)
        {
            _pairs.Clear();
            _initialInverse *= 0.5;
            _growths = 0;
            restarted = true;
        }

        double[] step = Direction();
        double slope = InnerProduct(step, Unit(_gradientSlot));
        double length = Math.Sqrt(Math.Max(0, InnerProduct(step, step)));
        if (!(slope < -_options.DescentTolerance * length * norm) && norm > 0)
        {
            _pairs.Clear();
            restarted = true;
            step = Direction();
            slope = InnerProduct(step, Unit(_gradientSlot));
            length = Math.Sqrt(Math.Max(0, InnerProduct(step, step)));
        }

        double decrement = -0.5 * slope;
        bool converged = norm == 0
            || (decrement < _options.DecrementTolerance
                && norm < _options.GradientTolerance * _firstNorm
                && linkError <= _options.LinkTolerance);
        if (!converged && _iteration >= _options.MaxIterations)
        {
            _done = true;
            return new LbfgsStep(LbfgsVerdict.Exhausted, _iteration, norm, decrement, 0, kept, restarted, false);
        }

        if (!converged && !restarted && SecantStep() is { } back)
        {
            step = back;
            slope = InnerProduct(step, Unit(_gradientSlot));
            length = Math.Sqrt(Math.Max(0, InnerProduct(step, step)));
            interpolated = true;
        }

        if (length > _options.MaxStep)
        {
            Scale(step, _options.MaxStep / length);
            slope *= _options.MaxStep / length;
            length = _options.MaxStep;
        }

        Move(step);
        _previousSlope = slope;
        _previousNorm = norm;
        _previousLinkError = linkError;
        _done = converged;
        return new LbfgsStep(
            converged ? LbfgsVerdict.Converged : LbfgsVerdict.Continue, _iteration, norm, decrement, length, kept, restarted, interpolated);
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
            (int i, int j) = wanted[k];
            Set(_own, i, j, own[k]);
            Set(_peer, i, j, peer[k]);
            Set(_total, i, j, own[k] + peer[k]);
        }
    }

    /// <summary>Puts the candidate into the history if it tells the curvature of one function.</summary>
    private bool TakePair(double linkError)
    {
        if (_candidate < 0)
        {
            return false;
        }

        int s = 2 * _candidate;
        int y = s + 1;
        double lengthS = Math.Sqrt(Total(s, s));
        double lengthY = Math.Sqrt(Total(y, y));
        bool curved = Total(s, y) > _options.CurvatureTolerance * lengthS * lengthY;
        bool oneFunction = linkError + _previousLinkError <= _options.PairErrorTolerance * lengthY;
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

    /// <summary>Coefficients of −H g over the slots: the two-loop recursion with inner products read from the Gram matrix.</summary>
    private double[] Direction()
    {
        double[] d = new double[_slots];
        d[_gradientSlot] = -1;
        double[] alpha = new double[_pairs.Count];
        for (int i = _pairs.Count - 1; i >= 0; i--)
        {
            int s = 2 * _pairs[i];
            alpha[i] = InnerProduct(d, Unit(s)) / Total(s, s + 1);
            d[s + 1] -= alpha[i];
        }

        double scale = _initialInverse;
        if (_pairs.Count > 0)
        {
            int s = 2 * _pairs[^1];
            scale = Total(s, s + 1) / Total(s + 1, s + 1);
        }

        Scale(d, scale);
        for (int i = 0; i < _pairs.Count; i++)
        {
            int s = 2 * _pairs[i];
            double beta = InnerProduct(d, Unit(s + 1)) / Total(s, s + 1);
            d[s] += alpha[i] - beta;
        }

        return d;
    }

    /// <summary>Back along the last step to the zero of the slope's secant, where the step overshot.</summary>
    private double[]? SecantStep()
    {
        if (_candidate < 0 || !_pairs.Contains(_candidate))
        {
            return null;
        }

        int s = 2 * _candidate;
        double slope = Total(s, _gradientSlot);
        if (!(slope > _options.SecantThreshold * Math.Abs(_previousSlope)))
        {
            return null;
        }

        double[] d = new double[_slots];
        d[s] = -slope / (slope + Math.Abs(_previousSlope));
        return d;
    }

    private void Move(double[] step)
    {
        double[] point = _vectors[_pointSlot]!;
        double[] gradient = _vectors[_gradientSlot]!;
        double[] next = (double[])point.Clone();
        for (int slot = 0; slot < _pointSlot; slot++)
        {
            if (step[slot] != 0)
            {
                Reductions.MultiplyAdd(step[slot], _vectors[slot], next);
            }
        }

        step[_pointSlot] = 1;
        PeerPointNorm = Math.Sqrt(Math.Max(0, Form(_peer, step, step)));
        _previousPoint = point;
        _previousGradient = gradient;
        _vectors[_pointSlot] = next;
    }

    private double InnerProduct(double[] a, double[] b) => Form(_total, a, b);

    private double Form(double[] gram, double[] a, double[] b)
    {
        double sum = 0;
        for (int i = 0; i < _slots; i++)
        {
            if (a[i] == 0)
            {
                continue;
            }

            double row = 0;
            for (int j = 0; j < _slots; j++)
            {
                if (b[j] != 0)
                {
                    row = Math.FusedMultiplyAdd(b[j], gram[(i * _slots) + j], row);
                }
            }

            sum = Math.FusedMultiplyAdd(a[i], row, sum);
        }

        return sum;
    }

    private double[] Unit(int slot)
    {
        double[] unit = new double[_slots];
        unit[slot] = 1;
        return unit;
    }

    private double Total(int i, int j) => _total[(i * _slots) + j];

    private void Set(double[] gram, int i, int j, double value)
    {
        gram[(i * _slots) + j] = value;
        gram[(j * _slots) + i] = value;
    }

    private static void Scale(double[] vector, double factor)
    {
        for (int i = 0; i < vector.Length; i++)
        {
            vector[i] *= factor;
        }
    }

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
