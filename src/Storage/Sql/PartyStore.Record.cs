using Dapper;

namespace VertFed.Storage.Sql;

/// <content>The record of an attempt for checkpoints.</content>
public abstract partial class PartyStore
{
    public Task<IReadOnlyList<JournalEntry>> ReadEntriesAsync(
        string job, uint attempt, bool inbound, ulong from, int limit, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<JournalEntry>>(
            connection => connection.Query<EntryRow>(
                    """
                    SELECT sequence AS Sequence, core AS Core, attestation AS Attestation FROM messages
                    WHERE job = @job AND attempt = @attempt AND inbound = @inbound AND sequence >= @from ORDER BY sequence LIMIT @limit
                    """,
                    new { job, attempt = (long)attempt, inbound = inbound ? 1 : 0, from = checked((long)from), limit })
                .Select(row => new JournalEntry(inbound, (ulong)row.Sequence, row.Core, row.Attestation))
                .ToList(),
            cancellationToken);

    public Task<JournalEntry?> FindLastEntryAsync(string job, uint attempt, bool inbound, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            connection => connection.QuerySingleOrDefault<EntryRow>(
                """
                SELECT sequence AS Sequence, core AS Core, attestation AS Attestation FROM messages
                WHERE job = @job AND attempt = @attempt AND inbound = @inbound ORDER BY sequence DESC LIMIT 1
                """,
                new { job, attempt = (long)attempt, inbound = inbound ? 1 : 0 }) is { } row
                ? new JournalEntry(inbound, (ulong)row.Sequence, row.Core, row.Attestation)
                : null,
            cancellationToken);

    public Task SaveCheckpointAsync(CoSignedCheckpoint checkpoint, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                connection.Execute(
                    """
                    INSERT INTO checkpoints (job, attempt, phase, tree_size, root_hash, note, co_signature, recorded_ms)
                    VALUES (@Job, @attempt, @phase, @TreeSize, @RootHash, @Note, @CoSignature, @RecordedUnixMs)
                    ON CONFLICT (job, attempt, phase) DO NOTHING
                    """,
                    new
                    {
                        checkpoint.Job, attempt = (long)checkpoint.Attempt, phase = (int)checkpoint.Phase, checkpoint.TreeSize, checkpoint.RootHash,
                        checkpoint.Note, checkpoint.CoSignature, checkpoint.RecordedUnixMs,
                    });
                byte[] kept = connection.QuerySingle<byte[]>(
                    "SELECT co_signature FROM checkpoints WHERE job = @Job AND attempt = @attempt AND phase = @phase",
                    new { checkpoint.Job, attempt = (long)checkpoint.Attempt, phase = (int)checkpoint.Phase });
                return kept.AsSpan().SequenceEqual(checkpoint.CoSignature) ? 0 : throw StorageError.OtherCheckpoint(checkpoint);
            },
            cancellationToken);

    public Task<IReadOnlyList<CoSignedCheckpoint>> ReadCheckpointsAsync(string job, uint attempt, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<CoSignedCheckpoint>>(
            connection => connection.Query<CoSignedRow>(
                    $"SELECT {CoSignedRow.Columns} FROM checkpoints WHERE job = @job AND attempt = @attempt ORDER BY phase", new { job, attempt = (long)attempt })
                .Select(row => row.ToRecord(job, attempt))
                .ToList(),
            cancellationToken);

    private sealed class EntryRow
    {
        public long Sequence { get; set; }

        public byte[] Core { get; set; } = [];

        public byte[] Attestation { get; set; } = [];
    }
}
