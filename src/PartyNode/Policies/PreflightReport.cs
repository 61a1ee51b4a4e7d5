using System.Text.Encodings.Web;
using System.Text.Json;
using VertFed.PartyNode.Configuration;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;

namespace VertFed.PartyNode.Policies;

/// <summary>What a party's rules say of a job before anything of it is sent; as JSON, docs/preflight.schema.json.</summary>
public sealed record PreflightReport
{
    /// <summary>Its name in the job's folder.</summary>
    public const string FileName = "preflight.json";

    private const int SchemaVersion = 1;

    public required JobSpecification Job { get; init; }

    public required PartyConfig Config { get; init; }

    public required IReadOnlyList<RuleFinding> Findings { get; init; }

    /// <summary>The job would wait for the operator.</summary>
    public required bool NeedsApproval { get; init; }

    /// <summary>The job was not offered; somebody asks.</summary>
    public bool IsDryRun { get; init; }

    /// <summary>Null where the data was not looked at.</summary>
    public InputShape? Shape { get; init; }

    /// <summary>Null where the data was not looked at.</summary>
    public CostEstimate? Estimate { get; init; }

    /// <summary>Why the job is refused, also where no rule is the reason (a faulty data file); null where it is not.</summary>
    public JobError? Error { get; init; }

    /// <summary>refuse, held (for the operator), warn or pass.</summary>
    public string Verdict => Error is not null || Findings.Any(finding => finding.Refuses) ? GuardVerdicts.Refuse
        : NeedsApproval ? "held"
        : Findings.Any(finding => finding.Verdict == GuardVerdicts.Warn) ? GuardVerdicts.Warn
        : GuardVerdicts.Pass;

    /// <summary>JSON, UTF-8. Counts and words; no id and no value of a row, and no name of a column but in <see cref="Error"/>, where that is the own operator's.</summary>
    public byte[] Serialise()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteNumber("schema", SchemaVersion);
            json.WriteString("job", Job.Job);
            json.WriteString("kind", PartyPolicy.NameOf(Job.Kind));
            json.WriteString("party", Config.Name);
            json.WriteString("role", Config.Role == Role.LabelParty ? "label" : "feature");
            json.WriteBoolean("dry_run", IsDryRun);
            json.WriteString("verdict", Verdict);
            json.WriteString("approval", NeedsApproval ? "manual" : "automatic");
            WriteRules(json);
            WriteData(json);
            WriteEstimate(json);
            WritePolicy(json);
            WriteError(json);
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private void WriteRules(Utf8JsonWriter json)
    {
        json.WriteStartArray("rules");
        foreach (RuleFinding finding in Findings)
        {
            json.WriteStartObject();
            json.WriteString("name", finding.Rule);
            json.WriteString("moment", PolicyRules.NameOf(finding.Moment));
            json.WriteString("verdict", finding.Verdict);
            json.WriteString("reason", finding.Reason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WriteData(Utf8JsonWriter json)
    {
        if (Shape is not { } shape)
        {
            json.WriteNull("data");
            return;
        }

        json.WriteStartObject("data");
        json.WriteString("dataset", shape.Dataset);
        json.WriteNumber("rows", shape.Rows);
        json.WriteNumber("columns", shape.Columns.Count);
        json.WriteEndObject();
    }

    private void WriteEstimate(Utf8JsonWriter json)
    {
        if (Estimate is not { } estimate)
        {
            json.WriteNull("estimate");
            return;
        }

        json.WriteStartObject("estimate");
        json.WriteNumber("seconds", estimate.Seconds);
        json.WriteNumber("bytes", estimate.Bytes);
        json.WriteString("basis", Job.Horizontal is null
            ? "own rows and columns, the peer taken to be as large and all rows shared; an order of magnitude"
            : "own rows and columns, all rounds with all the parties that one invites, none slower; an order of magnitude");
        json.WriteEndObject();
    }

    private void WritePolicy(Utf8JsonWriter json)
    {
        json.WriteStartObject("policy");
        json.WriteString("sha256", Convert.ToHexStringLower(Config.Policy.Hash()));
        json.WriteStartArray("looser_than_default");
        foreach (PolicyValue value in Config.Policy.Loosened())
        {
            json.WriteStringValue(value.Name);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteError(Utf8JsonWriter json)
    {
        if (Error is not { } error)
        {
            json.WriteNull("error");
            return;
        }

        json.WriteStartObject("error");
        json.WriteString("code", error.Code);
        json.WriteString("message", error.Message);
        json.WriteEndObject();
    }
}
