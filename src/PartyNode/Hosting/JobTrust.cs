using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Policies;
using VertFed.Protocol;

namespace VertFed.PartyNode.Hosting;

/// <summary>Whether a job that was let through before is still one between those whom this party trusts: trust may have changed since.</summary>
internal static class JobTrust
{
    /// <summary>What speaks against the job's submitter, its peer or the own identity that it names; null where nothing does.</summary>
    public static string? Objection(PartyConfig config, NodeKeys keys, SignedJob job)
    {
        PartyReference? stranger = JobParties.Peers(job.Specification, config)
            .FirstOrDefault(peer => !config.Peers.Any(known => known.Name == peer.Name && known.Holds(peer.Fingerprint)));
        return !config.Submitters.Contains(job.Submitter.Fingerprint, StringComparer.Ordinal) ? $"'{config.Name}' does not trust the job's submitter any more"
            : stranger is not null ? $"'{config.Name}' does not trust the key of '{stranger.Name}' any more"
            : !keys.Hold(JobParties.Own(job.Specification, config).Fingerprint) ? $"'{config.Name}' has given up the identity that the job names"
            : null;
    }

    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>: something speaks against the job.</exception>
    public static void Require(PartyConfig config, NodeKeys keys, SignedJob job)
    {
        if (Objection(config, keys, job) is { } why)
        {
            throw new VertFedException(ErrorCode.Refused, why) { Party = config.Name };
        }
    }
}
