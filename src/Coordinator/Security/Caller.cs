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
    public bool Submitted(JobRecord job) => Submitted(job.Submitter);

    /// <summary>Whether the caller may know that a job exists, and how it goes.</summary>
    public bool MaySee(JobRecord job) => MaySee(job.Submitter, job.LabelParty, job.FeatureParty);

    /// <summary>The same of a job, or the model it left, with this submitter and these parties.</summary>
    public bool MaySee(string submitter, params string[] parties) =>
        Is(CallerRoles.Auditor | CallerRoles.Operator) || Submitted(submitter) || TakesPart(parties);

    /// <summary>Whether the caller may read a job's record: entries, proofs, the file.</summary>
    public bool MayAudit(JobRecord job) => Is(CallerRoles.Auditor) || Submitted(job) || TakesPart(job.LabelParty, job.FeatureParty);

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

    /// <summary>Whether a submitter's key is one of the caller's.</summary>
    public bool Submitted(string submitter) => Is(CallerRoles.Analyst) && Principal.Holds(submitter);

    private bool TakesPart(params string[] parties) => Is(CallerRoles.Party) && parties.Contains(Name, StringComparer.Ordinal);
}
