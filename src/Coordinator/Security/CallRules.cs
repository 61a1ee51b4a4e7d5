using System.Collections.Frozen;
using VertFed.Coordinator.Configuration;

namespace VertFed.Coordinator.Security;

/// <summary>
/// Which roles may make which call. What is not here nobody may call. Whose jobs a caller may ask about is decided where the job is known
/// (<see cref="Caller"/>).
/// </summary>
internal static class CallRules
{
    private const CallerRoles Everyone = CallerRoles.Party | CallerRoles.Analyst | CallerRoles.Auditor | CallerRoles.Operator;
    private const CallerRoles Readers = CallerRoles.Party | CallerRoles.Analyst | CallerRoles.Auditor;

    private static readonly FrozenDictionary<string, CallerRoles> s_rules = new Dictionary<string, CallerRoles>(StringComparer.Ordinal)
    {
        ["/vertfed.v1.JobService/Submit"] = CallerRoles.Analyst,
        ["/vertfed.v1.JobService/DryRun"] = CallerRoles.Analyst,
        ["/vertfed.v1.JobService/Get"] = Everyone,
        ["/vertfed.v1.JobService/List"] = Everyone,
        ["/vertfed.v1.JobService/Watch"] = Everyone,
        ["/vertfed.v1.JobService/Report"] = Everyone,
        ["/vertfed.v1.JobService/ListModels"] = Everyone,
        ["/vertfed.v1.JobService/Cancel"] = CallerRoles.Analyst | CallerRoles.Operator,
        ["/vertfed.v1.AuditService/List"] = Readers,
        ["/vertfed.v1.AuditService/Entries"] = Readers,
        ["/vertfed.v1.AuditService/Checkpoints"] = Readers,
        ["/vertfed.v1.AuditService/InclusionProof"] = Readers,
        ["/vertfed.v1.AuditService/ConsistencyProof"] = Readers,
        ["/vertfed.v1.AuditService/Export"] = Readers,
        ["/vertfed.v1.AuditService/Access"] = CallerRoles.Auditor | CallerRoles.Operator,
        ["/vertfed.v1.RelayService/Connect"] = CallerRoles.Party,
        ["/grpc.health.v1.Health/Check"] = Everyone,
        ["/grpc.health.v1.Health/Watch"] = Everyone,
        ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] = Everyone,
        ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] = Everyone,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Whether a call is one of those of which a caller may make fewer: it keeps something each time, or reads a whole job. A watch keeps a line of the
    /// access log alone, and those who lose their connection watch again.</summary>
    public static bool IsHeavy(string method) => method is "/vertfed.v1.RelayService/Connect"
        or "/vertfed.v1.AuditService/InclusionProof" or "/vertfed.v1.AuditService/ConsistencyProof"
        || (AccessLog.Records(method) && method is not "/vertfed.v1.JobService/Watch");

    /// <summary>None for a call that nobody may make.</summary>
    public static CallerRoles For(string method) => s_rules.GetValueOrDefault(method);

    /// <summary>The call, where there is one of this name; else nothing, since a caller's own words have no place in a log.</summary>
    public static string Known(string method) => s_rules.ContainsKey(method) ? method : "";

    /// <summary>The names of roles, for people.</summary>
    public static string Describe(CallerRoles roles) =>
        roles == CallerRoles.None ? "no role" : roles.ToString().ToLowerInvariant().Replace(", ", " or ", StringComparison.Ordinal);
}
