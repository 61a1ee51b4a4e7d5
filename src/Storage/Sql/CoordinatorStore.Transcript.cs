using System.Data.Common;
using Dapper;
using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <content><see cref="ITranscriptStore"/>.</content>
public abstract partial class CoordinatorStore
{
    public Task<IReadOnlyList<StoredEnvelope>> ReadEntriesAsync(
        string job, uint attempt, Phase last, EntryPlace? after, int limit, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<StoredEnvelope>>(
            connection => connection.Query<EnvelopeRow>(
                    $"""
                    SELECT {EnvelopeRow.Columns} FROM envelopes
                    WHERE job = @job AND attempt = @attempt AND phase <= @last
                      AND (phase, round, step, sender, sequence) > (@phase, @round, @step, @sender, @sequence)
                    ORDER BY phase, round, step, sender, sequence LIMIT @limit
                    """,
                    new
                    {
                        job, attempt = (long)attempt, last = (int)last, phase = (int)(after?.Phase ?? Phase.Unspecified), round = (long)(after?.Round ?? 0),
                        step = (int)(after?.Step ?? Step.Unspecified), sender = (int)(after?.Sender ?? Role.Unspecified), sequence = after?.Sequence ?? 0, limit,
                    })
                .Select(row => row.ToRecord(job, attempt))
                .ToList(),
            cancellationToken);

    public Task<StoredEnvelope?> FindEntryAsync(string job, uint attempt, long index, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            connection => connection.QuerySingleOrDefault<EnvelopeRow>(
                $"""
                SELECT {EnvelopeRow.Columns} FROM envelopes WHERE job = @job AND attempt = @attempt
                ORDER BY phase, round, step, sender, sequence LIMIT 1 OFFSET @index
                """,
                new { job, attempt = (long)attempt, index })?.ToRecord(job, attempt),
            cancellationToken);

    public Task<long> CountEntriesAsync(string job, uint attempt, Phase last, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            connection => connection.ExecuteScalar<long>(
                "SELECT COUNT(*) FROM envelopes WHERE job = @job AND attempt = @attempt AND phase <= @last", new { job, attempt = (long)attempt, last = (int)last }),
            cancellationToken);

    public Task<StoredCheckpoint> AddCheckpointAsync(NewCheckpoint checkpoint, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                connection.Execute(
                    """
                    INSERT INTO checkpoints (job, attempt, phase, tree_size, note, consistency_proof, created_ms)
                    VALUES (@Job, @attempt, @phase, @TreeSize, @Note, @ConsistencyProof, @CreatedUnixMs)
                    ON CONFLICT (job, attempt, phase) DO NOTHING
                    """,
                    new
                    {
                        checkpoint.Job, attempt = (long)checkpoint.Attempt, phase = (int)checkpoint.Phase, checkpoint.TreeSize, checkpoint.Note,
                        checkpoint.ConsistencyProof, checkpoint.CreatedUnixMs,
                    });
                return Checkpoints(connection, checkpoint.Job, checkpoint.Attempt).Single(kept => kept.Checkpoint.Phase == checkpoint.Phase);
            },
            cancellationToken);

