using System.Data.Common;
using Dapper;
using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <content>The own halves of models.</content>
public abstract partial class PartyStore
{
    public Task<IReadOnlyList<StoredModel>> ListModelsAsync(int limit, long? before, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<StoredModel>>(
            connection => connection.Query<StoredModelRow>(
                    $"{StoredModelRow.Select} WHERE j.ordinal < @before ORDER BY j.ordinal DESC LIMIT @limit", new { before = before ?? long.MaxValue, limit })
                .Select(row => row.ToRecord())
                .ToList(),
            cancellationToken);

    public Task<StoredModel?> FindModelAsync(string job, CancellationToken cancellationToken) =>
        _database.ReadAsync(connection => Model(connection, job), cancellationToken);

    public Task<StoredModel?> SetModelStateAsync(string job, ModelState state, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                connection.Execute(
                    "UPDATE models SET state = @state WHERE job = @job AND state <> @deleted", new { job, state = (int)state, deleted = (int)ModelState.Deleted });
                if (state == ModelState.Deleted)
                    connection.Execute("UPDATE results SET model = NULL WHERE job = @job", new { job });
                return Model(connection, job);
            },
            cancellationToken);

    public Task ErasePayloadsAsync(string job, uint attempt, bool inbound, IReadOnlyList<ulong> sequences, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection => connection.Execute(
                """
                UPDATE messages SET payload = @none
                WHERE job = @job AND attempt = @attempt AND inbound = @inbound AND sequence = @number AND length(payload) > 0
                """,
                sequences.Select(sequence => new { job, attempt = (long)attempt, inbound = inbound ? 1 : 0, number = checked((long)sequence), none = Array.Empty<byte>() })),
            cancellationToken);

    public Task<StoredModel?> BindModelAsync(string job, byte[] transcriptRoot, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                connection.Execute(
                    "UPDATE models SET transcript_root = @transcriptRoot WHERE job = @job AND transcript_root IS NULL", new { job, transcriptRoot });
                StoredModel? model = Model(connection, job);
                return model is null || model.TranscriptRoot.AsSpan().SequenceEqual(transcriptRoot) ? model : throw StorageError.OtherTranscript(job);
            },
            cancellationToken);

    private static void AddModel(DbConnection connection, string job, uint attempt, long nowUnixMs) =>
        connection.Execute(
            "INSERT INTO models (job, attempt, state, trained_ms) VALUES (@job, @attempt, @active, @nowUnixMs) ON CONFLICT (job) DO NOTHING",
            new { job, attempt = (long)attempt, active = (int)ModelState.Active, nowUnixMs });

    private static StoredModel? Model(DbConnection connection, string job) =>
        connection.QuerySingleOrDefault<StoredModelRow>($"{StoredModelRow.Select} WHERE m.job = @job", new { job })?.ToRecord();

    private sealed class StoredModelRow
    {
        public const string Select = """
            SELECT m.job AS Job, j.ordinal AS Ordinal, m.attempt AS Attempt, j.role AS Role, r.model AS Model, m.state AS State,
                m.transcript_root AS TranscriptRoot, m.trained_ms AS TrainedMs
            FROM models AS m JOIN jobs AS j ON j.job = m.job JOIN results AS r ON r.job = m.job AND r.attempt = m.attempt
            """;

        public string Job { get; set; } = "";

        public long Ordinal { get; set; }

        public long Attempt { get; set; }

        public long Role { get; set; }

        public byte[]? Model { get; set; }

        public long State { get; set; }

        public byte[]? TranscriptRoot { get; set; }

        public long TrainedMs { get; set; }

        public StoredModel ToRecord() => new()
        {
            Job = Job,
            Ordinal = Ordinal,
            Attempt = checked((uint)Attempt),
            Role = (Role)Role,
            Model = Model,
            State = (ModelState)State,
            TranscriptRoot = TranscriptRoot,
            TrainedUnixMs = TrainedMs,
        };
    }
}
