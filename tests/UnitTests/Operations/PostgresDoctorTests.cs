using System.Text.Json;
using global::VertFed.Operations.Doctor;
using VertFed.Coordinator.Operations;
using VertFed.PartyNode.Operations;
using VertFed.Storage.Postgres;
using VertFed.Testing;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Operations;

/// <summary>What the doctor says of a store in PostgreSQL: its lines on the store alone, over a configuration whose other parts are of no matter here.</summary>
public sealed class PostgresDoctorTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableFact]
    public async Task A_coordinators_schema_is_looked_at_also_while_it_is_open_and_a_missing_or_newer_one_fails()
    {
        PostgresPlace place = await PostgresPlace.MakeAsync();
        DoctorLine missing = await CoordinatorAsync(place);
        Assert.Equal(DoctorVerdict.Fail, missing.Verdict);

        await using (PostgresCoordinatorStore store = PostgresCoordinatorStore.Open(place.Address))
        {
            DoctorLine well = await CoordinatorAsync(place);
            Assert.True(well.Verdict == DoctorVerdict.Ok, well.Finding);
            Assert.Contains("its schema is this version's, 0 open jobs", well.Finding, StringComparison.Ordinal);
        }

        await place.ExecuteAsync("INSERT INTO schema_version (component, version, applied_ms) VALUES ('coordinator', 77, 0)");
        DoctorLine newer = await CoordinatorAsync(place);
        Assert.Equal(DoctorVerdict.Fail, newer.Verdict);
        Assert.Contains("schema version 77 is newer", newer.Finding, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task A_partys_schema_needs_its_key_and_what_is_looked_at_is_not_changed()
    {
        PostgresPlace place = await PostgresPlace.MakeAsync();
        Assert.Equal(DoctorVerdict.Fail, (await PartyAsync(place)).Verdict);
        using (SecretsFile own = new(_folder.File("own.key")), other = new(_folder.File("other.key")))
        {
            await using (PostgresPartyStore store = PostgresPartyStore.Open(place.Address, own.Open()))
            {
                Assert.Empty(await store.ListJobsAsync(1, null, CancellationToken.None));
            }

            string before = await place.ScalarAsync<string>(Contents);
            DoctorLine well = await PartyAsync(place, own.Path);
            Assert.True(well.Verdict == DoctorVerdict.Ok, well.Finding);
            DoctorLine sealedByAnother = await PartyAsync(place, other.Path);
            Assert.Equal(DoctorVerdict.Fail, sealedByAnother.Verdict);
            Assert.Contains("key", sealedByAnother.Finding, StringComparison.Ordinal);
            Assert.Equal(before, await place.ScalarAsync<string>(Contents));
        }
    }

    [SkippableFact]
    public async Task A_server_out_of_reach_or_a_wrong_password_fails_and_no_password_is_printed()
    {
        PostgresPlace place = await PostgresPlace.MakeAsync();
        foreach (string database in new[]
        {
            $"Host={_folder.Path};Username=vertfed;Database=vertfed;Password={PostgresServer.GuardedPassword};Timeout=2",
            $"{place.Server.ConnectionString(place.Schema, user: PostgresServer.GuardedUser)};Password={PostgresServer.GuardedPassword}wrong",
        })
        {
            (DoctorLine line, string text) = await ExamineAsync(CoordinatorConfiguration(database), CoordinatorDoctor.RunAsync);
            Assert.Equal(DoctorVerdict.Fail, line.Verdict);
            Assert.NotEmpty(line.Advice);
            Assert.DoesNotContain(PostgresServer.GuardedPassword, text, StringComparison.Ordinal);
            Assert.DoesNotContain(JsonEncodedText.Encode(PostgresServer.GuardedPassword).ToString(), text, StringComparison.Ordinal);
        }
    }

    // The schema's version, and how much is in it.
    private const string Contents = "SELECT (SELECT COUNT(*) || '/' || MAX(version) FROM schema_version) || '/' || (SELECT epoch FROM store_epoch) || '/' || (SELECT COUNT(*) FROM jobs)";

    private async Task<DoctorLine> CoordinatorAsync(PostgresPlace place) =>
        (await ExamineAsync(CoordinatorConfiguration(place.Server.ConnectionString(place.Schema)), CoordinatorDoctor.RunAsync)).Store;

    private async Task<DoctorLine> PartyAsync(PostgresPlace place, string? key = null)
    {
        await File.WriteAllTextAsync(_folder.File("bank.csv"), "id,y,x\na,1,2\n");
        string text = $"""
            name: bank
            role: label
            coordinator: https://127.0.0.1:1
            coordinator_fingerprint: {new string('a', 64)}
            identity: bank.pem
            data_dir: bank
            database: "{place.Server.ConnectionString(place.Schema)}"
            {(key is null ? "# no key" : $"secrets_key: {key}")}
            peers: [{"{"}name: retailer, fingerprint: {new string('b', 64)}{"}"}]
            submitters: [{new string('c', 64)}]
            data: {"{"}csv: bank.csv{"}"}
            """;
        return (await ExamineAsync(text, PartyDoctor.RunAsync)).Store;
    }

    private static string CoordinatorConfiguration(string database) => $"""
        listen: 127.0.0.1:0
        identity: coordinator.pem
        data: store
        database: "{database}"
        parties:
          - name: bank
            fingerprint: {new string('a', 64)}
          - name: retailer
            fingerprint: {new string('b', 64)}
        principals: [{"{"}name: ann, fingerprint: {new string('c', 64)}, roles: [analyst]{"}"}]
        """;

    /// <summary>Runs a doctor over a configuration; the identity that it names is not there, so the verdict as a whole is always a failure.</summary>
    private async Task<(DoctorLine Store, string Text)> ExamineAsync(string config, Func<string?, TextWriter, TimeProvider, Task<int>> doctor)
    {
        string file = _folder.File("node.yaml");
        await File.WriteAllTextAsync(file, config);
        var output = new StringWriter();
        Assert.Equal(1, await doctor(file, output, TimeProvider.System));
        foreach (string line in output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using JsonDocument json = JsonDocument.Parse(line);
            JsonElement root = json.RootElement;
            if (root.GetProperty("check").GetString() == "store")
            {
                DoctorVerdict verdict = Enum.Parse<DoctorVerdict>(root.GetProperty("verdict").GetString()!, ignoreCase: true);
                return (new DoctorLine("store", verdict, root.GetProperty("finding").GetString()!, root.GetProperty("advice").GetString()!), output.ToString());
            }
        }

        throw new InvalidOperationException($"no line on the store in {output}");
    }

    /// <summary>A key file that a node would make at its first start.</summary>
    private sealed class SecretsFile : IDisposable
    {
        public SecretsFile(string path)
        {
            Path = path;
            VertFed.Storage.SecretsKey.LoadOrCreate(path).Dispose();
        }

        public string Path { get; }

        public VertFed.Storage.SecretsKey Open() => VertFed.Storage.SecretsKey.Load(Path);

        public void Dispose() => File.Delete(Path);
    }
}
