using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Rounds;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Hosting;

/// <summary>What a job that ends leaves in writing at this party.</summary>
/// <param name="Fault">How it ended; null: with a result.</param>
/// <param name="Own">The report for the own operator.</param>
/// <param name="Shared">The same for the submitter, before it is sealed.</param>
/// <param name="Kept">The same for the store, which holds coefficients of halves in the model alone, so that deleting that erases them.</param>
/// <param name="Model">The party's model; null where the job has none, or did not end with a result.</param>
/// <param name="Root">What the model is bound to, 32 bytes; null without one.</param>
internal sealed record JobPapers(JobFault? Fault, byte[] Own, byte[] Shared, byte[] Kept, byte[]? Model, byte[]? Root, IReadOnlyList<Disclosure> Ledger)
{
    public JobState State => Fault?.State ?? JobState.Done;

    /// <summary>Writes down what the job came to. Where that cannot be done (a number that JSON has not, say), the job ends with that error and without a result: it is
    /// this job's end, and the node has others.</summary>
    /// <param name="fault">How it ended; null: with a result.</param>
    /// <param name="faultOf">The end of a job that an exception makes.</param>
    public static JobPapers Of(JobSpecification job, PartyConfig config, SessionRecord record, JobFault? fault, Func<Exception, JobFault> faultOf)
    {
        try
        {
            return Write(job, config, record, fault);
        }
        catch (Exception error)
        {
            JobFault unwritten = faultOf(error);
            return Write(job, config, new SessionRecord(job, config.Name, config.Role), fault ?? unwritten);
        }
    }

    /// <summary>The report, with coefficients where the job has any.</summary>
    public static byte[] ReportOf(JobSpecification job, PartyConfig config, SessionRecord record, JobState state, JobError? error) => job.Horizontal is null
        ? ReportWriter.Serialise(record.ToPart(state, error), withCoefficients: true)
        : RoundPart.Report(job, config.Name, state, error, record.Rounds);

    private static JobPapers Write(JobSpecification job, PartyConfig config, SessionRecord record, JobFault? fault)
    {
        JobState state = fault?.State ?? JobState.Done;
        ReportPart part = record.ToPart(state, fault?.Error);
        byte[] own = ReportOf(job, config, record, state, fault?.Error);
        if (job.Horizontal is not null)
        {
            byte[]? whole = fault is null && record.Rounds is { } rounds ? RoundPart.Model(job, rounds) : null;
            return new JobPapers(fault, own, ReportOf(job, config, record, state, fault?.Shared), own, whole, record.Rounds?.TranscriptRoot, [.. part.Ledger]);
        }

        byte[] shared = ReportWriter.Serialise(part with { Error = fault?.Shared }, config.Policy.ShareCoefficientsWithSubmitter, config.Policy.ShareScoreQuantilesWithSubmitter);
        byte[]? half = fault is null && part.Result is not null ? ReportWriter.SerialiseModel(part) : null;
        byte[] kept = half is null ? own : ReportWriter.Serialise(part, withCoefficients: false);
        return new JobPapers(fault, own, shared, kept, half, part.TranscriptRoot, [.. part.Ledger]);
    }
}
