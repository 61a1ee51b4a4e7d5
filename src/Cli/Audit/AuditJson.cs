using System.Text;
using System.Text.Json;
using VertFed.Cli.Jobs;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.Cli.Audit;

/// <summary>The same for programs, one line of JSON each.</summary>
internal static class AuditJson
{
    public static string Of(IEnumerable<TranscriptSummary> transcripts) => Write(json =>
    {
        json.WriteStartArray("transcripts");
        foreach (TranscriptSummary one in transcripts)
        {
            json.WriteStartObject();
            json.WriteString("job", one.Job);
            json.WriteNumber("attempt", one.Attempt);
            json.WriteString("state", JobOutcomes.Word(one.State));
            json.WriteNumber("entries", one.Entries);
            json.WriteNumber("bytes", one.Bytes);
            json.WriteString("payloads", one.Payloads == Payloads.Full ? "full" : "hashes");
            json.WriteString("checkpoint", JobOutcomes.Name(one.Checkpoint));
            Strings(json, "not_co_signed", one.NotCoSigned);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    public static string Of(string path, long bytes) => Write(json =>
    {
        json.WriteString("file", path);
        json.WriteNumber("bytes", bytes);
    });

    public static string Of(Verdict verdict, ModelCheck? model) => Write(json =>
    {
        json.WriteBoolean("verified", verdict.IsVerified);
        json.WriteString("summary", verdict.Summary);
        json.WriteString("job", verdict.Job);
        json.WriteNumber("attempt", verdict.Attempt);
        json.WriteString("submitter", verdict.Submitter);
        json.WriteString("coordinator", verdict.Coordinator);
        json.WriteBoolean("pinned", verdict.IsPinned);
        json.WriteNumber("entries", verdict.Entries);
        json.WriteNumber("payload_bytes", verdict.PayloadBytes);
        json.WriteNumber("unchecked_payload_bytes", verdict.UncheckedPayloadBytes);
        json.WriteNumber("file_bytes", verdict.FileBytes);
        json.WriteString("file_sha256", verdict.FileHash);
        json.WriteString("core_root", verdict.Root);
        json.WriteString("completeness", verdict.Completeness switch
        {
            Completeness.CoSigned => "co_signed",
            Completeness.NotCoSigned => "not_co_signed",
            Completeness.Ended => "ended",
            _ => "unknown",
        });
        Strings(json, "not_co_signed", verdict.NotCoSigned);
        json.WriteStartArray("checkpoints");
        foreach (VerifiedCheckpoint checkpoint in verdict.Checkpoints)
        {
            json.WriteStartObject();
            json.WriteString("phase", JobOutcomes.Name(checkpoint.Phase));
            json.WriteNumber("size", checkpoint.Checkpoint.Size);
            json.WriteString("root", Convert.ToHexStringLower(checkpoint.Checkpoint.RootHash));
            Strings(json, "co_signed_by", checkpoint.CoSigners.Select(signer => signer.Party));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (verdict.Remarks.Count > 0)
        {
            Strings(json, "remarks", verdict.Remarks);
        }

        if (verdict.Failure is { } failure)
        {
            json.WriteStartObject("failure");
            json.WriteString("rule", failure.Rule);
            json.WriteString("party", failure.Party);
            if (failure.EntryIndex is { } index)
            {
                json.WriteNumber("entry", index);
                json.WriteString("step", failure.RoundStep == RoundStep.Unspecified ? JobOutcomes.Name(failure.Step) : failure.RoundStep.ToString());
                json.WriteNumber("round", failure.Round);
                if (failure.Sequence is { } sequence)
                {
                    json.WriteNumber("sequence", sequence);
                }
            }

            json.WriteString("message", failure.Message);
            json.WriteEndObject();
        }

        if (model is not null)
        {
            json.WriteStartObject("model");
            json.WriteString("party", model.Party);
            json.WriteBoolean("committed", model.IsCommitted);
            json.WriteEndObject();
        }
    });

    public static string Of(DisclosureLedger ledger) => Write(json =>
    {
        json.WriteNumber("rows_at_least", ledger.RowsAtLeast);
        json.WriteNumber("rows_at_most", ledger.RowsAtMost);
        json.WriteNumber("rounds", ledger.Rounds);
        json.WriteStartArray("ledger");
        foreach (LedgerLine line in ledger.Lines)
        {
            json.WriteStartObject();
            json.WriteString("party", line.Party);
            json.WriteString("what", line.What);
            json.WriteNumber("scalars", line.Scalars);
            json.WriteBoolean("is_upper_bound", line.IsUpperBound);
            json.WriteNumber("scalars_per_row", line.ScalarsPerRow);
            json.WriteString("step", line.Step.ToString());
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    public static string Of(RoundLedger ledger) => Write(json =>
    {
        json.WriteNumber("parties", ledger.Specification.Parties.Count);
        json.WriteNumber("rounds", ledger.Rounds);
        json.WriteNumber("fewest_summed", ledger.FewestSummed);
        Strings(json, "guarantees", RoundGuarantees.Of(ledger));
        json.WriteStartArray("ledger");
        foreach (RoundLedgerLine line in ledger.Lines)
        {
            json.WriteStartObject();
            json.WriteString("to", line.To);
            json.WriteString("of", line.Of);
            json.WriteString("what", line.What);
            json.WriteNumber("values", line.Values);
            json.WriteString("step", line.Step.ToString());
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    private static void Strings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (string value in values)
        {
            json.WriteStringValue(value);
        }

        json.WriteEndArray();
    }

    private static string Write(Action<Utf8JsonWriter> fields)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            fields(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }
}