    public Task<(StoredCheckpoint Checkpoint, JobRecord Job)?> AnswerCheckpointAsync(
        string job, uint attempt, Phase phase, Role role, CheckpointWord word, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync<(StoredCheckpoint Checkpoint, JobRecord Job)?>(
            connection =>
            {
                StoredCheckpoint? known = Checkpoints(connection, job, attempt).Find(checkpoint => checkpoint.Checkpoint.Phase == phase);
                if (known is null)
                    return null;
                if (known.WordOf(role) is not null)
                    return (known, Find(connection, job)!);
                connection.Execute(
                    """
                    INSERT INTO checkpoint_answers (job, attempt, phase, role, co_signature, error_code, error_party, error_step, error_message, recorded_ms)
                    VALUES (@job, @attempt, @phase, @role, @CoSignature, @Code, @Party, @Step, @Message, @nowUnixMs)
                    """,
                    new
                    {
                        job, attempt = (long)attempt, phase = (int)phase, role = (int)role, word.CoSignature, word.Refusal?.Code, word.Refusal?.Party,
                        word.Refusal?.Step, word.Refusal?.Message, nowUnixMs,
                    });
                if (phase == Phase.Close && word.CoSignature is not null)
                {
                    string column = role == Role.LabelParty ? "label_co_signed" : "feature_co_signed";
                    connection.Execute($"UPDATE jobs SET {column} = 1 WHERE job = @job", new { job });
                }

                return (Checkpoints(connection, job, attempt).Single(checkpoint => checkpoint.Checkpoint.Phase == phase), Find(connection, job)!);
            },
            cancellationToken);

    public Task<IReadOnlyList<StoredCheckpoint>> ReadCheckpointsAsync(string job, uint attempt, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<StoredCheckpoint>>(connection => Checkpoints(connection, job, attempt), cancellationToken);

    public Task<IReadOnlyDictionary<long, Phase>> LastCheckpointsAsync(IReadOnlyCollection<long> ordinals, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyDictionary<long, Phase>>(
            connection => ordinals.Count == 0
                ? new Dictionary<long, Phase>()
                : connection.Query<(long Ordinal, long Phase)>(
                    $"""
                    SELECT jobs.ordinal, MAX(c.phase) FROM jobs JOIN checkpoints AS c ON c.job = jobs.job AND c.attempt = jobs.attempt
                    WHERE jobs.ordinal IN ({string.Join(", ", ordinals)}) GROUP BY jobs.ordinal
                    """)
                    .ToDictionary(row => row.Ordinal, row => (Phase)row.Phase),
            cancellationToken);

    public Task<IReadOnlyList<string>> ListUnansweredAsync(string party, long endedSinceUnixMs, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<string>>(
            connection => connection.Query<string>(
                """
                SELECT job FROM jobs
                WHERE (label_party = @party OR feature_party = @party) AND (ended_ms = 0 OR ended_ms >= @endedSinceUnixMs)
                  AND EXISTS (
                    SELECT 1 FROM checkpoints AS c WHERE c.job = jobs.job AND c.attempt = jobs.attempt AND NOT EXISTS (
                        SELECT 1 FROM checkpoint_answers AS a
                        WHERE a.job = c.job AND a.attempt = c.attempt AND a.phase = c.phase
                          AND a.role = CASE WHEN label_party = @party THEN @label ELSE @feature END))
                ORDER BY ordinal LIMIT 1000
                """,
                new { party, endedSinceUnixMs, label = (int)Role.LabelParty, feature = (int)Role.FeatureParty }).ToList(),
            cancellationToken);

    public Task<IReadOnlyList<string>> ListUnclosedAsync(long endedSinceUnixMs, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<string>>(
            connection => connection.Query<string>(
                """
                SELECT job FROM jobs
                WHERE payloads <> 0 AND state <> @queued AND (ended_ms = 0 OR ended_ms >= @endedSinceUnixMs)
                  AND NOT EXISTS (SELECT 1 FROM checkpoints AS c WHERE c.job = jobs.job AND c.attempt = jobs.attempt AND c.phase = @close)
                ORDER BY ordinal
                """,
                new { endedSinceUnixMs, queued = (int)JobState.Queued, close = (int)Phase.Close }).ToList(),
            cancellationToken);

    public Task<byte[]> RecordKeyAsync(string job, uint attempt, Role role, byte[] key, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                connection.Execute(
                    """
                    INSERT INTO checkpoint_keys (job, attempt, role, checkpoint_key) VALUES (@job, @attempt, @role, @key)
                    ON CONFLICT (job, attempt, role) DO NOTHING
                    """,
                    new { job, attempt = (long)attempt, role = (int)role, key });
                return Key(connection, job, attempt, role)!;
            },
            cancellationToken);

    public Task<byte[]?> FindKeyAsync(string job, uint attempt, Role role, CancellationToken cancellationToken) =>
        _database.ReadAsync(connection => Key(connection, job, attempt, role), cancellationToken);

    public Task RecordPresenceAsync(string job, uint attempt, DeliveryEvent what, Role party, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                if (Find(connection, job) is { } record && record.Attempt == attempt)
                    Log(connection, record, what, party, sequence: 0, nowUnixMs);
                return 0;
            },
            cancellationToken);

    public Task<IReadOnlyList<Delivery>> ReadDeliveriesAsync(string job, uint attempt, long from, int limit, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<Delivery>>(
            connection => connection.Query<DeliveryRow>(
                    """
                    SELECT event AS Event, party AS Party, sequence AS Sequence, time_ms AS TimeMs FROM deliveries
                    WHERE job = @job AND attempt = @attempt AND ordinal >= @from ORDER BY ordinal LIMIT @limit
                    """,
                    new { job, attempt = (long)attempt, from, limit })
                .Select(row => row.ToMessage())
                .ToList(),
            cancellationToken);

    private static void Log(DbConnection connection, JobRecord job, DeliveryEvent what, Role party, long sequence, long nowUnixMs)
    {
        if (!job.HasTranscript)
            return;
        connection.Execute(
            """
            INSERT INTO deliveries (job, attempt, ordinal, event, party, sequence, time_ms) VALUES (@Job, @attempt,
                COALESCE((SELECT MAX(ordinal) + 1 FROM deliveries WHERE job = @Job AND attempt = @attempt), 0), @what, @party, @sequence, @nowUnixMs)
            """,
            new { job.Job, attempt = (long)job.Attempt, what = (int)what, party = (int)party, sequence, nowUnixMs });
    }

    private static byte[]? Key(DbConnection connection, string job, uint attempt, Role role) =>
        connection.QuerySingleOrDefault<byte[]>(
            "SELECT checkpoint_key FROM checkpoint_keys WHERE job = @job AND attempt = @attempt AND role = @role",
            new { job, attempt = (long)attempt, role = (int)role });

    private static List<StoredCheckpoint> Checkpoints(DbConnection connection, string job, uint attempt)
    {
        var key = new { job, attempt = (long)attempt };
        ILookup<long, CheckpointAnswerRow> answers = connection.Query<CheckpointAnswerRow>(
            $"SELECT {CheckpointAnswerRow.Columns} FROM checkpoint_answers WHERE job = @job AND attempt = @attempt", key).ToLookup(row => row.Phase);
        return connection.Query<CheckpointRow>(
                $"SELECT {CheckpointRow.Columns} FROM checkpoints WHERE job = @job AND attempt = @attempt ORDER BY phase", key)
            .Select(row => new StoredCheckpoint(
                new NewCheckpoint(job, attempt, (Phase)row.Phase, row.TreeSize, row.Note, row.ConsistencyProof, row.CreatedMs),
                Word(answers[row.Phase], Role.LabelParty),
                Word(answers[row.Phase], Role.FeatureParty)))
            .ToList();
    }

    private static CheckpointWord? Word(IEnumerable<CheckpointAnswerRow> answers, Role role) =>
        answers.FirstOrDefault(row => row.Role == (long)role) is { } answer ? new CheckpointWord(answer.CoSignature, answer.ToError()) : null;

    private sealed class CheckpointRow
    {
        public const string Columns =
            "phase AS Phase, tree_size AS TreeSize, note AS Note, consistency_proof AS ConsistencyProof, created_ms AS CreatedMs";

        public long Phase { get; set; }

        public long TreeSize { get; set; }

        public byte[] Note { get; set; } = [];

        public byte[] ConsistencyProof { get; set; } = [];

        public long CreatedMs { get; set; }
    }

    private sealed class CheckpointAnswerRow : ErrorColumns
    {
        public const string Columns = $"phase AS Phase, role AS Role, co_signature AS CoSignature, {ErrorNames}";

        public long Phase { get; set; }

        public long Role { get; set; }

        public byte[]? CoSignature { get; set; }
    }

    private sealed class DeliveryRow
    {
        public long Event { get; set; }

        public long Party { get; set; }

        public long Sequence { get; set; }

        public long TimeMs { get; set; }

        public Delivery ToMessage() => new()
        {
            Event = (DeliveryEvent)Event, Party = (Role)Party, Sequence = checked((ulong)Sequence), TimeUnixMs = TimeMs,
        };
    }
}
