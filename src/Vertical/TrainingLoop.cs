using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Vertical;

/// <summary>One party's additive share of a round's residuals, and what the round rests on.</summary>
/// <param name="Share">n residues modulo t.</param>
/// <param name="Link">Which tables the round rests on, and their error.</param>
/// <param name="Pairs">K.</param>
/// <param name="Clipped">Own rows that were clipped.</param>
internal sealed record ResidualPart(ulong[] Share, LinkQuality Link, int Pairs, long Clipped);

/// <summary>How training ended, as both parties see it; each counts the scalars that it received.</summary>
internal sealed record TrainingOutcome(
    int Iterations, bool Converged, double GradientNorm, long ClippedRows, long ScalarsReceived);

/// <summary>
/// The iterations, alike at both parties: own predictor → residual share (the role's business) → gradient exchange → OptimiserScalars →
/// next weights.
/// </summary>
internal sealed class TrainingLoop(
    IChannel channel, TrainingSetup setup, PartyBlock block, JobSpecification specification, IVerticalObserver observer)
{
    /// <summary>Means and deviations of own training columns.</summary>
    public static IReadOnlyList<(double Mean, double StandardDeviation)> ScalingOf(TrainingSetup setup) =>
        [.. setup.Scaling.Means.ToArray().Zip(setup.Scaling.Deviations.ToArray())];

    /// <param name="share">Makes own residual share of a round from own predictor, which it may change.</param>
    public async Task<TrainingOutcome> RunAsync(
        Func<uint, double[], CancellationToken, Task<ResidualPart>> share, CancellationToken cancellationToken)
    {
        int ownColumns = setup.Columns.Count;
        int peerColumns = setup.PeerColumns.Count + (channel.Self == Role.FeatureParty ? 1 : 0);
        int rows = setup.TrainRows.Length;
        PackingPlan own = PackingPlan.Choose(rows, ownColumns, Lattice.LatticeParameters.Gradient);
        PackingPlan peer = PackingPlan.Choose(rows, peerColumns, Lattice.LatticeParameters.Gradient);
        using GradientExchange gradients = new(channel, setup.Columns, own, peer, NoiseBudget.Gradient(setup, specification, own));
        long scalars = 0;
        for (uint round = 1; ; round++)
        {
            ResidualPart part = await share(round, block.LinearPredictor(), cancellationToken);
            long[] sums = await gradients.RunAsync(round, part.Share, cancellationToken);
            double[] scalarsOut = block.BuildOwnScalars(block.Gradient(sums, setup.Plan));
            OptimiserScalars message = new() { Clipped = (ulong)part.Clipped };
            message.Values.AddRange(scalarsOut);
            await channel.SendAsync(Step.OptimiserScalars, round, message, cancellationToken);

            OptimiserScalars answer = await channel.ReceiveAsync(Step.OptimiserScalars, round, OptimiserScalars.Parser, cancellationToken);
            StepCheck.AtMost(Step.OptimiserScalars, "clipped", rows, (long)Math.Min(answer.Clipped, long.MaxValue));
            LbfgsStep step = ModelFaults.AsViolation(
                Step.OptimiserScalars, () => block.Advance(scalarsOut, [.. answer.Values], part.Link));
            scalars += answer.Values.Count;
            long clipped = part.Clipped + (long)answer.Clipped;
            observer.IterationFinished(new IterationProgress((int)round, step.GradientNorm, part.Pairs, clipped));
            if (step.Verdict != LbfgsVerdict.Continue)
            {
                return new TrainingOutcome((int)round, step.Verdict == LbfgsVerdict.Converged, step.GradientNorm, clipped, scalars);
            }
        }
    }
}
