using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Protocol;
using VertFed.Storage;

namespace VertFed.Coordinator.Security;

/// <summary>Who makes a call: the key of the connection's certificate, and whom the configuration says it belongs to.</summary>
/// <param name="Key">Proved by the TLS handshake.</param>
/// <param name="Record">Puts into the access log that this call was let through to a job; does nothing for calls that the log does not keep.</param>
internal sealed record Caller(PeerIdentity Key, Principal Principal, Func<string, Task> Record)
{
    public string Name => Principal.Name;

    public bool Is(CallerRoles role) => Principal.Is(role);

    /// <summary>Whether a job was submitted with one of the caller's keys.</summary>
    public bool Submitted(JobRecord job) => Is(CallerRoles.Analyst) && Principal.Holds(job.Submitter);

    /// <summary>Whether the caller may know that a job exists, and how it goes.</summary>
    public bool MaySee(JobRecord job) => Is(CallerRoles.Auditor | CallerRoles.Operator) || Submitted(job) || TakesPart(job);

    /// <summary>Of which jobs and models a list may tell the caller, as <see cref="MaySee(JobRecord)"/>; null: of all.</summary>
    public Sight? Sight => Is(CallerRoles.Auditor | CallerRoles.Operator) ? null : Own;

    /// <summary>Of which transcripts, as <see cref="MayAudit(JobRecord)"/>.</summary>
    public Sight? AuditSight => Is(CallerRoles.Auditor) ? null : Own;

    /// <summary>Whether the caller may know of a horizontal job with this submitter and these parties.</summary>
    public bool MaySee(string submitter, IEnumerable<string> parties) =>
        Is(CallerRoles.Auditor | CallerRoles.Operator) || Submitted(submitter) || (Is(CallerRoles.Party) && parties.Contains(Name, StringComparer.Ordinal));

    /// <summary>Whether the caller may read a horizontal job's record.</summary>
    public bool MayAudit(string submitter, IEnumerable<string> parties) =>
        Is(CallerRoles.Auditor) || Submitted(submitter) || (Is(CallerRoles.Party) && parties.Contains(Name, StringComparer.Ordinal));

    /// <summary>Whether the caller may read a job's record: entries, proofs, the file.</summary>
    public bool MayAudit(JobRecord job) => Is(CallerRoles.Auditor) || Submitted(job) || TakesPart(job);

    /// <summary>
    /// Puts into the access log that the caller is let through. Called where the job is known and the caller may do what it asks, and before
    /// anything is done: what cannot be recorded does not happen.
    /// </summary>
    /// <exception cref="VertFedException">Storage: it cannot be recorded.</exception>
    public async Task AllowedAsync(string job)
    {
        await Record(job);
        IsRecorded = true;
    }

    /// <summary>Whether <see cref="AllowedAsync"/> was called.</summary>
    public bool IsRecorded { get; private set; }

    /// <summary>The caller whom <see cref="AccessInterceptor"/> found for a call.</summary>
    public static Caller Of(ServerCallContext context) => (Caller)context.UserState[typeof(Caller)];

    public void Attach(ServerCallContext context) => context.UserState[typeof(Caller)] = this;

    private Sight Own => new(Is(CallerRoles.Analyst) ? Principal.Fingerprints : [], Is(CallerRoles.Party) ? Name : null);

    private bool TakesPart(JobRecord job) => Is(CallerRoles.Party) && (Name == job.LabelParty || Name == job.FeatureParty);

    /// <summary>Whether a submitter's key is one of the caller's.</summary>
    public bool Submitted(string submitter) => Is(CallerRoles.Analyst) && Principal.Holds(submitter);
}
