using VertFed.Lattice;
using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Guard = VertFed.Protocol.Guard;

namespace VertFed.Vertical;

/// <summary>
/// The label party's side of training and evaluation: it holds y, X_B and the intercept, and moves w_B. A round is
/// LinkTables out → Enc(φ(u)) in → Σφψ + m out → own share r2 = β(v) − y − m → gradient exchange → optimiser scalars. For the
/// linear family r2 = v − y and there is no link. It never learns u of a training row (docs/protocol.md, section 6).
/// </summary>
public sealed class LabelParty
{
    /// <summary>Pairs of the loss tables: their error is far below the 1e-6 that the report shows.</summary>
    private const int LossPairs = 12;

    private readonly IChannel _channel;
    private readonly VerticalInput _input;
    private readonly JobSpecification _specification;
    private readonly IVerticalObserver _observer;
    private readonly LinkResponder _link;
    private readonly LinkPlanner _planner = new();
    private Models.LinkTables? _tables;
    private int _tablesSent;

    /// <param name="input">Aligned data with labels.</param>
    public LabelParty(IChannel channel, VerticalInput input, JobSpecification specification, IVerticalObserver observer)
    {
        if (input.Labels is null || channel.Self != Role.LabelParty)
        {
            throw new ArgumentException("A label party has labels and the label party's end of a channel.", nameof(input));
        }

        (_channel, _input, _specification, _observer) = (channel, input, specification, observer);
        _link = new LinkResponder(channel);
    }

    /// <summary>Trains and evaluates; ends after EvaluationSummary.</summary>
    /// <exception cref="VertFedException">Bad input, a guard that refuses, or a peer that breaks the protocol or is away.</exception>
    public async Task<VerticalResult> RunAsync(CancellationToken cancellationToken)
    {
        _observer.PhaseStarted(Phase.Train);
        TrainingSetup setup = TrainingSetup.Prepare(_input, _specification);
        LabelScale labels = ModelFaults.AsBadInput(() => LabelScale.Of(setup.Family, _input.Labels!, setup.TrainRows));
        IReadOnlyList<Guard> guards = OwnGuards.Evaluate(_input, setup, _specification);
        await setup.ExchangeAsync(_channel, _input, _specification, guards, cancellationToken);

        // The model of own columns alone is the yardstick of the report and, with a link, a good place to start from.
        LocalFit alone = ModelFaults.AsBadInput(() => LocalFit.Fit(setup.Columns, labels.Train, setup.Family, _specification.L2));
        PartyBlock block = ModelFaults.AsBadInput(() => new PartyBlock(
            setup.Columns,
            setup.Family,
            _specification.L2,
            TrainingDefaults.Optimiser(setup.Family, _specification.MaxIterations),
            TrainingDefaults.Start(setup.Family, alone)));
        TrainingLoop loop = new(_channel, setup, block, _specification, _observer);
        TrainingOutcome outcome = await loop.RunAsync(
            (round, predictor, token) => ShareAsync(setup, block, labels.Train, round, predictor, token), cancellationToken);

        double loss = await ReceiveLossAsync(setup, block, labels.Train, outcome.Iterations, cancellationToken);
        return await EvaluateAsync(setup, block, alone, labels, outcome, loss, cancellationToken);
    }

    private async Task<ResidualPart> ShareAsync(
        TrainingSetup setup, PartyBlock block, double[] y, uint round, double[] predictor, CancellationToken cancellationToken)
    {
        if (!setup.Family.HasLink)
        {
            for (int i = 0; i < predictor.Length; i++)
            {
                predictor[i] -= y[i];
            }

            long[] exact = ModelFaults.AsBadInput(() => QuantisedLink.LinearShare(predictor, setup.Plan));
            return new ResidualPart(Residues.FromSigned(exact), LinkQuality.Exact, 0, 0);
        }

        Models.LinkTables tables = ModelFaults.AsBadInput(() => _planner.Next(block.GradientNorm, block.PeerDeviation, predictor));
        long clipped = QuantisedLink.Clip(predictor);
        await SendTablesAsync(round, tables, cancellationToken);
        if (block.WantsCurvature)
        {
            block.Reweight(tables.Curvature(predictor));
        }

        ulong[] share = Residues.FromSigned(QuantisedLink.LabelShare(tables, predictor, y, setup.Plan));
        if (tables.Pairs > 0)
        {
            ulong[] masks = await _link.RunAsync(
                round,
                predictor.Length,
                tables.Pairs,
                (k, start, values) => QuantisedLink
                    .Quantise(tables.LabelSeries(k + 1), predictor.AsSpan(start, values.Length), setup.Plan.PsiBits).CopyTo(values),
                NoiseBudget.Link(setup, _specification, tables.Pairs),
                cancellationToken);
            Residues.SubtractFrom(share, masks);
        }

        return new ResidualPart(share, tables.ForFeatureParty.Quality, tables.Pairs, clipped);
    }

