using VertFed.Lattice;
using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Guard = VertFed.Protocol.Guard;

namespace VertFed.Vertical;

/// <summary>
/// The feature party's side of training and evaluation: it holds X_A and moves w_A. A round is
/// LinkTables in → Enc(φ(u)) out → s = Σφψ + m in → own share r1 = α(u) + s → gradient exchange → optimiser scalars.
/// For the linear family r1 = u and there is no link. It never learns a label, a residual or v (docs/protocol.md, section 6).
/// </summary>
public sealed class FeatureParty
{
    private readonly IChannel _channel;
    private readonly VerticalInput _input;
    private readonly JobSpecification _specification;
    private readonly IVerticalObserver _observer;
    private readonly LinkRequester _link;
    private LinkSeries? _series;
    private int _tables;

    /// <param name="input">Aligned data without labels.</param>
    public FeatureParty(IChannel channel, VerticalInput input, JobSpecification specification, IVerticalObserver observer)
    {
        if (input.Labels is not null || channel.Self != Role.FeatureParty)
        {
            throw new ArgumentException("A feature party has no labels and the feature party's end of a channel.", nameof(input));
        }

        (_channel, _input, _specification, _observer) = (channel, input, specification, observer);
        _link = new LinkRequester(channel);
    }

    /// <summary>Trains and evaluates; ends after EvaluationSummary.</summary>
    /// <exception cref="VertFedException">Bad input, a guard that refuses, or a peer that breaks the protocol or is away.</exception>
    public async Task<VerticalResult> RunAsync(CancellationToken cancellationToken)
    {
        _observer.PhaseStarted(Phase.Train);
        TrainingSetup setup = TrainingSetup.Prepare(_input, _specification);
        IReadOnlyList<Guard> guards = OwnGuards.Evaluate(_input, setup, _specification);
        await setup.ExchangeAsync(_channel, _input, _specification, guards, cancellationToken);

        PartyBlock block = ModelFaults.AsBadInput(() => new PartyBlock(
            setup.Columns, setup.Family, _specification.L2, TrainingDefaults.Optimiser(setup.Family, _specification.MaxIterations), new double[setup.Columns.Count]));
        TrainingLoop loop = new(_channel, setup, block, _specification, _observer);
        TrainingOutcome outcome = await loop.RunAsync(
            (round, predictor, token) => ShareAsync(setup, block, round, predictor, token), cancellationToken);

        await SendLossAsync(setup, block.LinearPredictor(), cancellationToken);
        return await EvaluateAsync(setup, block, outcome, cancellationToken);
    }

    private async Task<ResidualPart> ShareAsync(
        TrainingSetup setup, PartyBlock block, uint round, double[] predictor, CancellationToken cancellationToken)
    {
        if (!setup.Family.HasLink)
        {
            long[] exact = ModelFaults.AsBadInput(() => QuantisedLink.LinearShare(predictor, setup.Plan));
            return new ResidualPart(Residues.FromSigned(exact), LinkQuality.Exact, 0, 0);
        }

        long clipped = QuantisedLink.Clip(predictor);
        LinkSeries series = await ReceiveTablesAsync(round, cancellationToken);
        if (block.WantsCurvature)
        {
            block.Reweight(series.Curvature(predictor));
        }

        ulong[] share = Residues.FromSigned(QuantisedLink.FeatureShare(series, predictor, setup.Plan));
        if (series.Pairs > 0)
        {
            ulong[] crossed = await _link.RunAsync(
                round,
                predictor.Length,
                series.Pairs,
                (k, start, values) => QuantisedLink
                    .Quantise(series[k + 1], predictor.AsSpan(start, values.Length), setup.Plan.PhiBits).CopyTo(values),
                cancellationToken);
            Residues.AddTo(share, crossed);
        }

        return new ResidualPart(share, series.Quality, series.Pairs, clipped);
    }

