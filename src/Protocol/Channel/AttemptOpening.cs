using System.Security.Cryptography;

namespace VertFed.Protocol;

/// <summary>The root seed of an attempt: drawn and made durable once, loaded ever after, and never under anything else.</summary>
internal static class AttemptOpening
{
    /// <exception cref="VertFedException"><see cref="ErrorCode.Diverges"/>: the journal has this attempt with another spec, policy,
    /// input or build.</exception>
    public static async Task<AttemptRecord> LoadOrDrawAsync(
        SealedChannelOptions options, IJournal journal, CancellationToken cancellationToken)
    {
        string job = options.Specification.Job;
        AttemptRecord? recorded = await journal.LoadAttemptAsync(job, options.Attempt, cancellationToken);
        if (recorded is null)
        {
            AttemptRecord drawn = new(
                job,
                options.Attempt,
                RandomNumberGenerator.GetBytes(SeedSchedule.SeedBytes),
                options.Job.SpecHash,
                options.PolicyHash,
                options.DataRoot,
                options.SoftwareVersion);
            await journal.SaveAttemptAsync(drawn, cancellationToken);
            return drawn;
        }

        string? changed =
            !recorded.SpecHash.AsSpan().SequenceEqual(options.Job.SpecHash) ? "job spec"
            : !recorded.PolicyHash.AsSpan().SequenceEqual(options.PolicyHash) ? "policy"
            : !recorded.DataRoot.AsSpan().SequenceEqual(options.DataRoot) ? "input data"
            : recorded.SoftwareVersion != options.SoftwareVersion ? "software version"
            : recorded.RootSeed.Length != SeedSchedule.SeedBytes ? "length of the root seed"
            : null;
        return changed is null
            ? recorded
            : throw Error.Diverges($"Attempt {recorded} was begun with another {changed}; it takes a new attempt.");
    }
}
