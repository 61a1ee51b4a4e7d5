using VertFed.Primitives;

namespace VertFed.Horizontal.Learning;

/// <summary>What a hidden layer applies to its sums.</summary>
public enum Activation
{
    /// <summary>max(0, x); the derivative at 0 is 0.</summary>
    Relu = 0,

    /// <summary>The hyperbolic tangent.</summary>
    Tanh = 1,
}

/// <summary>
/// A feed-forward network with none to three hidden layers and a <see cref="LossHead"/>: h_0 = x, h_l = σ(W_l h_{l−1} + b_l),
/// η = W h_L + b. Without hidden layers it is a GLM or softmax regression. Immutable; parameters are passed in as one flat vector laid out
/// by <see cref="Layout"/>.
/// </summary>
public sealed class FederatedModel
{
    private const int MostHiddenLayers = 3;
    private const int MostWidth = 4096;

    private readonly int[] _widths;
    private readonly (int Weights, int Bias)[] _offsets;

    private FederatedModel(LossHead head, int features, Activation activation, int[] hidden)
    {
        Throw.Invalid(features is < 1 or > 1_000_000, "A model has 1 to 1,000,000 features.");
        Throw.Invalid(hidden.Length > MostHiddenLayers, $"A network has at most {MostHiddenLayers} hidden layers.");
        Throw.Invalid(hidden.Any(width => width is < 1 or > MostWidth), $"A hidden layer has 1 to {MostWidth} units.");
        Throw.Invalid(!Enum.IsDefined(activation), "There is no such activation.");
        Head = head;
        Features = features;
        Activation = activation;
        _widths = [features, .. hidden, head.Outputs];
        var blocks = new List<(string, int, int, bool)>();
        for (int layer = 1; layer < _widths.Length; layer++)
        {
            string name = layer == _widths.Length - 1 ? "output" : $"hidden{layer}";
            blocks.Add(($"{name}.weights", _widths[layer], _widths[layer - 1], true));
            blocks.Add(($"{name}.bias", _widths[layer], 1, false));
        }

        Layout = new ParameterLayout([.. blocks]);
        _offsets = new (int, int)[_widths.Length - 1];
        for (int layer = 0; layer < _offsets.Length; layer++)
        {
            _offsets[layer] = (Layout.Blocks[2 * layer].Offset, Layout.Blocks[(2 * layer) + 1].Offset);
        }
    }

    public LossHead Head { get; }

    public int Features { get; }

    public Activation Activation { get; }

    public ParameterLayout Layout { get; }

    /// <summary>Units of the hidden layers.</summary>
    public IReadOnlyList<int> Hidden => _widths[1..^1];

    /// <summary>A GLM (logistic, linear, Poisson) or softmax regression.</summary>
    public static FederatedModel Generalised(LossHead head, int features) => new(head, features, Activation.Relu, []);

    /// <summary>A multi-layer perceptron.</summary>
    /// <exception cref="HorizontalException">No or more than three hidden layers, or a size out of range.</exception>
    public static FederatedModel Perceptron(LossHead head, int features, Activation activation, params int[] hidden)
    {
        Throw.Invalid(hidden.Length == 0, "A perceptron has at least one hidden layer.");
        return new FederatedModel(head, features, activation, hidden);
    }

    /// <summary>
    /// Zeros without hidden layers; else weights uniform in ±√(6 / inputs) under ReLU (He et al. 2015) or ±√(6 / (inputs + outputs)) under
    /// tanh and in the output layer (Glorot and Bengio 2010), biases zero.
    /// </summary>
    public double[] Initial(RandomStream stream)
    {
        double[] parameters = new double[Layout.Length];
        if (_widths.Length == 2)
        {
            return parameters;
        }

        for (int layer = 0; layer < _offsets.Length; layer++)
        {
            int inputs = _widths[layer];
            int outputs = _widths[layer + 1];
            bool rectified = Activation == Activation.Relu && layer < _offsets.Length - 1;
            double bound = Math.Sqrt(6.0 / (rectified ? inputs : inputs + outputs));
            foreach (ref double weight in parameters.AsSpan(_offsets[layer].Weights, inputs * outputs))
            {
                weight = bound * ((2 * Draws.Uniform(stream)) - 1);
            }
        }

        return parameters;
    }

    /// <summary>Room for one thread's forward and backward passes.</summary>
    public ModelScratch CreateScratch() => new(_widths);

