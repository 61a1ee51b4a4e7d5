using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Sessions;

/// <summary>Loads what a job needs of this party: the data, and for a score job the own half of the model.</summary>
internal static class InputLoader
{
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: the data. <see cref="ErrorCode.Refused"/>: the model.</exception>
    public static async Task<PreparedInput> LoadAsync(
        PartyConfig config, IPartyStore store, JobSpecification specification, CancellationToken cancellationToken)
    {
        ScoringModel? model = specification.Kind == JobKind.Score
            ? await ScoringModel.LoadAsync(store, specification, config.Role, mayBeArchived: false, cancellationToken)
            : null;
        return await Task.Run(
            () => model is null
                ? PreparedInput.Load(config, specification, cancellationToken)
                : PreparedInput.Load(config, specification, model, cancellationToken),
            cancellationToken);
    }
}
