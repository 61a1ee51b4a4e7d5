using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Security;

/// <summary>
/// The durable record of who was let through to what counts (submit, dry run, watch, cancel, report, entries, export) and of denials. Of these so
/// many in a minute are kept of each principal, and of all keys that nobody knows: the coordinator's log says how many more there were.
/// </summary>
internal sealed class AccessLog(ICoordinatorStore store, TimeProvider time, ILogger<AccessLog> logger)
{
    /// <summary>Most denials of one principal, or of all unknown keys, that are kept in a minute.</summary>
    public const int DenialsPerMinute = 60;

    private static readonly HashSet<string> s_recorded = new(StringComparer.Ordinal)
    {
        "/vertfed.v1.JobService/Submit", "/vertfed.v1.JobService/DryRun", "/vertfed.v1.JobService/Watch", "/vertfed.v1.JobService/Cancel",
        "/vertfed.v1.JobService/Report", "/vertfed.v1.AuditService/Entries", "/vertfed.v1.AuditService/Export",
    };

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Denials> _denials = new(StringComparer.Ordinal);

    /// <summary>Whether a call that is let through is recorded.</summary>
    public static bool Records(string method) => s_recorded.Contains(method);

    /// <exception cref="VertFedException">Storage: it is not recorded, and so must not be done.</exception>
    public Task AllowedAsync(string fingerprint, Principal principal, string method, string job) => store.RecordAccessAsync(
        Entry(fingerprint, principal, method, job) with { Allowed = true }, CancellationToken.None);

    /// <param name="fingerprint">Of the key that was shown; empty where it was none that can be used.</param>
    /// <param name="principal">Null where nobody pinned the key.</param>
    /// <returns>False where it is one too many to be kept.</returns>
    public async Task<bool> DeniedAsync(string fingerprint, Principal? principal, string method, string job, string why)
    {
        if (!MayKeep(principal?.Name ?? ""))
            return false;
        try
        {
            await store.RecordAccessAsync(Entry(fingerprint, principal, method, job) with { Detail = why }, CancellationToken.None);
        }
        catch (VertFedException exception)
        {
            // The caller is turned away all the same.
            Log.StoreFailed(logger, nameof(AccessLog), exception.Message);
        }

        return true;
    }

    /// <summary>The job that a request names; empty where it names none, or nothing that is a job's id.</summary>
    public static string JobOf(object? message)
    {
        string job = message switch
        {
            GetJobRequest request => request.Job,
            CancelRequest request => request.Job,
            TranscriptRequest request => request.Job,
            EntriesRequest request => request.Job,
            InclusionProofRequest request => request.Job,
            ConsistencyProofRequest request => request.Job,
            _ => "",
        };
        return EnvelopeCodec.IsJobId(job) ? job : "";
    }

    /// <summary>Whether an error says that the caller may not do what it asked for.</summary>
    public static bool IsDenial(Exception exception) => exception switch
    {
        RpcException status => status.StatusCode is StatusCode.PermissionDenied or StatusCode.Unauthenticated or StatusCode.NotFound,
        VertFedException own => own.Code is ErrorCode.Refused or ErrorCode.DoesNotVerify,
        _ => false,
    };

    public static string ReasonOf(Exception exception) => exception is RpcException status ? status.Status.Detail : exception.Message;

    private AccessEntry Entry(string fingerprint, Principal? principal, string method, string job) => new()
    {
        TimeUnixMs = time.GetUtcNow().ToUnixTimeMilliseconds(),
        Fingerprint = fingerprint,
        Name = principal?.Name ?? "",
        Role = principal is null ? "" : CallRules.Describe(principal.Roles),
        Call = method.Length > 0 ? method[(method.LastIndexOf('.') + 1)..] : "",
        Job = job,
        Allowed = false,
    };

    /// <param name="name">Of a principal; empty: all whom nobody knows. So there are never more than names in the configuration.</param>
    private bool MayKeep(string name)
    {
        int missed;
        lock (_gate)
        {
            long minute = time.GetUtcNow().ToUnixTimeSeconds() / 60;
            if (_denials.TryGetValue(name, out Denials last) && last.Minute == minute)
            {
                _denials[name] = last with { Count = last.Count + 1 };
                return last.Count < DenialsPerMinute;
            }

            missed = last.Count - DenialsPerMinute;
            _denials[name] = new Denials(minute, 1);
        }

        if (missed > 0)
            Log.DenialsNotKept(logger, missed, name.Length == 0 ? "keys that nobody knows" : name);
        return true;
    }

    /// <summary>How many there were in a minute, counted from 1970.</summary>
    private readonly record struct Denials(long Minute, int Count);
}
