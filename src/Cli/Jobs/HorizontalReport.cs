using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>
/// The report of a horizontal job: the coordinator's table of rounds, and what each party measured of the final model on its own rows, which
/// the parties seal to the submitter. How evenly the model serves them is reckoned here: the coordinator does not know.
/// </summary>
internal static class HorizontalReport
{
    /// <summary>Opens the parts and puts them together.</summary>
    /// <param name="specification">The submitted specification, or null where the signers cannot be compared.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: a part is not from the party that it names.</exception>
    public static JsonObject Open(ReportResponse response, Identity analyst, JobSpecification? specification)
    {
        JobStatus status = response.Status;
        if (!JobOutcomes.HasEnded(status.State))
        {
            throw Error.Job(ErrorCode.Usage, $"Job {status.Job} has not ended ({JobOutcomes.Word(status.State)}); there is no report yet.");
        }

        JsonArray parties = [];
        foreach (SealedReport part in response.Parts)
        {
            OpenedReport opened = ReportSeal.Open(status.Job, part, analyst);
            string? pinned = specification?.Parties.FirstOrDefault(party => party.Name == part.Party)?.Fingerprint;
            if (specification is not null && opened.Signer.Fingerprint != pinned)
            {
                throw Error.Job(ErrorCode.DoesNotVerify, $"The report part of '{part.Party}' is signed by {opened.Signer.Fingerprint}, not by the party of the job specification.", part.Party);
            }

            parties.Add(Parse(opened.Content, part.Party));
        }

        return new JsonObject
        {
            ["schema"] = 1,
            ["job"] = status.Job,
            ["kind"] = "horizontal",
            ["status"] = JobOutcomes.Word(status.State),
            ["error"] = status.Error is { Message.Length: > 0 } error ? JobStatusText.Describe(error) : null,
            ["seconds_total"] = Math.Max(0, (status.EndedUnixMs - status.SubmittedUnixMs) / 1000.0),
            ["training"] = response.Rounds.IsEmpty ? null : Parse(response.Rounds.Span, "coordinator"),
            ["spread"] = Spread(parties),
            ["parties"] = parties,
        };
    }

    /// <summary>Prints it as tables.</summary>
    public static void Write(IAnsiConsole console, JsonObject report)
    {
        console.WriteLine($"Job {report["job"]}: {report["status"]}{(report["error"] is { } error ? $" ({error})" : "")}");
        if (report["training"] is JsonObject training)
        {
            console.WriteLine($"{training["model"]}, {training["strategy"]}, secure aggregation {training["secure_aggregation"]}, {training["rounds_done"]} of {training["rounds_most"]} rounds");
            Table rounds = new Table().Border(TableBorder.Simple);
            rounds.AddColumns("Round", "Loss before", "Counted", "KB up", "KB down", "Epsilon", "Refused or set aside");
            foreach (JsonObject round in training["rounds"]!.AsArray().OfType<JsonObject>())
            {
                IEnumerable<string> notes = round["refusals"]!.AsArray().Concat(round["outliers"]!.AsArray()).Select(note => $"{note!["party"]}: {note["reason"]}");
                rounds.AddRow(
                    (int)round["round"]! == 0 ? "scaling" : round["round"]!.ToString(), Number(round["loss"]), $"{round["counted"]!.AsArray().Count} of {round["invited"]!.AsArray().Count}",
                    Kilobytes(round["bytes_up"]), Kilobytes(round["bytes_down"]), (double)round["epsilon"]! == 0 ? "" : Number(round["epsilon"]),
                    Markup.Escape(Error.OneLine(string.Join("; ", notes))));
            }

            console.Write(rounds);
        }

        Table parties = new Table().Border(TableBorder.Simple);
        parties.AddColumns("Party", "Training rows", "Measured on", "Score", "Loss", "Accuracy", "Own model");
        foreach (JsonObject party in report["parties"]!.AsArray().OfType<JsonObject>())
        {
            parties.AddRow(
                Markup.Escape(Error.OneLine($"{party["party"]}")), $"{party["train_rows"]}", $"{party["rows"]} {party["measured_on"]} rows",
                $"{party["score_name"]} {Number(party["score"])}", Number(party["loss"]), Number(party["accuracy"]),
                party["personal"] is JsonObject own ? Markup.Escape(Error.OneLine($"{own["method"]}: {party["score_name"]} {Number(own["score"])}, loss {Number(own["loss"])}")) : "");
        }

        console.Write(parties);
        if (report["spread"] is JsonObject spread)
        {
            console.WriteLine(
                $"{spread["measure"]} over parties: mean {Number(spread["mean"])}, deviation {Number(spread["deviation"])}, worst decile {Number(spread["worst_decile"])}, worst {Number(spread["worst"])}");
        }
    }

    private static JsonObject Parse(ReadOnlySpan<byte> content, string party)
    {
        try
        {
            return JsonNode.Parse(content) as JsonObject ?? throw Error.ReportUnreadable(party, "it is no JSON object");
        }
        catch (JsonException e)
        {
            throw Error.ReportUnreadable(party, "it is no JSON", e);
        }
    }

    // Each party alike, whatever its size: the tenth that fares worst, at least one.
    private static JsonObject? Spread(JsonArray parties)
    {
        JsonObject[] measured = [.. parties.OfType<JsonObject>().Where(party => party["loss"] is JsonValue)];
        if (measured.Length == 0)
        {
            return null;
        }

        bool accuracy = measured.All(party => party["accuracy"] is JsonValue);
        double[] values = [.. measured.Select(party => (double)party[accuracy ? "accuracy" : "loss"]!)];
        double[] worstFirst = accuracy ? [.. values.Order()] : [.. values.OrderDescending()];
        double mean = values.Average();
        return new JsonObject
        {
            ["measure"] = accuracy ? "accuracy" : "loss",
            ["mean"] = mean,
            ["deviation"] = Math.Sqrt(values.Average(value => (value - mean) * (value - mean))),
            ["worst_decile"] = worstFirst.Take((worstFirst.Length + 9) / 10).Average(),
            ["worst"] = worstFirst[0],
            ["best"] = worstFirst[^1],
        };
    }

    private static string Number(JsonNode? value) => value is JsonValue number ? ((double)number).ToString("0.#####", CultureInfo.InvariantCulture) : "-";

    private static string Kilobytes(JsonNode? bytes) => (((double?)bytes ?? 0) / 1000).ToString("0.0", CultureInfo.InvariantCulture);
}
