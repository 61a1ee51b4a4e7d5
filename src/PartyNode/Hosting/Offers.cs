using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Hosting;

/// <summary>What an offer says beside its job spec.</summary>
internal static class Offers
{
    /// <summary>What speaks against an offer's job id; null where nothing does. An id stands for one spec and one attempt for ever.</summary>
    /// <param name="known">The job of this id as the store has it.</param>
    public static string? ConflictOf(PartyJob? known, OfferEvent offer)
    {
        if (known is null)
        {
            return null;
        }

        SignedJobSpec before = SignedJobSpec.Parser.ParseFrom(known.SignedSpec);
        return before.Spec != offer.Job.Spec || known.Attempt != offer.Attempt ? "another spec or attempt was offered under this job id before"
            : known.State is not (JobState.Offered or JobState.Running) ? "this job has ended here before"
            : null;
    }

    /// <summary>Family of the model that a score job names, as the spec of the job that trained it says; null where it trains, or where that job is not known here.</summary>
    public static async Task<Family?> ModelFamilyAsync(IPartyStore store, JobSpecification job, CancellationToken cancellationToken) =>
        job.Model is { } model && await store.FindJobAsync(model, cancellationToken) is { } trained
            ? SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(trained.SignedSpec)).Specification.Family
            : null;

    /// <summary>The answer to an offer that nobody has signed; null where it has not even a job id to answer for.</summary>
    public static JobAnswer? RefusalOfUnreadable(OfferEvent offer, VertFedException error, string party)
    {
        try
        {
            JobSpec spec = JobSpec.Parser.ParseFrom(offer.Job.Spec);
            return EnvelopeCodec.IsJobId(spec.Job)
                ? new JobAnswer { Job = spec.Job, Attempt = offer.Attempt, Accepted = false, Error = JobFault.From(error, party).Shared }
                : null;
        }
        catch (Google.Protobuf.InvalidProtocolBufferException)
        {
            return null;
        }
    }
}
