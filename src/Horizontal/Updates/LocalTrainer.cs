using VertFed.Horizontal.Learning;
using VertFed.Primitives;

namespace VertFed.Horizontal.Updates;

/// <summary>
/// A client's part of a round, as a pure function of (rows, order, own control variate, stream). One step: g = mean of the batch's row
/// gradients + λ w + μ (x − x_global) − c_i + c, then the optimiser moves x. SCAFFOLD's terms and FedProx's are zero where the order has none.
/// </summary>
public static class LocalTrainer
{
    /// <summary>Trains and says by how much the model moved.</summary>
    /// <param name="model">The shape of the model.</param>
    /// <param name="client">The client's place in the roster.</param>
    /// <param name="examples">The client's rows, at least one.</param>
    /// <param name="order">The server's order.</param>
    /// <param name="control">The client's own control variate c_i; needed where the order has one.</param>
    /// <param name="stream">For the order of rows, the sampling and the noise of DP-SGD; not shared with other work.</param>
    /// <exception cref="HorizontalException">Shapes do not match, no rows, labels the model cannot take, or training diverged.</exception>
    public static ClientUpdate Run(
        FederatedModel model, int client, Examples examples, RoundOrder order, double[]? control, RandomStream stream, CancellationToken cancellationToken = default)
    {
        LocalWork work = order.Work;
        work.Validate();
        Objective.Check(model, order.Parameters, examples);
        Throw.Invalid(examples.Count == 0, "A client without rows cannot train.");
        Throw.IfNotFinite(order.Parameters, "The global model");
        CheckControls(order, control, work);
        for (int row = 0; row < examples.Count; row++)
        {
            model.Head.ValidateLabel(examples.Label(row));
        }

        double[] parameters = [.. order.Parameters];
        double? before = work.Privacy is null ? Objective.Loss(model, parameters, examples, work.L2) : null;
        var state = new State(model, examples, order, control, parameters);
        int steps = work.Privacy is null ? Epochs(state, stream, cancellationToken) : SampledSteps(state, stream, cancellationToken);
        double[] delta = Kernels.Subtract(parameters, order.Parameters);
        foreach (double value in delta)
        {
            Throw.If(!double.IsFinite(value), HorizontalError.NotFinite, "Local training diverged: a parameter is not finite. Lower the learning rate.");
        }

        return new ClientUpdate
        {
            Client = client,
            Round = order.Round,
            Delta = delta,
            Examples = examples.Count,
            Steps = steps,
            NormalisedSteps = NormalisedSteps(work, steps),
            ControlDelta = order.Control is null ? null : ControlDelta(delta, order.Control, steps * work.Optimiser.Rate),
            LossBefore = before,
            LossAfter = work.Privacy is null ? Objective.Loss(model, parameters, examples, work.L2) : null,
        };
    }

    /// <summary>
    /// ||a||₁ for τ steps: with buffer m and sum A from 0, each step m ← ρ m + (1 − η μ A), A ← A + m; ρ is 0 without momentum. For plain
    /// SGD A = τ; for momentum [τ − ρ(1 − ρ^τ)/(1 − ρ)] / (1 − ρ), for FedProx (1 − (1 − ημ)^τ)/(ημ), as Wang et al. 2020 derive. Adam is
    /// not linear in its gradients and counts as τ.
    /// </summary>
    public static double NormalisedSteps(LocalWork work, int steps)
    {
        if (work.Optimiser.Kind == OptimiserKind.Adam)
        {
            return steps;
        }

        double decay = work.Optimiser.Kind == OptimiserKind.Momentum ? work.Optimiser.Beta1 : 0;
        double pull = work.Optimiser.Rate * work.Proximal;
        double buffer = 0;
        double sum = 0;
        for (int step = 0; step < steps; step++)
        {
            buffer = (decay * buffer) + (1 - (pull * sum));
            sum += buffer;
        }

        return sum;
    }

