using VertFed.PartyNode.Data;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Vertical;

namespace VertFed.PartyNode.Scoring;

/// <summary>The own half of the model that a score job names, found and checked before the job is answered.</summary>
internal sealed record ScoringModel(ModelHalf Half, ColumnEncoder Encoder, ModelIdentity Identity)
{
    /// <summary>
    /// Finds the model: it is known here, of the same two parties in the same roles, neither archived nor deleted, and its coefficients
    /// open the commitment that this party made at the end of the training job.
    /// </summary>
    /// <param name="mayBeArchived">Whether a job of the past is replayed.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>, naming the rule that refuses the model.</exception>
    public static async Task<ScoringModel> LoadAsync(
        IPartyStore store, JobSpecification specification, Role role, bool mayBeArchived, CancellationToken cancellationToken)
    {
        string id = specification.Model ?? throw new ArgumentException("Only a score job names a model.", nameof(specification));
        string party = specification.Party(role).Name;
        StoredModel stored = await store.FindModelAsync(id, cancellationToken) ?? throw Refused(party, "model-known", $"there is no model of job {id} here");
        if (stored.Model is not { } json || stored.State == ModelState.Deleted)
        {
            throw Refused(party, "model-active", $"the model of job {id} was deleted here");
        }

        if (stored.State != ModelState.Active && !mayBeArchived)
        {
            throw Refused(party, "model-active", $"the model of job {id} is archived here");
        }

        PartyJob? job = await store.FindJobAsync(id, cancellationToken);
        if (job is null || !IsOfTheSameParties(job, specification) || job.Role != role)
        {
            throw Refused(party, "model-parties", $"the model of job {id} was not trained by these two parties in these roles, in a vertical job");
        }

        ModelFile file = Parse(party, json);
        byte[] committed = ResultSalts.Commit("coefficients", file.Salt, file.Half.Encode(role == Role.LabelParty));
        if (file.Identity.Job != id || file.Party != party || !committed.AsSpan().SequenceEqual(file.Identity.OwnCoefficients)
            || (stored.TranscriptRoot is { } root && !root.AsSpan().SequenceEqual(file.Identity.TranscriptRoot)))
        {
            throw Refused(party, "model-intact", $"the model of job {id} is not the one that this party committed to when it was trained");
        }

        return new ScoringModel(file.Half, file.Encoder, file.Identity);
    }

    private static ModelFile Parse(string party, byte[] json)
    {
        try
        {
            return ModelFile.Parse(json);
        }
        catch (VertFedException error)
        {
            throw Refused(party, "model-format", error.Message, error);
        }
    }

    private static bool IsOfTheSameParties(PartyJob job, JobSpecification specification)
    {
        JobSpecification trained = SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(job.SignedSpec)).Specification;
        return trained.Horizontal is null && trained.LabelParty == specification.LabelParty && trained.FeatureParty == specification.FeatureParty;
    }

    private static VertFedException Refused(string party, string rule, string why, Exception? inner = null) =>
        new(ErrorCode.Refused, $"rule '{rule}': {why}", inner) { Party = party };
}
