using System.Globalization;
using System.Net;
using VertFed.Operations;
using VertFed.Protocol;
using VertFed.Storage;

namespace VertFed.Coordinator.Configuration;

/// <summary>
/// Reads the coordinator's YAML file:
/// <code>
/// listen: "127.0.0.1:0"
/// identity: coordinator.pem
/// data: ./coordinator-data
/// database: sqlite:coordinator.db          # or postgres://user@host/database; docs/storage.md
/// parties:
///   - {name: bank, fingerprint: 64 hexadecimal digits}                # or a list, while the party changes keys
/// principals:
///   - {name: ann, fingerprint: 64 hexadecimal digits, roles: [analyst]}   # analyst, auditor, operator
/// trust: trust.yaml                                                 # kept by `vertfed identity trust`; beside the two lists, or instead
/// limits: {max_open_jobs: 1000, max_open_jobs_per_submitter: 200, max_running_jobs: 4, max_jobs_per_party: 2, retain_payload_days: 7, retain_access_days: 365}   # and others: docs/api.md, docs/identity.md
/// log: {level: info, format: plain}
/// admin: 127.0.0.1:9464
/// telemetry: {otlp: http://127.0.0.1:4318, protocol: http}
/// shutdown_seconds: 0
/// </code>
/// Relative paths are relative to the file. Whatever is missing, unknown or out of range is an error that names file, line and
/// field.
/// </summary>
public static class ConfigReader
{
    private const int MaxParties = 1000;
    private const int MaxPrincipals = 1000;
    private const int MaxFingerprints = 8;

    /// <exception cref="VertFedException">Usage: the file cannot be read or is wrong.</exception>
    public static CoordinatorConfig Read(string file)
    {
        YamlFields root = YamlFields.Load(file);
        IPEndPoint listen = ReadListen(root);
        string folder = Path.GetDirectoryName(Path.GetFullPath(file))!;
        string identity = Path.GetFullPath(root.Required("identity"), folder);
        string data = Path.GetFullPath(root.Required("data"), folder);
        StoreLocation database = StoreLocation.OfCoordinator(root.Text("database"), data, fault => root.Wrong("database", fault));
        Dictionary<string, AdmittedParty> parties = ReadParties(root);
        List<Principal> principals = ReadPrincipals(root, parties);
        string? trust = root.Text("trust") is { } path ? Path.GetFullPath(path, folder) : null;
        if (trust is not null)
            TrustReader.Add(root, TrustFile.Read(trust), parties, principals);
        if (parties.Count is < 2 or > MaxParties)
            throw root.Wrong("parties", parties.Count < 2 ? "must list at least two parties" : "has more than 1000 entries");
        if (principals.Count > MaxPrincipals || !principals.Exists(principal => principal.Is(CallerRoles.Analyst)))
            throw root.Wrong("principals", principals.Count > MaxPrincipals ? "has more than 1000 entries" : "must list at least one with the role analyst");
        CoordinatorLimits limits = ReadLimits(root.Map("limits"));
        LogSettings log = ReadLog(root.Map("log"));
        OperationsSettings operations = OperationsReader.Read(root);
        root.Done();
        return new CoordinatorConfig
        {
            Listen = listen, IdentityPath = identity, TrustPath = trust, DataFolder = data, Database = database, Parties = parties, Principals = principals, Limits = limits, Log = log, Operations = operations,
        };
    }

