using VertFed.Cli.Reports;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>Opens the report parts that the parties sealed to the submitter and puts them together.</summary>
/// <remarks>
/// The coordinator hands the parts over, so it could hand over others: each part is signed by its party, and the signer is
/// compared with the fingerprint in the job specification, which the submitter has.
/// </remarks>
internal static class SealedReports
{
    /// <param name="specification">The submitted specification, or null where the signers cannot be compared.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: a part is not from the party that it names.</exception>
    public static Report Open(ReportResponse response, Identity analyst, JobSpecification? specification)
    {
        JobStatus status = response.Status ?? throw Error.ReportUnreadable("coordinator", "it came without the job's status");
        if (!JobOutcomes.HasEnded(status.State))
        {
            throw Error.Job(ErrorCode.Usage, $"Job {status.Job} has not ended ({JobOutcomes.Word(status.State)}); there is no report yet.");
        }

        Report? bank = OpenPart(response, specification?.LabelParty.Name ?? status.LabelParty, specification?.LabelParty.Fingerprint, analyst);
        Report? retailer = OpenPart(response, specification?.FeatureParty.Name ?? status.FeatureParty, specification?.FeatureParty.Fingerprint, analyst);
        Report? known = bank ?? retailer;
        Report frame = new()
        {
            Job = status.Job,
            Status = JobOutcomes.Word(status.State),
            Error = status.Error is { Message.Length: > 0 } error
                ? new ReportError(error.Code, error.Party, error.Step, Error.OneLine(error.Message))
                : null,
            Family = known?.Family ?? "",
            L2 = known?.L2 ?? 0,
            Holdout = known?.Holdout ?? 0,
            Version = known?.Version ?? "",
            NotCoSigned = status.State == JobState.Done ? [.. status.NotCoSigned] : [],
            SecondsTotal = Math.Max(0, (status.EndedUnixMs - status.SubmittedUnixMs) / 1000.0),
        };
        return ReportMerger.Merge(frame, bank, retailer);
    }

    private static Report? OpenPart(ReportResponse response, string party, string? fingerprint, Identity analyst)
    {
        SealedReport[] parts = [.. response.Parts.Where(part => string.Equals(part.Party, party, StringComparison.Ordinal))];
        if (parts.Length == 0)
        {
            return null;
        }

        if (parts.Length > 1)
        {
            throw Error.ReportUnreadable(party, "there are several");
        }

        OpenedReport opened = ReportSeal.Open(response.Status.Job, parts[0], analyst);
        return fingerprint is null || string.Equals(opened.Signer.Fingerprint, fingerprint, StringComparison.Ordinal)
            ? ReportFile.Parse(opened.Content, party)
            : throw Error.Job(ErrorCode.DoesNotVerify, $"The report part of '{party}' is signed by {opened.Signer.Fingerprint}, not by {fingerprint} as the job specification has it.", party);
    }
}