    private async Task<LinkSeries> ReceiveTablesAsync(uint round, CancellationToken cancellationToken)
    {
        Protocol.V1.LinkTables message = await _channel.ReceiveAsync(Step.LinkTables, round, Protocol.V1.LinkTables.Parser, cancellationToken);
        if (_series is not null && message.Version == (uint)_series.Version && round > 0)
        {
            StepCheck.Count(Step.LinkTables, "coefficients", 0, message.Coefficients.Count);
            return _series;
        }

        if (_series is not null && message.Version <= (uint)_series.Version)
        {
            throw StepCheck.Violation(Step.LinkTables, "field 'version' does not grow");
        }

        StepCheck.AtMost(Step.LinkTables, "version", int.MaxValue, message.Version);
        StepCheck.AtMost(Step.LinkTables, "pairs", byte.MaxValue, message.Pairs);
        LinkSeries series = new((int)message.Version, (int)message.Pairs, message.RmsError, message.Final, [.. message.Coefficients]);
        ModelFaults.AsViolation(Step.LinkTables, () =>
        {
            series.Validate();
            return true;
        });
        _tables++;
        _series = series;
        return series;
    }

    private async Task SendLossAsync(TrainingSetup setup, double[] predictor, CancellationToken cancellationToken)
    {
        LossPlan plan = LossPlan.Choose(predictor.Length);
        double own;
        ulong crossed;
        if (setup.Family.HasLink)
        {
            double excess = LossTerms.PositiveExcess(predictor);
            QuantisedLink.Clip(predictor);
            LinkSeries series = await ReceiveTablesAsync(0, cancellationToken);
            double[] main = new double[predictor.Length];
            ChebyshevSeries.Evaluate(series[0], predictor, main);
            own = Reductions.Sum(main) + excess;

            // The last pair is u itself, for ⟨y, u⟩.
            crossed = await _link.RunLossAsync(0, predictor.Length, series.Pairs + 1, (k, start, values) =>
            {
                ReadOnlySpan<double> u = predictor.AsSpan(start, values.Length);
                (k < series.Pairs ? QuantisedLink.Quantise(series[k + 1], u, plan.FactorBits) : QuantisedLink.Round(u, plan.FactorBits))
                    .CopyTo(values);
            }, cancellationToken);
        }
        else
        {
            own = 0.5 * Reductions.Dot(predictor, predictor);
            crossed = await _link.RunLossAsync(
                0,
                predictor.Length,
                1,
                (_, start, values) => QuantisedLink.Round(predictor.AsSpan(start, values.Length), plan.FactorBits).CopyTo(values),
                cancellationToken);
        }

        LossScalar scalar = new() { Value = PlainField.Add(crossed, plan.OwnSum(own)) };
        await _channel.SendAsync(Step.LossScalar, 0, scalar, cancellationToken);
    }

    private async Task<VerticalResult> EvaluateAsync(
        TrainingSetup setup, PartyBlock block, TrainingOutcome outcome, CancellationToken cancellationToken)
    {
        _observer.PhaseStarted(Phase.Evaluate);
        double[] scores = setup.Scaling.LinearPredictor(_input.Features, setup.TestRows, block.Weights, 0);
        await ScoreCrossing.SendAsync(_channel, scores, cancellationToken);
        EvaluationSummary summary = await _channel.ReceiveAsync(
            Step.EvaluationSummary, 0, EvaluationSummary.Parser, cancellationToken);
        StepCheck.Equal(Step.EvaluationSummary, "rows", (ulong)setup.TestRows.Length, summary.Rows);
        StepCheck.Finite(
            Step.EvaluationSummary, "metrics", [summary.Auc, summary.Ks, summary.Rmse, summary.TrainLoss, summary.LabelScale]);

        bool ranks = setup.Family.HasLink && setup.TestRows.Length > 0;
        return new VerticalResult
        {
            Coefficients = [.. _input.Columns.Zip(block.Weights, (name, w) => KeyValuePair.Create(name, w * summary.LabelScale))],
            Scaling = TrainingLoop.ScalingOf(setup),
            LabelScale = summary.LabelScale,
            TrainRows = setup.TrainRows.Length,
            TestRows = setup.TestRows.Length,
            Iterations = outcome.Iterations,
            Converged = summary.Converged,
            GradientNorm = outcome.GradientNorm,
            TrainLoss = summary.TrainLoss,
            ClippedRows = outcome.ClippedRows,
            Test = new TestMetrics(
                ranks ? summary.Auc : null,
                ranks ? summary.Ks : null,
                !setup.Family.HasLink && setup.TestRows.Length > 0 ? summary.Rmse : null,
                null,
                null,
                null),
            Guards = setup.Guards,
            Disclosures = DisclosureList.Of(_specification, setup, _channel.Self, outcome, _tables),
        };
    }
}
