using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Control;

/// <summary>What the operator can see and say of this node's jobs; the running node implements it.</summary>
internal interface IJobControl
{
    /// <summary>Jobs newest first.</summary>
    /// <param name="limit">1 to 1000.</param>
    /// <param name="held">Only those that wait for a decision.</param>
    Task<IReadOnlyList<NodeJob>> ListJobsAsync(int limit, bool held, CancellationToken cancellationToken);

    /// <summary>A job with its pre-flight report; null where there is none of this id.</summary>
    Task<NodeJob?> ShowJobAsync(string job, CancellationToken cancellationToken);

    /// <summary>Decides on a held job, durably before it has an effect. The same decision again changes nothing.</summary>
    /// <returns>The job afterwards; null where there is none of this id.</returns>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: the job does not wait for a decision, or was decided otherwise.</exception>
    Task<NodeJob?> DecideAsync(string job, bool approved, string reason, CancellationToken cancellationToken);

    /// <summary>What horizontal jobs have cost a row of each dataset.</summary>
    Task<NodePrivacy> ShowPrivacyAsync(CancellationToken cancellationToken);
}

/// <summary>What the operator can see and say of this party's models: its halves of those of vertical jobs, and those of horizontal jobs.</summary>
internal interface IModelControl
{
    /// <summary>Models newest first.</summary>
    /// <param name="limit">1 to 1000.</param>
    Task<IReadOnlyList<NodeModel>> ListModelsAsync(int limit, CancellationToken cancellationToken);

    /// <summary>A model with the columns that it reads; null where there is none of this job.</summary>
    Task<NodeModel?> ShowModelAsync(string job, CancellationToken cancellationToken);

    /// <summary>Archives or deletes a model; the same again changes nothing.</summary>
    /// <param name="state">ARCHIVED or DELETED.</param>
    /// <returns>The model afterwards; null where there is none of this job.</returns>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: a deleted model cannot become an archived one, and a job that has not ended has none yet.</exception>
    Task<NodeModel?> SetModelStateAsync(string job, ModelState state, CancellationToken cancellationToken);
}