    private static int Epochs(State state, RandomStream stream, CancellationToken cancellationToken)
    {
        LocalWork work = state.Order.Work;
        int rows = state.Examples.Count;
        int batch = work.BatchSize == 0 ? rows : Math.Min(work.BatchSize, rows);
        int[] order = new int[rows];
        for (int i = 0; i < rows; i++)
        {
            order[i] = i;
        }

        int limit = work.Steps(rows);
        int steps = 0;
        while (steps < limit)
        {
            if (batch < rows)
            {
                Draws.Shuffle(stream, order.AsSpan());
            }

            for (int start = 0; start < rows && steps < limit; start += batch, steps++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                state.Step(order.AsSpan(start, Math.Min(batch, rows - start)));
            }
        }

        return steps;
    }

    private static int SampledSteps(State state, RandomStream stream, CancellationToken cancellationToken)
    {
        LocalWork work = state.Order.Work;
        int rows = state.Examples.Count;
        double rate = work.Sampling(rows);
        int steps = work.Steps(rows);
        for (int step = 0; step < steps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            state.PrivateStep(rate, stream);
        }

        return steps;
    }

    // Option II of Karimireddy et al.: c_i⁺ − c_i = −c − Δ / (K η).
    private static double[] ControlDelta(double[] delta, double[] serverControl, double scale)
    {
        double[] change = new double[delta.Length];
        for (int i = 0; i < change.Length; i++)
        {
            change[i] = -serverControl[i] - (delta[i] / scale);
        }

        return change;
    }

    private static void CheckControls(RoundOrder order, double[]? control, LocalWork work)
    {
        if (order.Control is null)
        {
            return;
        }

        Throw.Invalid(work.Optimiser.Kind != OptimiserKind.Sgd, "Control variates correct plain SGD; choose sgd for SCAFFOLD's clients.");
        Throw.Invalid(control is null, "SCAFFOLD needs the client's own control variate.");
        Throw.If(
            order.Control.Length != order.Parameters.Length || control.Length != order.Parameters.Length,
            HorizontalError.WrongShape,
            "Control variates are as long as the parameters.");
    }

    private sealed class State(FederatedModel model, Examples examples, RoundOrder order, double[]? control, double[] parameters)
    {
        private readonly ModelScratch _scratch = model.CreateScratch();
        private readonly double[] _gradient = new double[parameters.Length];
        private readonly double[] _row = order.Work.Privacy is null ? [] : new double[parameters.Length];
        private readonly LocalOptimiser _optimiser = order.Work.Optimiser.Create(parameters.Length);

        public Examples Examples => examples;

        public RoundOrder Order => order;

        public void Step(ReadOnlySpan<int> rows)
        {
            Array.Clear(_gradient);
            double weight = 1.0 / rows.Length;
            foreach (int row in rows)
            {
                AddGradient(row, weight, _gradient);
            }

            Move();
        }

        public void PrivateStep(double rate, RandomStream stream)
        {
            RecordPrivacy privacy = order.Work.Privacy!;
            Array.Clear(_gradient);
            for (int row = 0; row < examples.Count; row++)
            {
                if (rate < 1 && Draws.Uniform(stream) >= rate)
                {
                    continue;
                }

                Array.Clear(_row);
                AddGradient(row, 1, _row);
                double norm = Kernels.Norm(_row);
                Kernels.AddScaled(norm > privacy.Clip ? privacy.Clip / norm : 1, _row, _gradient);
            }

            double deviation = privacy.NoiseMultiplier * privacy.Clip;
            double scale = 1 / (rate * examples.Count);
            for (int i = 0; i < _gradient.Length; i++)
            {
                double noise = deviation == 0 ? 0 : deviation * Draws.Normal(stream);
                _gradient[i] = (_gradient[i] + noise) * scale;
            }

            Move();
        }

        private void AddGradient(int row, double weight, double[] gradient) =>
            model.AddGradient(parameters, examples.Row(row), examples.Label(row), weight, gradient, _scratch);

        private void Move()
        {
            Objective.AddPenaltyGradient(model, parameters, order.Work.L2, _gradient);
            if (order.Work.Proximal > 0)
            {
                double mu = order.Work.Proximal;
                for (int i = 0; i < _gradient.Length; i++)
                {
                    _gradient[i] = Math.FusedMultiplyAdd(mu, parameters[i] - order.Parameters[i], _gradient[i]);
                }
            }

            if (order.Control is not null)
            {
                for (int i = 0; i < _gradient.Length; i++)
                {
                    _gradient[i] += order.Control[i] - control![i];
                }
            }

            _optimiser.Step(parameters, _gradient);
        }
    }
}