    private async Task SendTablesAsync(uint round, Models.LinkTables tables, CancellationToken cancellationToken)
    {
        Protocol.V1.LinkTables message = new() { Version = (uint)tables.Version };
        if (_tables?.Version != tables.Version)
        {
            message.Pairs = (uint)tables.Pairs;
            message.RmsError = tables.RmsError;
            message.Final = tables.ForFeatureParty.Final;
            message.Coefficients.AddRange(tables.ForFeatureParty.Coefficients);
            _tables = tables;
            _tablesSent++;
        }

        await _channel.SendAsync(Step.LinkTables, round, message, cancellationToken);
    }

    private async Task<double> ReceiveLossAsync(
        TrainingSetup setup, PartyBlock block, double[] y, int iterations, CancellationToken cancellationToken)
    {
        double[] v = block.LinearPredictor();
        LossPlan plan = LossPlan.Choose(v.Length);
        double own;
        ulong mask;
        if (setup.Family.HasLink)
        {
            // −y·v needs no clipping: it is B's own.
            double exact = LossTerms.PositiveExcess(v) - Reductions.Dot(y, v);
            QuantisedLink.Clip(v);
            ScaleBuckets buckets = LossTerms.Buckets(block.PeerDeviation, v);
            Models.LinkTables tables = ModelFaults.AsBadInput(() => Models.LinkTables.LogisticLoss((_tables?.Version ?? -1) + 1, LossPairs, buckets));
            await SendTablesAsync(0, tables, cancellationToken);
            double[] main = new double[v.Length];
            ChebyshevSeries.Evaluate(tables.LabelSeries(0), v, main);
            own = Reductions.Sum(main) + exact;
            mask = await _link.RunLossAsync(0, v.Length, LossPairs + 1, (k, start, values) =>
            {
                if (k < LossPairs)
                {
                    QuantisedLink.Quantise(tables.LabelSeries(k + 1), v.AsSpan(start, values.Length), plan.FactorBits).CopyTo(values);
                    return;
                }

                LossTerms.NegatedLabels(y.AsSpan(start, values.Length), plan.FactorBits, values);
            }, NoiseBudget.Loss(setup, LossPairs + 1), cancellationToken);
        }
        else
        {
            for (int i = 0; i < v.Length; i++)
            {
                v[i] -= y[i];
            }

            own = 0.5 * Reductions.Dot(v, v);
            mask = await _link.RunLossAsync(
                0,
                v.Length,
                1,
                (_, start, values) => QuantisedLink.Round(v.AsSpan(start, values.Length), plan.FactorBits).CopyTo(values),
                NoiseBudget.Loss(setup, 1),
                cancellationToken);
        }

        LossScalar scalar = await _channel.ReceiveAsync(Step.LossScalar, 0, LossScalar.Parser, cancellationToken);
        StepCheck.FieldElement(Step.LossScalar, "value", scalar.Value);
        ulong sum = PlainField.Add(PlainField.Subtract(scalar.Value, mask), plan.OwnSum(own));
        return plan.Mean(sum, setup.TrainRows.Length);
    }

    private async Task<VerticalResult> EvaluateAsync(
        TrainingSetup setup,
        PartyBlock block,
        LocalFit alone,
        LabelScale labels,
        TrainingOutcome outcome,
        double loss,
        CancellationToken cancellationToken)
    {
        _observer.PhaseStarted(Phase.Evaluate);
        double[] u = await ScoreCrossing.ReceiveAsync(_channel, setup.TestRows.Length, cancellationToken);
        double[] joint = Predict(setup, block.Weights);
        for (int i = 0; i < joint.Length; i++)
        {
            joint[i] += u[i];
        }

        TestMetrics metrics = labels.Metrics(joint, Predict(setup, alone.Weights));
        double trainLoss = loss * labels.Scale * labels.Scale;
        bool converged = outcome.Converged && LossTerms.ClippingIsHarmless(outcome, setup.TrainRows.Length, block.PeerDeviation);
        EvaluationSummary summary = new()
        {
            Rows = (ulong)setup.TestRows.Length,
            Auc = metrics.Auc ?? 0,
            Ks = metrics.Ks ?? 0,
            Rmse = metrics.Rmse ?? 0,
            TrainLoss = trainLoss,
            LabelScale = labels.Scale,
            Converged = converged,
        };
        await _channel.SendAsync(Step.EvaluationSummary, 0, summary, cancellationToken);
        return new VerticalResult
        {
            Coefficients =
            [
                KeyValuePair.Create(VerticalResult.InterceptName, (block.Weights[^1] * labels.Scale) + labels.Mean),
                .. _input.Columns.Select((name, j) => KeyValuePair.Create(name, block.Weights[j] * labels.Scale)),
            ],
            Scaling = TrainingLoop.ScalingOf(setup),
            LabelScale = labels.Scale,
            TrainRows = setup.TrainRows.Length,
            TestRows = setup.TestRows.Length,
            Iterations = outcome.Iterations,
            Converged = converged,
            GradientNorm = outcome.GradientNorm,
            TrainLoss = trainLoss,
            ClippedRows = outcome.ClippedRows,
            Test = metrics,
            Guards = setup.Guards,
            Disclosures = DisclosureList.Of(_specification, setup, _channel.Self, outcome, _tablesSent),
        };
    }

    private double[] Predict(TrainingSetup setup, double[] weights) =>
        setup.Scaling.LinearPredictor(_input.Features, setup.TestRows, weights.AsSpan(0, weights.Length - 1), weights[^1]);
}
