using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>A verdict in one sentence.</summary>
internal static class VerdictText
{
    public static string Of(Verdict verdict) => verdict switch
    {
        { Failure: { } failure } => $"does not verify: {Describe(failure)}",
        { Completeness: Completeness.CoSigned, RoundLedger: not null } => $"complete, co-signed by all {verdict.Parties.Count} parties",
        { Completeness: Completeness.CoSigned } => "complete, co-signed by both parties",
        { Completeness: Completeness.NotCoSigned } => $"complete, not co-signed by {string.Join(" and ", verdict.NotCoSigned)}",
        _ => Ending(verdict),
    };

    private static string Describe(TranscriptFailure failure)
    {
        string where = failure.EntryIndex is { } index
            ? $" at entry {index}{Entry(failure)}"
            : "";
        string who = failure.Party.Length > 0 ? $", by '{failure.Party}'" : "";
        return $"rule {failure.Rule}{where}{who}: {failure.Message}";
    }

    private static string Ending(Verdict verdict)
    {
        string how = verdict.State switch
        {
            JobState.Failed => "the job failed",
            JobState.Refused => "the job was refused",
            JobState.Cancelled => "the job was cancelled",
            _ => "the job ended without a result",
        };
        return verdict.Error switch
        {
            null => how,
            { Step.Length: > 0 } error => $"{how} at {error.Step}: {error.Message}",
            { } error => $"{how}: {error.Message}",
        };
    }

    private static string Entry(TranscriptFailure failure) => failure switch
    {
        { RoundStep: not RoundStep.Unspecified, Sequence: { } sequence } => $" ({failure.RoundStep}{(failure.Round == 0 ? "" : $" of round {failure.Round}")}, number {sequence} of its sender)",
        { Step: not Step.Unspecified } => $" ({Name(failure.Step, failure.Round)})",
        _ => "",
    };

    private static string Name(Step step, uint round) => round == 0 ? $"{step}" : $"{step} of round {round}";
}
