using System.Net;
using VertFed.Operations;
using VertFed.Storage;

namespace VertFed.Coordinator.Configuration;

/// <summary>Bounds on what callers may ask of the coordinator.</summary>
public sealed record CoordinatorLimits
{
    /// <summary>Most jobs that are queued, offered or running at once, 1 to 100,000.</summary>
    public int MaxOpenJobs { get; init; } = 1000;

    /// <summary>Most of them of one submitter, 1 to 100,000.</summary>
    public int MaxOpenJobsPerSubmitter { get; init; } = 200;

    /// <summary>Most jobs that are offered (and not held for an approval) or running at once, 1 to 1000.</summary>
    public int MaxRunningJobs { get; init; } = 4;

    /// <summary>Most of them that one party takes part in, 1 to 1000.</summary>
    public int MaxJobsPerParty { get; init; } = 2;

    /// <summary>Most bytes that a job's envelopes may come to, in GiB, 1 to 1,000,000.</summary>
    public int MaxJobGigabytes { get; init; } = 100;

    /// <summary>Most concurrent Watch streams and calls that read whole jobs, 1 to 100,000.</summary>
    public int MaxWatchers { get; init; } = 256;

    /// <summary>Most of them of one principal, 1 to 100,000.</summary>
    public int MaxWatchersPerCaller { get; init; } = 64;

    /// <summary>Most connections of parties that have not proved who they are yet, 1 to 10,000.</summary>
    public int MaxUnregistered { get; init; } = 64;

    /// <summary>Most connections whose TLS handshake is under way, 1 to 100,000.</summary>
    public int MaxHandshakes { get; init; } = 256;

    /// <summary>Most of them from one address, 1 to 100,000.</summary>
    public int MaxHandshakesPerAddress { get; init; } = 128;

    /// <summary>Most connections of one key, 1 to 10,000.</summary>
    public int MaxConnectionsPerKey { get; init; } = 64;

    /// <summary>Most calls of one principal in a minute, 1 to 1,000,000.</summary>
    public int MaxCallsPerMinute { get; init; } = 6000;

    /// <summary>Most of them that keep something or read whole jobs, 1 to 1,000,000.</summary>
    public int MaxHeavyCallsPerMinute { get; init; } = 300;

    /// <summary>Most calls of one principal under way, streams included, 1 to 100,000.</summary>
    public int MaxCallsAtOnce { get; init; } = 256;

    /// <summary>How long a call's first message may take, a connection may take to register, and a sender between two chunks of a payload, in seconds, 1 to 3600.</summary>
    public int FrameSeconds { get; init; } = 30;

    /// <summary>How long payloads of ended jobs are kept, in days, 0 to 36500.</summary>
    public int RetainPayloadDays { get; init; } = 7;

    /// <summary>How long lines of the access log are kept, in days, 1 to 36500.</summary>
    public int RetainAccessDays { get; init; } = 365;
}

/// <summary>How logs are written to standard error.</summary>
/// <param name="Json">One JSON object a line instead of plain text.</param>
public sealed record LogSettings(LogLevel Level, bool Json);

/// <summary>The coordinator's configuration, checked. Made by <see cref="ConfigReader"/> or directly in tests.</summary>
public sealed record CoordinatorConfig
{
    /// <summary>Where to listen; port 0 lets the system choose.</summary>
    public required IPEndPoint Listen { get; init; }

    /// <summary>Folder of the store where that is a file, absolute.</summary>
    public required string DataFolder { get; init; }

    /// <summary>Where the store is; null: a SQLite file in the data folder.</summary>
    public StoreLocation? Database { get; init; }

    /// <summary>Path of the coordinator's private identity key, PEM, absolute; its certificate is beside it (.crt).</summary>
    public required string IdentityPath { get; init; }

    /// <summary>The trust file that was read beside the configuration, absolute; null: none.</summary>
    public string? TrustPath { get; init; }

    /// <summary>By name.</summary>
    public required IReadOnlyDictionary<string, AdmittedParty> Parties { get; init; }

    /// <summary>Who else may call: analysts, auditors, operators. No key is two parties' or principals'.</summary>
    public required IReadOnlyList<Principal> Principals { get; init; }

    public CoordinatorLimits Limits { get; init; } = new();

    public OperationsSettings Operations { get; init; } = new();

    public LogSettings Log { get; init; } = new(LogLevel.Information, Json: false);
}