    /// <summary>η of one row. The span is valid until the scratch is used again.</summary>
    public Span<double> Outputs(ReadOnlySpan<double> parameters, ReadOnlySpan<double> row, ModelScratch scratch)
    {
        ReadOnlySpan<double> input = row;
        for (int layer = 0; layer < _offsets.Length; layer++)
        {
            Span<double> output = scratch.Values[layer];
            ReadOnlySpan<double> weights = parameters.Slice(_offsets[layer].Weights, output.Length * input.Length);
            ReadOnlySpan<double> bias = parameters.Slice(_offsets[layer].Bias, output.Length);
            for (int unit = 0; unit < output.Length; unit++)
            {
                output[unit] = bias[unit] + Kernels.Dot(weights.Slice(unit * input.Length, input.Length), input);
            }

            if (layer < _offsets.Length - 1)
            {
                Activate(output);
            }

            input = output;
        }

        return scratch.Values[^1];
    }

    /// <summary>ℓ of one row; adds weight · ∂ℓ/∂parameters to <paramref name="gradient"/>.</summary>
    public double AddGradient(
        ReadOnlySpan<double> parameters, ReadOnlySpan<double> row, double label, double weight, Span<double> gradient, ModelScratch scratch)
    {
        Span<double> outputs = Outputs(parameters, row, scratch);
        double loss = Head.LossAndGradient(outputs, label, scratch.Deltas[^1]);
        Kernels.Scale(weight, scratch.Deltas[^1]);
        Backward(parameters, row, gradient, scratch);
        return loss;
    }

    /// <summary>
    /// Adds (∂η/∂parameters)ᵀ d to <paramref name="gradient"/>, d = ∂loss/∂η, for losses other than the head's (distillation).
    /// Follows a call of <see cref="Outputs"/> for the same row and scratch.
    /// </summary>
    public void AddGradientOfOutputs(
        ReadOnlySpan<double> parameters, ReadOnlySpan<double> row, ReadOnlySpan<double> d, Span<double> gradient, ModelScratch scratch)
    {
        d.CopyTo(scratch.Deltas[^1]);
        Backward(parameters, row, gradient, scratch);
    }

    private void Backward(ReadOnlySpan<double> parameters, ReadOnlySpan<double> row, Span<double> gradient, ModelScratch scratch)
    {
        for (int layer = _offsets.Length - 1; layer >= 0; layer--)
        {
            ReadOnlySpan<double> input = layer == 0 ? row : scratch.Values[layer - 1];
            ReadOnlySpan<double> delta = scratch.Deltas[layer];
            Span<double> weights = gradient.Slice(_offsets[layer].Weights, delta.Length * input.Length);
            for (int unit = 0; unit < delta.Length; unit++)
            {
                Kernels.AddScaled(delta[unit], input, weights.Slice(unit * input.Length, input.Length));
                gradient[_offsets[layer].Bias + unit] += delta[unit];
            }

            if (layer > 0)
            {
                Span<double> below = scratch.Deltas[layer - 1];
                below.Clear();
                for (int unit = 0; unit < delta.Length; unit++)
                {
                    Kernels.AddScaled(delta[unit], parameters.Slice(_offsets[layer].Weights + (unit * input.Length), input.Length), below);
                }

                Differentiate(input, below);
            }
        }
    }

    private void Activate(Span<double> sums)
    {
        for (int i = 0; i < sums.Length; i++)
        {
            sums[i] = Activation == Activation.Tanh ? Kernels.Tanh(sums[i]) : Math.Max(0, sums[i]);
        }
    }

    // From the activated value: 1 − h² for tanh, 1 or 0 for ReLU.
    private void Differentiate(ReadOnlySpan<double> activated, Span<double> delta)
    {
        for (int i = 0; i < delta.Length; i++)
        {
            delta[i] *= Activation == Activation.Tanh ? 1 - (activated[i] * activated[i]) : activated[i] > 0 ? 1 : 0;
        }
    }
}

/// <summary>Layer values and their derivatives for one row at a time; one for each thread.</summary>
public sealed class ModelScratch
{
    internal ModelScratch(int[] widths)
    {
        Values = [.. widths.Skip(1).Select(width => new double[width])];
        Deltas = [.. widths.Skip(1).Select(width => new double[width])];
    }

    internal double[][] Values { get; }

    internal double[][] Deltas { get; }
}
