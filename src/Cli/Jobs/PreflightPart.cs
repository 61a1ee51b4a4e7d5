using System.Text.Json;
using System.Text.Json.Serialization;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>What one party's rules say of a job (docs/preflight.schema.json); what is not shown is not read.</summary>
internal sealed record PreflightPart
{
    public const int CurrentSchema = 1;

    public required int Schema { get; init; }

    public required string Job { get; init; }

    public required string Party { get; init; }

    /// <summary>refuse, held, warn or pass.</summary>
    public required string Verdict { get; init; }

    /// <summary>manual: the job would wait for the party's operator.</summary>
    public required string Approval { get; init; }

    public required IReadOnlyList<PreflightRule> Rules { get; init; }

    /// <summary>Null where the party did not look at its data.</summary>
    public PreflightData? Data { get; init; }

    public PreflightEstimate? Estimate { get; init; }

    /// <summary>Why the job would be refused where no rule is the reason.</summary>
    public PreflightError? Error { get; init; }
}

/// <param name="Verdict">pass, warn or refuse.</param>
/// <param name="Reason">In words, with value and limit.</param>
internal sealed record PreflightRule(string Name, string Moment, string Verdict, string Reason);

internal sealed record PreflightData(string Dataset, long Rows, long Columns);

/// <summary>An estimate of the whole job by one party, from its own shape.</summary>
internal sealed record PreflightEstimate(double Seconds, double Bytes);

internal sealed record PreflightError(string Code, string Message);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(PreflightPart))]
[JsonSerializable(typeof(JobCheck))]
internal sealed partial class PreflightJson : JsonSerializerContext;

/// <summary>Both parties' answers to a dry run, opened.</summary>
internal sealed record JobCheck
{
    public required string Job { get; init; }

    /// <summary>The worst of the parts'; missing where a party did not answer and none refuses.</summary>
    public required string Verdict { get; init; }

    /// <summary>Parties that did not answer, by name.</summary>
    public required IReadOnlyList<string> Missing { get; init; }

    /// <summary>The larger of the parties' estimates: each is of the whole job. Null where there is none.</summary>
    public PreflightEstimate? Estimate { get; init; }

    /// <summary>Label party first.</summary>
    public required IReadOnlyList<PreflightPart> Parties { get; init; }

    [JsonIgnore]
    public int ExitCode => Verdict switch
    {
        "refuse" => (int)ErrorCode.Refused,
        Unanswered => (int)ErrorCode.PeerUnavailable,
        _ => 0,
    };

    private const string Unanswered = "missing";

    private static readonly string[] s_worstFirst = ["refuse", Unanswered, "held", "warn", "pass"];

    /// <summary>Opens the answers. The coordinator hands them over, so each part's signer is compared with the spec's fingerprint.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: a part is not from a party of the spec.
    /// <see cref="ErrorCode.ProtocolViolation"/>: a part cannot be read.</exception>
    public static JobCheck Open(DryRunResponse response, JobSpecification spec, Identity analyst)
    {
        List<PreflightPart> parts = [];
        foreach (PartyReference party in spec.Parties)
        {
            SealedReport[] own = [.. response.Parts.Where(part => string.Equals(part.Party, party.Name, StringComparison.Ordinal))];
            if (own.Length > 1)
            {
                throw Cli.Error.ReportUnreadable(party.Name, "there are several");
            }

            if (own.Length == 1)
            {
                parts.Add(OpenPart(own[0], spec.Job, party, analyst));
            }
        }

        string[] missing = [.. spec.Parties.Select(party => party.Name).Except(parts.Select(part => part.Party), StringComparer.Ordinal)];
        PreflightEstimate[] estimates = [.. parts.Select(part => part.Estimate).OfType<PreflightEstimate>()];
        string[] verdicts = [.. parts.Select(part => part.Verdict), .. missing.Select(_ => Unanswered)];
        return new JobCheck
        {
            Job = spec.Job,
            Verdict = Array.Find(s_worstFirst, verdicts.Contains)!,
            Missing = missing,
            Estimate = estimates.Length == 0 ? null : new PreflightEstimate(estimates.Max(one => one.Seconds), estimates.Max(one => one.Bytes)),
            Parties = parts,
        };
    }

    private static PreflightPart OpenPart(SealedReport part, string job, PartyReference party, Identity analyst)
    {
        OpenedReport opened = ReportSeal.Open(job, part, analyst);
        if (!string.Equals(opened.Signer.Fingerprint, party.Fingerprint, StringComparison.Ordinal))
        {
            throw Cli.Error.Job(ErrorCode.DoesNotVerify, $"The answer of '{party.Name}' is signed by {opened.Signer.Fingerprint}, not by {party.Fingerprint} as the job specification has it.", party.Name);
        }

        PreflightPart? read;
        try
        {
            read = JsonSerializer.Deserialize(opened.Content, PreflightJson.Default.PreflightPart);
        }
        catch (JsonException e)
        {
            throw Cli.Error.ReportUnreadable(party.Name, $"not a valid pre-flight answer near line {(e.LineNumber ?? 0) + 1}", e);
        }

        bool fits = read is { Schema: PreflightPart.CurrentSchema } && read.Job == job && read.Party == party.Name && s_worstFirst.Except([Unanswered]).Contains(read.Verdict);
        return fits ? read! : throw Cli.Error.ReportUnreadable(party.Name, "it is of another schema, job or party");
    }
}
