using VertFed.Cli.Reports;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>
/// Opens the parts of a horizontal job's report and puts them together. How evenly the model serves parties and groups is reckoned here: the coordinator
/// does not know.
/// </summary>
internal static class HorizontalParts
{
    /// <param name="specification">The submitted specification, or null where the signers cannot be compared.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: the job has not ended. <see cref="ErrorCode.DoesNotVerify"/>: a part is not from the
    /// party that it names. <see cref="ErrorCode.ProtocolViolation"/>: a part cannot be read.</exception>
    public static HorizontalReport Open(ReportResponse response, Identity analyst, JobSpecification? specification)
    {
        JobStatus status = response.Status ?? throw Error.ReportUnreadable("coordinator", "it came without the job's status");
        if (!JobOutcomes.HasEnded(status.State))
        {
            throw Error.Job(ErrorCode.Usage, $"Job {status.Job} has not ended ({JobOutcomes.Word(status.State)}); there is no report yet.");
        }

        string[] names = specification is null ? [.. status.Parties] : [.. specification.Parties.Select(party => party.Name)];
        PartyPart[] parties = [.. names.Select(name => OpenPart(response, name, specification, analyst)).OfType<PartyPart>()];
        TrainingPart? training = response.Rounds.IsEmpty ? null : HorizontalJson.Read(response.Rounds.Span, "coordinator", HorizontalJson.Default.TrainingPart);
        return new HorizontalReport
        {
            Job = status.Job,
            Status = JobOutcomes.Word(status.State),
            Error = status.Error is { Message.Length: > 0 } error ? new ReportError(error.Code, error.Party, error.Step, Error.OneLine(error.Message)) : null,
            NotCoSigned = status.State == JobState.Done ? [.. status.NotCoSigned] : [],
            Version = SoftwareVersion.Current,
            SecondsTotal = Math.Max(0, (status.EndedUnixMs - status.SubmittedUnixMs) / 1000.0),
            Training = training,
            Parties = parties,
            Missing = [.. names.Except(parties.Select(part => part.Party), StringComparer.Ordinal)],
            Spread = SpreadOf(parties),
            Groups = GroupsOf(parties, specification?.Horizontal?.ReportBy),
            Disclosures = training is null || training.Rounds.Count == 0 ? [] : DisclosuresOf(training),
        };
    }

    /// <summary>Each party alike, whatever its size.</summary>
    internal static PartySpread? SpreadOf(IReadOnlyList<PartyPart> parties)
    {
        PartyPart[] measured = [.. parties.Where(part => part.Loss is not null)];
        if (measured.Length == 0)
        {
            return null;
        }

        bool accuracy = measured.All(part => part.Accuracy is not null);
        (string Party, double Value)[] worstFirst = [.. measured.Select(part => (part.Party, accuracy ? part.Accuracy!.Value : part.Loss!.Value)).OrderBy(pair => accuracy ? pair.Item2 : -pair.Item2)];
        double mean = worstFirst.Average(pair => pair.Value);
        return new PartySpread(
            accuracy ? "accuracy" : "loss",
            mean,
            Math.Sqrt(worstFirst.Average(pair => (pair.Value - mean) * (pair.Value - mean))),
            worstFirst.Take((worstFirst.Length + 9) / 10).Average(pair => pair.Value),
            worstFirst[0].Value,
            worstFirst[0].Party,
            worstFirst[^1].Value);
    }

    /// <summary>Each row alike: losses and accuracies of a level's rows are exact over all parties that tell them.</summary>
    /// <param name="column">As the spec names it; null where there is no spec to look it up in.</param>
    internal static GroupReport? GroupsOf(IReadOnlyList<PartyPart> parties, string? column)
    {
        (LevelScore Score, string Name)[] all = [.. parties.SelectMany(part => part.Groups.Where(group => group.Rows > 0).Select(group => (group, part.ScoreName)))];
        if (all.Length == 0)
        {
            return null;
        }

        bool squares = all.All(one => one.Name == "rmse");
        return new GroupReport(
            column ?? "",
            [
                .. all.GroupBy(one => one.Score.Level, one => one.Score, StringComparer.Ordinal).OrderBy(level => level.Key, StringComparer.Ordinal).Select(level =>
                {
                    double? score = squares ? Math.Sqrt(Mean(level, one => one.Score * one.Score) ?? double.NaN) : Mean(level, one => one.Score);
                    return new GroupLine(
                        level.Key, level.Count(), level.Sum(one => (long)one.Rows), score is { } number && double.IsFinite(number) ? number : null, Mean(level, one => one.Loss), Mean(level, one => one.Accuracy));
                }),
            ]);
    }

    private static double? Mean(IEnumerable<LevelScore> scores, Func<LevelScore, double?> measure)
    {
        (double Value, double Rows)[] there = [.. scores.Where(one => measure(one) is not null).Select(one => (measure(one)!.Value, (double)one.Rows))];
        return there.Length == 0 ? null : there.Sum(one => one.Value * one.Rows) / there.Sum(one => one.Rows);
    }

    private static PartyPart? OpenPart(ReportResponse response, string party, JobSpecification? specification, Identity analyst)
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
        string? pinned = specification?.Parties.Single(one => one.Name == party).Fingerprint;
        if (specification is not null && opened.Signer.Fingerprint != pinned)
        {
            throw Error.Job(ErrorCode.DoesNotVerify, $"The report part of '{party}' is signed by {opened.Signer.Fingerprint}, not by {pinned} as the job specification has it.", party);
        }

        PartyPart part = HorizontalJson.Read(opened.Content, party, HorizontalJson.Default.PartyPart);
        bool fits = part.Schema == HorizontalReport.CurrentSchema && part.Job == response.Status.Job && part.Party == party && part.Rows >= 0 && part.TrainRows >= 0;
        return fits ? part : throw Error.ReportUnreadable(party, "it is of another schema, job or party, or counts rows below zero");
    }

    // As docs/horizontal-service.md has it.
    private static Learned[] DisclosuresOf(TrainingPart training) =>
    [
        new("coordinator", training.SecureAggregation == "none"
            ? "each party's sums of its columns and of their squares, its update of every round, its row count and its losses"
            : "for the columns, the updates and the losses sums over the parties that took part, no party's own"),
        new("every party", "the columns' means and deviations over all rows, each round's model, who was invited and whose update counted"),
        new("submitter", "the coordinator's table of rounds, and each party's rows and measures as it sealed them"),
    ];
}
