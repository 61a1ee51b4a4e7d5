using VertFed.Operations.Doctor;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Control;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Operations;

/// <summary>What a party node needs, looked at without starting one: <c>--doctor [--config FILE]</c>. Prints no key, no password and nothing of the data.</summary>
internal static class PartyDoctor
{
    private const int MostJobs = 1000;
    private const string Advice = "Mend the key that the line names; docs/party.md lists them.";

    /// <inheritdoc cref="NodeDoctor.RunAsync"/>
    public static Task<int> RunAsync(string? file, TextWriter output, TimeProvider time) => NodeDoctor.RunAsync(
        file, output, Advice, Read, (report, config) => CheckAsync(report, config, time));

    private static (PartyConfig Config, string Summary) Read(string file)
    {
        PartyConfig config = PartyConfig.Load(file);
        config.RequireTrust(file);
        return (config, $"party '{config.Name}', {config.Peers.Count} peers");
    }

    private static async Task CheckAsync(DoctorReport report, PartyConfig config, TimeProvider time)
    {
        foreach ((string name, DatasetOptions dataset) in config.Datasets)
        {
            await report.CheckAsync("data", "Put the file where the configuration says, readable for the node's user.", () =>
            {
                TableLoader.RequireReadable(dataset);
                return DoctorLine.Ok("data", $"dataset '{name}' can be read");
            });
        }

        using Credential? credential = await IdentityChecks.RunAsync(report, config.IdentityPath, time);
        if (config.Operations.Admin is { } admin)
        {
            report.Add(NodeChecks.Address("admin", admin));
        }

        if (ControlSocket.Objection(ControlSocket.PathOf(config)) is { } objection)
        {
            report.Add(DoctorLine.Warn("control socket", objection, "The operator's commands (vertfed party approve) cannot reach this node."));
        }

        await NodeChecks.DataFolderAsync(report, config.DataDirectory);
        await report.CheckAsync("secrets key", "chmod 600 the file; docs/runbook.md says what a lost key means.", () => Secrets(config));
        IReadOnlyList<PartyJob> jobs = [];
        await report.CheckAsync("store", "docs/storage.md says what a store needs; docs/runbook.md how one is restored.", async () =>
        {
            (DoctorLine line, jobs) = await StoreAsync(config);
            return line;
        });
        if (jobs.Any(job => job.State == JobState.Done))
        {
            await report.CheckAsync("kept files", "", () => KeptFiles(config, jobs, time.GetUtcNow()));
        }

        if (credential is not null)
        {
            await ReachCheck.RunAsync(report, config.Coordinator, credential.Certificate, [.. config.CoordinatorFingerprints], time);
        }
    }

    // Asked before the key is opened: opening makes one where there is none.
    private static bool HasKey(PartyConfig config) =>
        config.SecretsKeyPath is not null || Environment.GetEnvironmentVariable(SecretsKey.Variable) is { Length: > 0 } || File.Exists(OwnKey(config));

    private static string OwnKey(PartyConfig config) => Path.Combine(config.DataDirectory, PartyCommand.SecretsKeyFile);

    private static DoctorLine Secrets(PartyConfig config)
    {
        string own = OwnKey(config);
        if (config.SecretsKeyPath is { } path)
        {
            using SecretsKey key = SecretsKey.Load(path);
            return DoctorLine.Ok("secrets key", $"{path}, its owner's alone");
        }

        if (Environment.GetEnvironmentVariable(SecretsKey.Variable) is { Length: > 0 } text)
        {
            using SecretsKey key = SecretsKey.FromText(text, SecretsKey.Variable);
            return DoctorLine.Ok("secrets key", $"from {SecretsKey.Variable}");
        }

        if (!File.Exists(own))
        {
            return DoctorLine.Warn("secrets key", "none yet", "The first start makes one in the data folder, where a backup of the folder reaches it; secrets_key names another place.");
        }

        using SecretsKey found = SecretsKey.Load(own);
        return DoctorLine.Warn("secrets key", $"{own}, beside the data that it seals", "A backup of the folder holds both; move it to another volume and name it with secrets_key.");
    }

    private static async Task<(DoctorLine Line, IReadOnlyList<PartyJob> Jobs)> StoreAsync(PartyConfig config)
    {
        if (config.Database.File is { } path && !File.Exists(path))
        {
            return (DoctorLine.Warn("store", $"{path} is not there", "The first start makes it."), []);
        }

        if (!HasKey(config))
        {
            return (DoctorLine.Fail("store", "it is there, and the key that seals its seeds is not", "Put the key back; docs/runbook.md says what a lost key means."), []);
        }

        await using IPartyStore store = config.Database.OpenPartyReadOnly(PartyCommand.SecretsOf(config));
        IReadOnlyList<PartyJob> jobs = await store.ListJobsAsync(MostJobs, null, CancellationToken.None);
        return (DoctorLine.Ok("store", $"{config.Database} answers, its schema is this version's and its seeds are sealed under this key"), jobs);
    }

    /// <summary>Whether what belongs to the store's jobs lies beside it: a backup of the store alone, or another data folder, leaves it behind.</summary>
    /// <param name="jobs">The newest.</param>
    internal static DoctorLine KeptFiles(PartyConfig config, IReadOnlyList<PartyJob> jobs, DateTimeOffset now)
    {
        const string Check = "kept files";
        long recent = now.AddDays(-config.Policy.IntersectionHistoryDays).ToUnixTimeMilliseconds();
        bool hasAligned = jobs.Any(job => job.State == JobState.Done && job.EndedUnixMs >= recent && KindOf(job) is not (JobKind.Score or JobKind.Horizontal));
        string history = Path.Combine(config.DataDirectory, IntersectionHistory.FolderName);
        string results = Path.Combine(config.DataDirectory, ResultFiles.FolderName);
        return hasAligned && !Directory.Exists(history)
            ? DoctorLine.Warn(Check, $"the store has recent train jobs, and {history} is not there", "Restore it from a backup: without it the guard against repeated alignment begins anew.")
            : jobs.Any(job => job.State == JobState.Done) && !Directory.Exists(results)
                ? DoctorLine.Warn(Check, $"the store has jobs that ended, and {results} is not there", "Restore it from a backup: a score job's scores.csv is in no other place.")
                : DoctorLine.Ok(Check, "the history of intersections and the jobs' files lie beside the store");
    }

    private static JobKind KindOf(PartyJob job) => JobSpec.Parser.ParseFrom(SignedJobSpec.Parser.ParseFrom(job.SignedSpec).Spec).Kind;
}