    private static IPEndPoint ReadListen(YamlFields root)
    {
        string text = root.Text("listen") ?? "127.0.0.1:0";
        if (text.StartsWith("localhost:", StringComparison.Ordinal))
            text = string.Concat("127.0.0.1:", text.AsSpan("localhost:".Length));
        // Without a port TryParse would take 0; a bare IPv6 address would swallow it.
        int colon = text.LastIndexOf(':');
        bool explicitPort = colon > 0 && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _)
            && (text[0] == '[') == text.AsSpan(0, colon).Contains(':');
        return explicitPort && IPEndPoint.TryParse(text, out IPEndPoint? endPoint)
            ? endPoint
            : throw root.Wrong("listen", "must be an address and port such as 127.0.0.1:0 or [::1]:7000");
    }

    private static Dictionary<string, AdmittedParty> ReadParties(YamlFields root)
    {
        var parties = new Dictionary<string, AdmittedParty>(StringComparer.Ordinal);
        foreach (YamlFields entry in root.Maps("parties"))
        {
            string name = entry.Required("name");
            if (!PartyReference.IsName(name))
                throw entry.Wrong("name", "must be 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter");
            if (name == "coordinator")
                throw entry.Wrong("name", "must not be 'coordinator'");
            var party = new AdmittedParty(name, Fingerprints(entry));
            entry.Done();
            if (parties.Values.Any(other => party.Fingerprints.Any(other.Holds)))
                throw entry.Wrong("fingerprint", "is another party's");
            if (!parties.TryAdd(name, party))
                throw entry.Wrong("name", "is there twice");
            if (parties.Count > MaxParties)
                throw root.Wrong("parties", "has more than 1000 entries");
        }

        return parties;
    }

    private static List<Principal> ReadPrincipals(YamlFields root, Dictionary<string, AdmittedParty> parties)
    {
        var principals = new List<Principal>();
        foreach (YamlFields entry in root.Maps("principals"))
        {
            string name = entry.Required("name");
            if (!PartyReference.IsName(name))
                throw entry.Wrong("name", "must be 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter");
            if (parties.ContainsKey(name) || name == "coordinator" || principals.Exists(other => other.Name == name))
                throw entry.Wrong("name", "is there twice, or a party's, or 'coordinator'");
            List<string> fingerprints = Fingerprints(entry);
            if (parties.Values.Any(party => fingerprints.Any(party.Holds)) || principals.Exists(other => fingerprints.Any(other.Holds)))
                throw entry.Wrong("fingerprint", "is another's");
            principals.Add(new Principal(name, fingerprints, ReadRoles(entry)));
            entry.Done();
            if (principals.Count > MaxPrincipals)
                throw root.Wrong("principals", "has more than 1000 entries");
        }

        return principals;
    }

    private static CallerRoles ReadRoles(YamlFields entry)
    {
        CallerRoles roles = CallerRoles.None;
        foreach (string word in entry.Words("roles"))
        {
            if (!Principal.Words.TryGetValue(word, out CallerRoles role) || (roles & role) != CallerRoles.None)
                throw entry.Wrong("roles", "must list some of analyst, auditor, operator, each once");
            roles |= role;
        }

        return roles == CallerRoles.None ? throw entry.Wrong("roles", "must list at least one role") : roles;
    }

    private static CoordinatorLimits ReadLimits(YamlFields? fields)
    {
        var otherwise = new CoordinatorLimits();
        if (fields is null)
            return otherwise;
        var limits = new CoordinatorLimits
        {
            MaxOpenJobs = fields.Integer("max_open_jobs", otherwise.MaxOpenJobs, 1, 100_000),
            MaxOpenJobsPerSubmitter = fields.Integer("max_open_jobs_per_submitter", otherwise.MaxOpenJobsPerSubmitter, 1, 100_000),
            MaxRunningJobs = fields.Integer("max_running_jobs", otherwise.MaxRunningJobs, 1, 1000),
            MaxJobsPerParty = fields.Integer("max_jobs_per_party", otherwise.MaxJobsPerParty, 1, 1000),
            MaxJobGigabytes = fields.Integer("max_job_gigabytes", otherwise.MaxJobGigabytes, 1, 1_000_000),
            MaxWatchers = fields.Integer("max_watchers", otherwise.MaxWatchers, 1, 100_000),
            MaxWatchersPerCaller = fields.Integer("max_watchers_per_caller", otherwise.MaxWatchersPerCaller, 1, 100_000),
            MaxUnregistered = fields.Integer("max_unregistered", otherwise.MaxUnregistered, 1, 10_000),
            MaxHandshakes = fields.Integer("max_handshakes", otherwise.MaxHandshakes, 1, 100_000),
            MaxHandshakesPerAddress = fields.Integer("max_handshakes_per_address", otherwise.MaxHandshakesPerAddress, 1, 100_000),
            MaxConnectionsPerKey = fields.Integer("max_connections_per_key", otherwise.MaxConnectionsPerKey, 1, 10_000),
            MaxCallsPerMinute = fields.Integer("max_calls_per_minute", otherwise.MaxCallsPerMinute, 1, 1_000_000),
            MaxHeavyCallsPerMinute = fields.Integer("max_heavy_calls_per_minute", otherwise.MaxHeavyCallsPerMinute, 1, 1_000_000),
            MaxCallsAtOnce = fields.Integer("max_calls_at_once", otherwise.MaxCallsAtOnce, 1, 100_000),
            FrameSeconds = fields.Integer("frame_seconds", otherwise.FrameSeconds, 1, 3600),
            RetainPayloadDays = fields.Integer("retain_payload_days", otherwise.RetainPayloadDays, 0, 36_500),
            RetainAccessDays = fields.Integer("retain_access_days", otherwise.RetainAccessDays, 1, 36_500),
        };
        fields.Done();
        return limits;
    }

    private static LogSettings ReadLog(YamlFields? fields)
    {
        if (fields is null)
            return new LogSettings(LogLevel.Information, Json: false);
        LogLevel level = (fields.Text("level") ?? "info") switch
        {
            "debug" => LogLevel.Debug,
            "info" => LogLevel.Information,
            "warning" => LogLevel.Warning,
            "error" => LogLevel.Error,
            _ => throw fields.Wrong("level", "must be debug, info, warning or error"),
        };
        bool json = (fields.Text("format") ?? "plain") switch
        {
            "plain" => false,
            "json" => true,
            _ => throw fields.Wrong("format", "must be plain or json"),
        };
        fields.Done();
        return new LogSettings(level, json);
    }

    /// <summary>One fingerprint, or the list of them while keys change.</summary>
    private static List<string> Fingerprints(YamlFields entry)
    {
        List<string> fingerprints = [.. entry.OneOrMore("fingerprint")];
        if (fingerprints.Count is 0 or > MaxFingerprints || !fingerprints.TrueForAll(PeerIdentity.IsFingerprint))
            throw entry.Wrong("fingerprint", "must be 64 lower-case hexadecimal digits, or a list of up to 8 such");
        return fingerprints.Distinct(StringComparer.Ordinal).Count() == fingerprints.Count ? fingerprints : throw entry.Wrong("fingerprint", "has one twice");
    }
}
