using VertFed.Coordinator.Configuration;
using VertFed.Operations.Doctor;
using VertFed.Protocol;
using VertFed.Storage;

namespace VertFed.Coordinator.Operations;

/// <summary>What a coordinator needs, looked at without starting one: <c>--doctor [--config FILE]</c>.</summary>
internal static class CoordinatorDoctor
{
    private const string Advice = "Mend the field that the line names; docs/operations.md and samples/three-machines show what is expected.";

    /// <inheritdoc cref="NodeDoctor.RunAsync"/>
    public static Task<int> RunAsync(string? file, TextWriter output, TimeProvider time) => NodeDoctor.RunAsync(
        file, output, Advice, Read, (report, config) => CheckAsync(report, config, time));

    private static (CoordinatorConfig Config, string Summary) Read(string file)
    {
        CoordinatorConfig config = ConfigReader.Read(file);
        return (config, $"{config.Parties.Count} parties");
    }

    private static async Task CheckAsync(DoctorReport report, CoordinatorConfig config, TimeProvider time)
    {
        using (Credential? credential = await IdentityChecks.RunAsync(report, config.IdentityPath, time))
        {
            // Loaded and looked at; nothing else is done with it.
        }

        report.Add(NodeChecks.Address("listen", config.Listen));
        if (config.Operations.Admin is { } admin)
            report.Add(NodeChecks.Address("admin", admin));
        await NodeChecks.DataFolderAsync(report, config.DataFolder);
        await report.CheckAsync("store", "docs/storage.md says what a store needs; docs/runbook.md how one is restored.", () => StoreAsync(config));
    }

    private static async Task<DoctorLine> StoreAsync(CoordinatorConfig config)
    {
        // Read from a file, the configuration always says where the store is.
        StoreLocation location = config.Database!;
        if (location.File is { } path && !File.Exists(path))
            return DoctorLine.Warn("store", $"{path} is not there", "The first start makes it.");
        await using ICoordinatorStore store = location.OpenCoordinatorReadOnly();
        int open = (await store.ListOpenJobsAsync(CancellationToken.None)).Count;
        return DoctorLine.Ok("store", $"{location} answers, its schema is this version's, {open} open jobs");
    }
}
