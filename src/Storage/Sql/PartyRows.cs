using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <summary>A row of a party's table jobs as Dapper fills it.</summary>
internal sealed class PartyJobRow : ErrorColumns
{
    public const string Columns = $"""
        job AS Job, ordinal AS Ordinal, attempt AS Attempt, role AS Role, signed_spec AS SignedSpec, state AS State,
        received_ms AS ReceivedMs, accepted_ms AS AcceptedMs, held_ms AS HeldMs, ended_ms AS EndedMs, {ErrorNames}
        """;

    public string Job { get; set; } = "";

    public long Ordinal { get; set; }

    public long Attempt { get; set; }

    public long Role { get; set; }

    public byte[] SignedSpec { get; set; } = [];

    public long State { get; set; }

    public long ReceivedMs { get; set; }

    public long AcceptedMs { get; set; }

    public long HeldMs { get; set; }

    public long EndedMs { get; set; }

    public PartyJob ToRecord() => new()
    {
        Job = Job,
        Ordinal = Ordinal,
        Attempt = checked((uint)Attempt),
        Role = (Role)Role,
        SignedSpec = SignedSpec,
        State = (JobState)State,
        ReceivedUnixMs = ReceivedMs,
        AcceptedUnixMs = AcceptedMs,
        HeldUnixMs = HeldMs,
        EndedUnixMs = EndedMs,
        Error = ToError(),
    };
}

/// <summary>A row of the table results.</summary>
internal sealed class ResultRow : ErrorColumns
{
    public const string Columns = $"state AS State, report AS Report, model AS Model, outcome AS Outcome, ended_ms AS EndedMs, {ErrorNames}";

    public long State { get; set; }

    public byte[] Report { get; set; } = [];

    public byte[]? Model { get; set; }

    public byte[] Outcome { get; set; } = [];

    public long EndedMs { get; set; }
}

/// <summary>A row of the table attempts.</summary>
internal sealed class AttemptRow
{
    public byte[] SealedSeed { get; set; } = [];

    public byte[] SpecHash { get; set; } = [];

    public byte[] PolicyHash { get; set; } = [];

    public byte[] DataRoot { get; set; } = [];

    public string SoftwareVersion { get; set; } = "";
}

/// <summary>A row of the table messages.</summary>
internal sealed class MessageRow
{
    public byte[] Core { get; set; } = [];

    public byte[] Attestation { get; set; } = [];

    public byte[] Payload { get; set; } = [];
}

/// <summary>A row of the table checkpoints.</summary>
internal sealed class CoSignedRow
{
    public const string Columns =
        "phase AS Phase, tree_size AS TreeSize, root_hash AS RootHash, note AS Note, co_signature AS CoSignature, recorded_ms AS RecordedMs";

    public long Phase { get; set; }

    public long TreeSize { get; set; }

    public byte[] RootHash { get; set; } = [];

    public byte[] Note { get; set; } = [];

    public byte[] CoSignature { get; set; } = [];

    public long RecordedMs { get; set; }

    public CoSignedCheckpoint ToRecord(string job, uint attempt) =>
        new(job, attempt, (Phase)Phase, TreeSize, RootHash, Note, CoSignature, RecordedMs);
}

/// <summary>A row of the table ledger.</summary>
internal sealed class LedgerRow
{
    public string Party { get; set; } = "";

    public string What { get; set; } = "";

    public long Scalars { get; set; }

    public string Step { get; set; } = "";

    public Disclosure ToRecord() => new(Party, What, Scalars, Step);
}

/// <summary>The four columns of a <see cref="JobError"/>.</summary>
internal abstract class ErrorColumns
{
    protected const string ErrorNames =
        "error_code AS ErrorCode, error_party AS ErrorParty, error_step AS ErrorStep, error_message AS ErrorMessage";

    public string? ErrorCode { get; set; }

    public string? ErrorParty { get; set; }

    public string? ErrorStep { get; set; }

    public string? ErrorMessage { get; set; }

    public JobError? ToError() => ErrorCode is null
        ? null
        : new JobError { Code = ErrorCode, Party = ErrorParty ?? "", Step = ErrorStep ?? "", Message = ErrorMessage ?? "" };
}
