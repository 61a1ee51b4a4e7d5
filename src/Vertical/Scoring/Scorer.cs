using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Vertical;

/// <summary>
/// A score job after the alignment, at both parties: ModelBinding both ways → the feature party's shares u → the label party adds its own
/// part v and has the score of each shared customer. The feature party learns no score and nothing of v.
/// </summary>
/// <param name="half">The own half, which opens the own commitment in <paramref name="identity"/>; the caller has checked that.</param>
public sealed class Scorer(IChannel channel, ModelHalf half, ModelIdentity identity, JobSpecification specification, IVerticalObserver observer)
{
    /// <summary>Scores the aligned rows.</summary>
    /// <param name="features">Own columns in the model's order, one value an aligned row, in own units.</param>
    /// <param name="rows">Aligned rows, at least 1.</param>
    /// <exception cref="VertFedException">The peer holds another model, breaks the protocol or is away; or own values are out of range.</exception>
    public async Task<ScoreResult> RunAsync(double[][] features, int rows, CancellationToken cancellationToken)
    {
        observer.PhaseStarted(Phase.Evaluate);
        double[] own = half.Predict(features, rows);
        await identity.AgreeAsync(channel, cancellationToken);
        bool isLabelParty = channel.Self == Role.LabelParty;
        if (isLabelParty)
        {
            double[] shares = await ScoreShareCrossing.ReceiveAsync(channel, rows, cancellationToken);
            for (int i = 0; i < rows; i++)
            {
                own[i] = Score(own[i] + (shares[i] * half.LabelScale));
            }
        }
        else
        {
            await ScoreShareCrossing.SendAsync(channel, Array.ConvertAll(own, u => u / half.LabelScale), cancellationToken);
        }

        return new ScoreResult
        {
            Rows = rows,
            Scores = isLabelParty ? own : null,
            Disclosures = ScoreResult.DisclosuresOf(specification, rows),
        };
    }

    private double Score(double predictor) => half.Family == Family.Logistic ? DeterministicMath.Sigmoid(predictor) : predictor;
}
