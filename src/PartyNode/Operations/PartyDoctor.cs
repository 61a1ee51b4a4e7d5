using VertFed.Operations.Doctor;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Control;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Hosting;
using VertFed.Protocol;
using VertFed.Storage;

namespace VertFed.PartyNode.Operations;

/// <summary>What a party node needs, looked at without starting one: <c>--doctor [--config FILE]</c>. Prints no key, no password and nothing of the data.</summary>
internal static class PartyDoctor
{
    /// <param name="file">The configuration; null: the machine alone.</param>
    /// <returns>1 where a check failed, else 0.</returns>
    public static async Task<int> RunAsync(string? file, TextWriter output, TimeProvider time)
    {
        DoctorReport report = new(output);
        if (file is null)
        {
            await MachineChecks.RunAsync(report);
        }
        else
        {
            await CheckAsync(report, file, time);
        }

        return report.HasFailed ? 1 : 0;
    }

    private static async Task CheckAsync(DoctorReport report, string file, TimeProvider time)
    {
        PartyConfig? config = null;
        await report.CheckAsync("configuration", "Mend the key that the line names; docs/party.md lists them.", () =>
        {
            config = PartyConfig.Load(file);
            return DoctorLine.Ok("configuration", $"party '{config.Name}', {config.Peers.Count} peers");
        });
        if (config is null)
        {
            return;
        }

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
        await report.CheckAsync("store", "docs/storage.md says what a store needs; docs/runbook.md how one is restored.", () => StoreAsync(config));
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

    private static async Task<DoctorLine> StoreAsync(PartyConfig config)
    {
        if (config.Database.File is { } path && !File.Exists(path))
        {
            return DoctorLine.Warn("store", $"{path} is not there", "The first start makes it.");
        }

        if (!HasKey(config))
        {
            return DoctorLine.Fail("store", "it is there, and the key that seals its seeds is not", "Put the key back; docs/runbook.md says what a lost key means.");
        }

        await using IPartyStore store = config.Database.OpenPartyReadOnly(PartyCommand.SecretsOf(config));
        _ = await store.ListJobsAsync(1, null, CancellationToken.None);
        return DoctorLine.Ok("store", $"{config.Database} answers, its schema is this version's and its seeds are sealed under this key");
    }
}
