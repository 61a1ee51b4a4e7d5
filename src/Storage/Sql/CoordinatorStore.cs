using System.Data.Common;
using Dapper;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <summary><see cref="ICoordinatorStore"/> in SQL that SQLite and PostgreSQL both speak.</summary>
public abstract partial class CoordinatorStore : ICoordinatorStore
{
    private const string OneJob = $"SELECT {JobRow.Columns} FROM jobs WHERE job = @job";
    private static readonly byte[] NoHash = new byte[32];

    // What crosses in the clear are keys and commitments, small and needed by whoever verifies: it stays.
    private static readonly string ClearSteps = string.Join(", ", PhaseGrammar.Rules.Where(rule => !rule.Sealed).Select(rule => (int)rule.Step));

    private readonly SqlDatabase _database;

    private protected CoordinatorStore(SqlDatabase database) => _database = database;

    public StoreActivity Activity => _database.Activity;

    public Task<(AddJobOutcome Outcome, JobRecord Job)> AddJobAsync(NewJob job, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                JobRecord? known = WithToken(connection, job.Submitter, job.ClientToken) ?? Find(connection, job.Job);
                if (known is not null)
                {
                    bool same = known.SpecHash.AsSpan().SequenceEqual(job.SpecHash);
                    return (same ? AddJobOutcome.Same : AddJobOutcome.Different, known);
                }

                connection.Execute(
                    """
                    INSERT INTO jobs (job, attempt, state, signed_spec, spec_hash, submitter, title, label_party, feature_party, deadline_seconds,
                        kind, purpose, client_token, submitted_ms, offered_ms, payloads)
                    VALUES (@Job, 1, @state, @SignedSpec, @SpecHash, @Submitter, @Title, @LabelParty, @FeatureParty, @DeadlineSeconds,
                        @kind, @Purpose, @ClientToken, @SubmittedUnixMs, @offeredMs, @payloads)
                    """,
                    new
                    {
                        job.Job, state = (int)(job.Queued ? JobState.Queued : JobState.Offered), job.SignedSpec, job.SpecHash, job.Submitter, job.Title,
                        job.LabelParty, job.FeatureParty, job.DeadlineSeconds, kind = (int)job.Kind, job.Purpose, job.ClientToken,
                        job.SubmittedUnixMs, offeredMs = job.Queued ? 0 : job.SubmittedUnixMs, payloads = (int)job.Payloads,
                    });
                return (AddJobOutcome.Added, Find(connection, job.Job)!);
            },
            cancellationToken);

    public Task<JobRecord?> FindJobAsync(string job, CancellationToken cancellationToken) =>
        _database.ReadAsync(connection => Find(connection, job), cancellationToken);

    public Task<JobRecord?> OfferJobAsync(string job, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                connection.Execute(
                    "UPDATE jobs SET state = @offered, offered_ms = @nowUnixMs WHERE job = @job AND state = @queued",
                    new { job, nowUnixMs, offered = (int)JobState.Offered, queued = (int)JobState.Queued });
                return Find(connection, job);
            },
            cancellationToken);

    public Task<JobPage> ListJobsAsync(int pageSize, long? before, JobFilter? filter, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pageSize, 1);
        filter ??= new JobFilter();
        return _database.ReadAsync(
            connection =>
            {
                ListWindow window = ListWindow.Of(connection, before, filter.Span, pageSize, filter.Sight);
                List<JobRecord> jobs = Jobs(connection,
                    $"""
                    SELECT {JobRow.Columns} FROM jobs AS j
                    WHERE {window.Condition}
                      AND (@Submitter IS NULL OR submitter = @Submitter)
                      AND (@Party IS NULL OR label_party = @Party OR feature_party = @Party)
                      AND (@state IS NULL OR state = @state)
                    ORDER BY ordinal DESC LIMIT @limit
                    """,
                    window.With(new { filter.Submitter, filter.Party, state = (int?)filter.State }));
                return new JobPage(jobs, window.End(jobs, job => job.Ordinal));
            },
            cancellationToken);
    }

    public Task<IReadOnlyList<JobRecord>> ListOpenJobsAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<JobRecord>>(
            connection => Jobs(connection,
                $"SELECT {JobRow.Columns} FROM jobs WHERE state IN (@queued, @offered, @running) ORDER BY ordinal",
                new { queued = (int)JobState.Queued, offered = (int)JobState.Offered, running = (int)JobState.Running }),
            cancellationToken);

    public Task<IReadOnlyList<JobRecord>> ListOpenJobsAsync(string party, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<JobRecord>>(
            connection => Jobs(connection,
                $"""
                SELECT {JobRow.Columns} FROM jobs
                WHERE state IN (@queued, @offered, @running) AND (label_party = @party OR feature_party = @party) ORDER BY ordinal
                """,
                new { queued = (int)JobState.Queued, offered = (int)JobState.Offered, running = (int)JobState.Running, party }),
            cancellationToken);

    public Task<IReadOnlyList<JobRecord>> ListEndedWithoutWordAsync(string party, long endedSinceUnixMs, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<JobRecord>>(
            connection => Jobs(connection,
                $"""
                SELECT {JobRow.Columns} FROM jobs
                WHERE state NOT IN (@queued, @offered, @running) AND ended_ms >= @endedSinceUnixMs
                  AND ((label_party = @party AND label_answer = 1 AND label_outcome = 0)
                    OR (feature_party = @party AND feature_answer = 1 AND feature_outcome = 0))
                ORDER BY ordinal LIMIT 100
                """,
                new { queued = (int)JobState.Queued, offered = (int)JobState.Offered, running = (int)JobState.Running, endedSinceUnixMs, party }),
            cancellationToken);

    public Task<JobRecord?> RecordAnswerAsync(string job, uint attempt, Role role, JobError? refusal, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                JobRecord? record = Find(connection, job);
                if (record is null || record.Attempt != attempt)
                    return null;
                if (record.State != JobState.Offered || record.AnswerOf(role) != Answer.None)
                    return record;
                string column = role == Role.LabelParty ? "label_answer" : "feature_answer";
                connection.Execute(
                    $"UPDATE jobs SET {column} = @answer WHERE job = @job",
                    new { job, answer = (int)(refusal is null ? Answer.Accepted : Answer.Refused) });
                if (refusal is not null)
                    End(connection, job, JobState.Refused, refusal, nowUnixMs);
                else if (record.AnswerOf(Other(role)) == Answer.Accepted)
                    connection.Execute("UPDATE jobs SET state = @state, started_ms = @nowUnixMs WHERE job = @job", new { job, state = (int)JobState.Running, nowUnixMs });
                return Find(connection, job);
            },
            cancellationToken);

    public Task<DepositResult> DepositAsync(EnvelopeDeposit envelope, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(connection => Deposit(connection, envelope, nowUnixMs), cancellationToken);

    public Task<StreamPosition> FindPositionAsync(string job, uint attempt, Role sender, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            connection =>
            {
                StreamRow? row = Stream(connection, job, attempt, sender);
                return row is null ? new StreamPosition(0, 0) : new StreamPosition(row.NextSequence, row.NextToDeliver);
            },
            cancellationToken);

    public Task<IReadOnlyList<StoredEnvelope>> ReadEnvelopesAsync(string job, uint attempt, Role sender, long fromSequence, int limit, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<StoredEnvelope>>(
            connection => connection.Query<EnvelopeRow>(
                    $"""
                    SELECT {EnvelopeRow.Columns}
                    FROM envelopes WHERE job = @job AND attempt = @attempt AND sender = @sender AND sequence >= @fromSequence
                    ORDER BY sequence LIMIT @limit
                    """,
                    new { job, attempt = (long)attempt, sender = (int)sender, fromSequence, limit })
                .Select(row => row.ToRecord(job, attempt))
                .ToList(),
            cancellationToken);

    public Task<byte[]> ReadPayloadPartAsync(EnvelopeKey key, int part, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            connection => connection.QuerySingleOrDefault<byte[]>(
                    "SELECT data FROM payload_parts WHERE job = @Job AND attempt = @attempt AND sender = @sender AND sequence = @Sequence AND part = @part",
                    new { key.Job, attempt = (long)key.Attempt, sender = (int)key.Sender, key.Sequence, part })
                ?? throw new VertFedException(ErrorCode.Storage, $"job {key.Job}: the payload of an envelope is no longer kept"),
            cancellationToken);

    public Task<bool> MarkDeliveredAsync(EnvelopeKey key, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                StreamRow? row = Stream(connection, key.Job, key.Attempt, key.Sender);
                if (row is null || key.Sequence < 0 || key.Sequence >= row.NextSequence)
                    return false;
                if (key.Sequence >= row.NextToDeliver)
                {
                    JobRecord job = Find(connection, key.Job)!;
                    Log(connection, job, DeliveryEvent.Delivered, Other(key.Sender), key.Sequence, nowUnixMs);
                    if (job.Payloads == Payloads.Hashes)
                    {
                        connection.Execute(
                            $"""
                            DELETE FROM payload_parts WHERE job = @Job AND attempt = @attempt AND sender = @sender AND sequence IN (
                                SELECT sequence FROM envelopes WHERE job = @Job AND attempt = @attempt AND sender = @sender
                                  AND sequence BETWEEN @NextToDeliver AND @Sequence AND step NOT IN ({ClearSteps}))
                            """,
                            new { key.Job, attempt = (long)key.Attempt, sender = (int)key.Sender, row.NextToDeliver, key.Sequence });
                    }

                    connection.Execute(
                        "UPDATE streams SET next_to_deliver = @next WHERE job = @Job AND attempt = @attempt AND sender = @sender",
                        new { next = key.Sequence + 1, key.Job, attempt = (long)key.Attempt, sender = (int)key.Sender });
                }

                return true;
            },
            cancellationToken);

    public Task<JobRecord?> RecordOutcomeAsync(string job, uint attempt, Role role, JobState outcome, JobError? error, byte[]? report, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                JobRecord? record = Find(connection, job);
                if (record is null || record.Attempt != attempt || record.OutcomeOf(role) != JobState.Unspecified)
                    return record?.Attempt == attempt ? record : null;
                connection.Execute(
                    """
                    INSERT INTO outcomes (job, attempt, role, outcome, error_code, error_party, error_step, error_message, report, recorded_ms)
                    VALUES (@job, @attempt, @role, @outcome, @Code, @ErrorParty, @Step, @Message, @report, @nowUnixMs)
                    """,
                    new
                    {
                        job, attempt = (long)attempt, role = (int)role, outcome = (int)outcome, error?.Code, ErrorParty = error?.Party, error?.Step,
                        error?.Message, report, nowUnixMs,
                    });
                string column = role == Role.LabelParty ? "label_outcome" : "feature_outcome";
                connection.Execute($"UPDATE jobs SET {column} = @outcome WHERE job = @job", new { job, outcome = (int)outcome });
                if (record.IsOpen && outcome != JobState.Done)
                    End(connection, job, outcome, error ?? new JobError { Code = nameof(ErrorCode.Internal), Party = record.PartyName(role) }, nowUnixMs);
                else if (record.State == JobState.Running && record.OutcomeOf(Other(role)) == JobState.Done)
                    End(connection, job, JobState.Done, error: null, nowUnixMs);
                return Find(connection, job);
            },
            cancellationToken);

    public Task<JobRecord?> EndJobAsync(string job, JobState state, JobError error, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                JobRecord? record = Find(connection, job);
                if (record is not { IsOpen: true })
                    return record;
                End(connection, job, state, error, nowUnixMs);
                return Find(connection, job);
            },
            cancellationToken);

    public Task<IReadOnlyList<byte[]>> ReadReportsAsync(string job, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<byte[]>>(
            connection => connection.Query<byte[]>(
                "SELECT report FROM outcomes WHERE job = @job AND report IS NOT NULL ORDER BY attempt, role", new { job }).AsList(),
            cancellationToken);

    public Task<int> PrunePayloadsAsync(long endedBeforeUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                List<string> jobs = connection.Query<string>(
                    "SELECT job FROM jobs WHERE pruned = 0 AND ended_ms > 0 AND ended_ms < @endedBeforeUnixMs LIMIT 16", new { endedBeforeUnixMs }).ToList();
                foreach (string job in jobs)
                {
                    DropPayloads(connection, job);
                    connection.Execute("UPDATE jobs SET pruned = 1 WHERE job = @job", new { job });
                }

                return jobs.Count;
            },
            cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private static DepositResult Deposit(DbConnection connection, EnvelopeDeposit envelope, long nowUnixMs)
    {
        (string job, uint attempt, Role sender, long sequence) = (envelope.Key.Job, envelope.Key.Attempt, envelope.Key.Sender, envelope.Key.Sequence);
        JobRecord? record = Find(connection, job);
        if (record is null || record.Attempt != attempt)
            return new DepositResult(DepositOutcome.NotRunning, 0, null);
        StreamRow? stream = Stream(connection, job, attempt, sender);
        long next = stream?.NextSequence ?? 0;
        var key = new { job, attempt = (long)attempt, sender = (int)sender, sequence };
        if (sequence >= 0 && sequence < next)
        {
            byte[] kept = connection.QuerySingle<byte[]>(
                "SELECT core_hash FROM envelopes WHERE job = @job AND attempt = @attempt AND sender = @sender AND sequence = @sequence", key);
            bool same = kept.AsSpan().SequenceEqual(envelope.CoreHash);
            return new DepositResult(same ? DepositOutcome.Duplicate : DepositOutcome.Conflict, next, null);
        }

        if (record.State != JobState.Running)
            return new DepositResult(DepositOutcome.NotRunning, next, null);
        if (record.OutcomeOf(sender) != JobState.Unspecified)
            return new DepositResult(DepositOutcome.AfterOutcome, next, null);
        if (sequence != next)
            return new DepositResult(DepositOutcome.Gap, next, null);
        if (!envelope.PreviousCoreHash.AsSpan().SequenceEqual(stream?.LastCoreHash ?? NoHash))
            return new DepositResult(DepositOutcome.BrokenChain, next, null);
        if (next > 0 && !MayFollow(connection, envelope, next - 1))
            return new DepositResult(DepositOutcome.OutOfPhase, next, null);

        connection.Execute(
            """
            INSERT INTO envelopes (job, attempt, sender, sequence, core, core_hash, attestation, phase, round, step, payload_size, parts, deposited_ms)
            VALUES (@job, @attempt, @sender, @sequence, @Core, @CoreHash, @Attestation, @phase, @round, @step, @PayloadSize, @parts, @nowUnixMs)
            """,
            new
            {
                key.job, key.attempt, key.sender, key.sequence, envelope.Core, envelope.CoreHash, envelope.Attestation,
                phase = (int)envelope.Phase, round = (long)envelope.Round, step = (int)envelope.Step, envelope.PayloadSize, parts = envelope.Parts.Count, nowUnixMs,
            });
        for (int part = 0; part < envelope.Parts.Count; part++)
        {
            connection.Execute(
                "INSERT INTO payload_parts (job, attempt, sender, sequence, part, data) VALUES (@job, @attempt, @sender, @sequence, @part, @data)",
                new { key.job, key.attempt, key.sender, key.sequence, part, data = envelope.Parts[part] });
        }

        connection.Execute(
            """
            INSERT INTO streams (job, attempt, sender, next_sequence, next_to_deliver, last_core_hash) VALUES (@job, @attempt, @sender, @next, 0, @CoreHash)
            ON CONFLICT (job, attempt, sender) DO UPDATE SET next_sequence = excluded.next_sequence, last_core_hash = excluded.last_core_hash
            """,
            new { key.job, key.attempt, key.sender, next = next + 1, envelope.CoreHash });
        connection.Execute(
            "UPDATE jobs SET phase = @phase, step = @step, round = @round, bytes = bytes + @PayloadSize, envelopes = envelopes + 1 WHERE job = @job",
            new { key.job, phase = (int)envelope.Phase, step = (int)envelope.Step, round = (long)envelope.Round, envelope.PayloadSize });
        Log(connection, record, DeliveryEvent.Deposited, sender, sequence, nowUnixMs);
        return new DepositResult(DepositOutcome.Stored, next + 1, Find(connection, job));
    }

    /// <summary>What a checkpoint covers is never added to: a sender goes on from phase to phase, and ends with its close.</summary>
    private static bool MayFollow(DbConnection connection, EnvelopeDeposit envelope, long last)
    {
        EnvelopeRow row = connection.QuerySingle<EnvelopeRow>(
            $"SELECT {EnvelopeRow.Columns} FROM envelopes WHERE job = @Job AND attempt = @attempt AND sender = @sender AND sequence = @last",
            new { envelope.Key.Job, attempt = (long)envelope.Key.Attempt, sender = (int)envelope.Key.Sender, last });
        return (Phase)row.Phase <= envelope.Phase && (Step)row.Step != Step.JobClose;
    }

    private static void End(DbConnection connection, string job, JobState state, JobError? error, long nowUnixMs)
    {
        connection.Execute(
            """
            UPDATE jobs SET state = @state, ended_ms = @nowUnixMs, error_code = @Code, error_party = @Party, error_step = @Step, error_message = @Message
            WHERE job = @job
            """,
            new { job, state = (int)state, nowUnixMs, error?.Code, error?.Party, error?.Step, error?.Message });

        // Nothing is delivered after the end.
        if (Find(connection, job)!.Payloads == Payloads.Hashes)
            DropPayloads(connection, job);
    }

    private static void DropPayloads(DbConnection connection, string job) =>
        connection.Execute(
            $"""
            DELETE FROM payload_parts WHERE job = @job AND (attempt, sender, sequence) IN (
                SELECT attempt, sender, sequence FROM envelopes WHERE job = @job AND step NOT IN ({ClearSteps}))
            """,
            new { job });

    private static JobRecord? Find(DbConnection connection, string job) =>
        connection.QuerySingleOrDefault<JobRow>(OneJob, new { job })?.ToRecord();

    private static JobRecord? WithToken(DbConnection connection, string submitter, string? token) =>
        token is null
            ? null
            : connection.QuerySingleOrDefault<JobRow>(
                $"SELECT {JobRow.Columns} FROM jobs WHERE submitter = @submitter AND client_token = @token", new { submitter, token })?.ToRecord();

    private static List<JobRecord> Jobs(DbConnection connection, string sql, object parameters) =>
        connection.Query<JobRow>(sql, parameters).Select(row => row.ToRecord()).ToList();

    private static StreamRow? Stream(DbConnection connection, string job, uint attempt, Role sender) =>
        connection.QuerySingleOrDefault<StreamRow>(
            """
            SELECT next_sequence AS NextSequence, next_to_deliver AS NextToDeliver, last_core_hash AS LastCoreHash
            FROM streams WHERE job = @job AND attempt = @attempt AND sender = @sender
            """,
            new { job, attempt = (long)attempt, sender = (int)sender });

    private static Role Other(Role role) => role == Role.LabelParty ? Role.FeatureParty : Role.LabelParty;

    private sealed class StreamRow
    {
        public long NextSequence { get; set; }

        public long NextToDeliver { get; set; }

        public byte[] LastCoreHash { get; set; } = [];
    }
}
