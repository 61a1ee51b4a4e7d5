using Dapper;
using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <content>Checkpoints of horizontal jobs' records.</content>
public abstract partial class CoordinatorStore
{
    public Task<(long Entries, long PayloadBytes)> CountRoundEntriesAsync(string job, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            connection =>
            {
                RoundCountRow row = connection.QuerySingle<RoundCountRow>(
                    "SELECT COUNT(*) AS Entries, CAST(COALESCE(SUM(payload_size), 0) AS BIGINT) AS Bytes FROM round_entries WHERE job = @job", new { job });
                return (row.Entries, row.Bytes);
            },
            cancellationToken);

    public Task AddRoundHeadAsync(NewRoundHead head, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection => connection.Execute(
                """
                INSERT INTO round_heads (job, number, size, note, coordinator_key, is_closing, created_ms)
                VALUES (@Job, @Number, @Size, @Note, @CoordinatorKey, @closing, @CreatedUnixMs)
                ON CONFLICT (job, number) DO NOTHING
                """,
                new { head.Job, head.Number, head.Size, head.Note, head.CoordinatorKey, closing = head.IsClosing ? 1 : 0, head.CreatedUnixMs }),
            cancellationToken);

    public Task SaveRoundWordAsync(string job, int number, uint place, CheckpointWord word, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection => connection.Execute(
                """
                INSERT INTO round_words (job, number, place, co_signature, refusal, answered_ms)
                VALUES (@job, @number, @place, @CoSignature, @refusal, @nowUnixMs)
                ON CONFLICT (job, number, place) DO NOTHING
                """,
                new { job, number, place = (int)place, word.CoSignature, refusal = word.Refusal?.ToByteArray(), nowUnixMs }),
            cancellationToken);

    public Task<IReadOnlyList<StoredRoundHead>> ReadRoundHeadsAsync(string job, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<StoredRoundHead>>(
            connection =>
            {
                ILookup<long, RoundWordRow> words = connection.Query<RoundWordRow>(
                        "SELECT number AS Number, place AS Place, co_signature AS CoSignature, refusal AS Refusal FROM round_words WHERE job = @job ORDER BY place",
                        new { job })
                    .ToList().ToLookup(word => word.Number);
                return
                [
                    .. connection.Query<RoundHeadRow>(
                            """
                            SELECT number AS Number, size AS Size, note AS Note, coordinator_key AS CoordinatorKey, is_closing AS IsClosing, created_ms AS CreatedMs
                            FROM round_heads WHERE job = @job ORDER BY number
                            """,
                            new { job })
                        .Select(head => new StoredRoundHead(
                            new NewRoundHead(job, (int)head.Number, head.Size, head.Note, head.CoordinatorKey, head.IsClosing == 1, head.CreatedMs),
                            words[head.Number].ToDictionary(word => (uint)word.Place, word => word.ToRecord()))),
                ];
            },
            cancellationToken);

    private sealed class RoundCountRow
    {
        public long Entries { get; set; }

        public long Bytes { get; set; }
    }

    private sealed class RoundHeadRow
    {
        public long Number { get; set; }

        public long Size { get; set; }

        public byte[] Note { get; set; } = [];

        public byte[] CoordinatorKey { get; set; } = [];

        public long IsClosing { get; set; }

        public long CreatedMs { get; set; }
    }

    private sealed class RoundWordRow
    {
        public long Number { get; set; }

        public long Place { get; set; }

        public byte[]? CoSignature { get; set; }

        public byte[]? Refusal { get; set; }

        public CheckpointWord ToRecord() => new(CoSignature, Refusal is null ? null : JobError.Parser.ParseFrom(Refusal));
    }
}
