using System.Data.Common;
using System.Security.Cryptography;
using Dapper;
using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <content>Models, the access log and the probe.</content>
public abstract partial class CoordinatorStore
{
    public Task<ModelRecord?> RecordModelAsync(string job, Role role, ModelState state, CancellationToken cancellationToken)
    {
        string column = role == Role.LabelParty ? "label_model" : "feature_model";
        return _database.WriteAsync(
            connection =>
            {
                connection.Execute(
                    $"UPDATE jobs SET {column} = @state WHERE job = @job AND state = @done AND kind = @train AND {column} <> @deleted",
                    new { job, state = (int)state, done = (int)JobState.Done, train = (int)JobKind.Train, deleted = (int)ModelState.Deleted });
                return Model(connection, job);
            },
            cancellationToken);
    }

    public Task<ModelPage> ListModelsAsync(int pageSize, long? before, ModelFilter? filter, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pageSize, 1);
        filter ??= new ModelFilter();
        return _database.ReadAsync(
            connection =>
            {
                ListWindow window = ListWindow.Of(connection, before, filter.Span, pageSize, filter.Sight);
                List<ModelRecord> models = connection.Query<ModelRow>(
                        $"""
                        {ModelRow.Select} AND {window.Condition}
                          AND (@Submitter IS NULL OR j.submitter = @Submitter)
                          AND (@Party IS NULL OR j.label_party = @Party OR j.feature_party = @Party)
                        ORDER BY j.ordinal DESC LIMIT @limit
                        """,
                        window.With(ModelRow.With(new { filter.Submitter, filter.Party })))
                    .Select(row => row.ToRecord())
                    .ToList();
                return new ModelPage(models, window.End(models, model => model.Ordinal));
            },
            cancellationToken);
    }

    public Task<ModelRecord?> FindModelAsync(string job, CancellationToken cancellationToken) =>
        _database.ReadAsync(connection => Model(connection, job), cancellationToken);

    public async Task ProbeAsync(int bytes, long nowUnixMs, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes > 0)
        {
            // Random, since a database may compress what it is given.
            await FillAsync(RandomNumberGenerator.GetBytes(bytes));
        }

        await FillAsync([]);

        Task<int> FillAsync(byte[] filling) => _database.WriteAsync(
            connection => connection.Execute(
                """
                INSERT INTO store_probe (id, time_ms, filling) VALUES (1, @nowUnixMs, @filling)
                ON CONFLICT (id) DO UPDATE SET time_ms = excluded.time_ms, filling = excluded.filling
                """,
                new { nowUnixMs, filling }),
            cancellationToken);
    }

    public Task RecordAccessAsync(AccessEntry entry, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection => connection.Execute(
                """
                INSERT INTO access_log (time_ms, fingerprint, name, role, call, job, allowed, detail)
                VALUES (@TimeUnixMs, @Fingerprint, @Name, @Role, @Call, @Job, @allowed, @Detail)
                """,
                new
                {
                    entry.TimeUnixMs, entry.Fingerprint, entry.Name, entry.Role, entry.Call, entry.Job, allowed = entry.Allowed ? 1 : 0, entry.Detail,
                }),
            cancellationToken);

    public Task<IReadOnlyList<AccessEntry>> ReadAccessAsync(long from, int limit, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<AccessEntry>>(
            connection => connection.Query<AccessRow>(
                    """
                    SELECT ordinal AS Ordinal, time_ms AS TimeMs, fingerprint AS Fingerprint, name AS Name, role AS Role, call AS Call, job AS Job,
                        allowed AS Allowed, detail AS Detail
                    FROM access_log WHERE ordinal >= @from ORDER BY ordinal LIMIT @limit
                    """,
                    new { from, limit })
                .Select(row => row.ToRecord())
                .ToList(),
            cancellationToken);

    public Task<int> PruneAccessAsync(long beforeUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection => connection.Execute(
                "DELETE FROM access_log WHERE ordinal IN (SELECT ordinal FROM access_log WHERE time_ms < @beforeUnixMs ORDER BY ordinal LIMIT 1000)",
                new { beforeUnixMs }),
            cancellationToken);

    private static ModelRecord? Model(DbConnection connection, string job) =>
        connection.QuerySingleOrDefault<ModelRow>($"{ModelRow.Select} AND j.job = @job", ModelRow.With(new { job }))?.ToRecord();

    private sealed class ModelRow
    {
        public const string Select = """
            SELECT j.job AS Job, j.ordinal AS Ordinal, j.attempt AS Attempt, j.title AS Title, j.label_party AS LabelParty,
                j.feature_party AS FeatureParty, j.submitter AS Submitter, j.signed_spec AS SignedSpec, j.ended_ms AS EndedMs,
                j.label_model AS LabelModel, j.feature_model AS FeatureModel, c.note AS ClosingNote
            FROM jobs AS j LEFT JOIN checkpoints AS c ON c.job = j.job AND c.attempt = j.attempt AND c.phase = @close
            WHERE j.state = @done AND j.kind = @train
            """;

        public string Job { get; set; } = "";

        public long Ordinal { get; set; }

        public long Attempt { get; set; }

        public string Title { get; set; } = "";

        public string LabelParty { get; set; } = "";

        public string FeatureParty { get; set; } = "";

        public string Submitter { get; set; } = "";

        public byte[] SignedSpec { get; set; } = [];

        public long EndedMs { get; set; }

        public long LabelModel { get; set; }

        public long FeatureModel { get; set; }

        public byte[]? ClosingNote { get; set; }

        /// <summary>What <see cref="Select"/> refers to beside the caller's own parameters.</summary>
        public static DynamicParameters With(object parameters)
        {
            var all = new DynamicParameters(parameters);
            all.Add("close", (int)Phase.Close);
            all.Add("done", (int)JobState.Done);
            all.Add("train", (int)JobKind.Train);
            return all;
        }

        public ModelRecord ToRecord() => new()
        {
            Job = Job,
            Ordinal = Ordinal,
            Attempt = checked((uint)Attempt),
            Title = Title,
            LabelParty = LabelParty,
            FeatureParty = FeatureParty,
            Submitter = Submitter,
            SignedSpec = SignedSpec,
            TrainedUnixMs = EndedMs,
            LabelState = (ModelState)LabelModel,
            FeatureState = (ModelState)FeatureModel,
            ClosingNote = ClosingNote,
        };
    }

    private sealed class AccessRow
    {
        public long Ordinal { get; set; }

        public long TimeMs { get; set; }

        public string Fingerprint { get; set; } = "";

        public string Name { get; set; } = "";

        public string Role { get; set; } = "";

        public string Call { get; set; } = "";

        public string Job { get; set; } = "";

        public long Allowed { get; set; }

        public string Detail { get; set; } = "";

        public AccessEntry ToRecord() => new()
        {
            Ordinal = Ordinal, TimeUnixMs = TimeMs, Fingerprint = Fingerprint, Name = Name, Role = Role, Call = Call, Job = Job,
            Allowed = Allowed != 0, Detail = Detail,
        };
    }
}
