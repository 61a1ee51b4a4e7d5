using System.Data.Common;
using Dapper;
using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <content>Horizontal jobs.</content>
public abstract partial class CoordinatorStore
{
    private const string OpenStates = "(1, 2)";

    public Task<(AddJobOutcome Outcome, RoundJobRecord Job)> AddRoundJobAsync(NewRoundJob job, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                string? known = connection.QueryFirstOrDefault<string>(
                    "SELECT job FROM round_jobs WHERE job = @Job OR (client_token IS NOT NULL AND submitter = @Submitter AND client_token = @ClientToken)",
                    new { job.Job, job.Submitter, job.ClientToken });
                if (known is not null)
                {
                    RoundJobRecord before = RoundJob(connection, known)!;
                    return (before.SpecHash.AsSpan().SequenceEqual(job.SpecHash) ? AddJobOutcome.Same : AddJobOutcome.Different, before);
                }

                connection.Execute(
                    """
                    INSERT INTO round_jobs (job, state, signed_spec, spec_hash, submitter, client_token, submitted_ms)
                    VALUES (@Job, @state, @SignedSpec, @SpecHash, @Submitter, @ClientToken, @SubmittedUnixMs)
                    """,
                    new { job.Job, state = (int)JobState.Offered, job.SignedSpec, job.SpecHash, job.Submitter, job.ClientToken, job.SubmittedUnixMs });
                for (int i = 0; i < job.Parties.Count; i++)
                {
                    connection.Execute(
                        "INSERT INTO round_parties (job, place, name) VALUES (@Job, @place, @name)", new { job.Job, place = i + 1, name = job.Parties[i] });
                }

                return (AddJobOutcome.Added, RoundJob(connection, job.Job)!);
            },
            cancellationToken);

    public Task<RoundJobRecord?> FindRoundJobAsync(string job, CancellationToken cancellationToken) =>
        _database.ReadAsync(connection => RoundJob(connection, job), cancellationToken);

    public Task<IReadOnlyList<RoundJobRecord>> ListRoundJobsAsync(int limit, long? before, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            connection => RoundJobs(
                connection, "SELECT job FROM round_jobs WHERE ordinal < @before ORDER BY ordinal DESC LIMIT @limit", new { before = before ?? long.MaxValue, limit }),
            cancellationToken);

    public Task<IReadOnlyList<RoundJobRecord>> ListOpenRoundJobsAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(
            connection => RoundJobs(connection, $"SELECT job FROM round_jobs WHERE state IN {OpenStates} ORDER BY ordinal", new { }), cancellationToken);

    public Task<IReadOnlyList<RoundJobRecord>> ListRoundJobsWithoutWordAsync(string party, long endedSinceUnixMs, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            connection => RoundJobs(
                connection,
                $"""
                SELECT j.job FROM round_jobs AS j JOIN round_parties AS p ON p.job = j.job
                WHERE p.name = @party AND p.accepted = 1 AND p.outcome IS NULL AND j.state NOT IN {OpenStates} AND j.ended_ms >= @endedSinceUnixMs
                ORDER BY j.ordinal
                """,
                new { party, endedSinceUnixMs }),
            cancellationToken);

    public Task AcceptRoundJobAsync(string job, uint place, byte[] identityKey, byte[] checkpointKey, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection => connection.Execute(
                "UPDATE round_parties SET accepted = 1, identity_key = @identityKey, checkpoint_key = @checkpointKey WHERE job = @job AND place = @place AND accepted = 0",
                new { job, place = (int)place, identityKey, checkpointKey }),
            cancellationToken);

    public Task<RoundJobRecord?> MoveRoundJobAsync(string job, JobState state, JobError? error, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                connection.Execute(
                    $"""
                    UPDATE round_jobs SET state = @state, error = @error,
                        started_ms = CASE WHEN @running = 1 AND started_ms = 0 THEN @nowUnixMs ELSE started_ms END,
                        ended_ms = CASE WHEN @running = 1 THEN 0 ELSE @nowUnixMs END
                    WHERE job = @job AND state IN {OpenStates}
                    """,
                    new { job, state = (int)state, error = error?.ToByteArray(), nowUnixMs, running = state == JobState.Running ? 1 : 0 });
                return RoundJob(connection, job);
            },
            cancellationToken);

    public Task SaveRoundOutcomeAsync(string job, uint place, JobOutcome outcome, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection => connection.Execute(
                "UPDATE round_parties SET outcome = @outcome WHERE job = @job AND place = @place AND outcome IS NULL",
                new { job, place = (int)place, outcome = outcome.ToByteArray() }),
            cancellationToken);

    public Task AppendRoundEntriesAsync(string job, IReadOnlyList<RoundEntry> entries, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection => connection.Execute(
                """
                INSERT INTO round_entries (job, position, sender, sequence, core, attestation, payload, payload_size, recorded_ms)
                VALUES (@job, @Position, @sender, @sequence, @Core, @Attestation, @Payload, @PayloadSize, @nowUnixMs)
                ON CONFLICT (job, sender, sequence) DO NOTHING
                """,
                entries.Select(entry => new
                {
                    job, entry.Position, sender = (int)entry.Sender, sequence = (long)entry.Sequence, entry.Core, entry.Attestation, entry.Payload, entry.PayloadSize, nowUnixMs,
                })),
            cancellationToken);

    public Task<IReadOnlyList<RoundEntry>> ReadRoundEntriesAsync(string job, long from, int limit, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<RoundEntry>>(
            connection => [.. connection.Query<RoundEntryRow>(
                    $"SELECT {RoundEntryRow.Columns}, payload AS Payload FROM round_entries WHERE job = @job AND position >= @from ORDER BY position LIMIT @limit",
                    new { job, from, limit })
                .Select(row => row.ToRecord())],
            cancellationToken);

    public Task<IReadOnlyList<RoundEntry>> ReadRoundCoresAsync(string job, long from, int limit, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<RoundEntry>>(
            connection => [.. connection.Query<RoundEntryRow>(
                    $"SELECT {RoundEntryRow.Columns} FROM round_entries WHERE job = @job AND position >= @from ORDER BY position LIMIT @limit", new { job, from, limit })
                .Select(row => row.ToRecord())],
            cancellationToken);

    public Task<IReadOnlyList<RoundEntry>> ReadLastRoundEntriesAsync(string job, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<RoundEntry>>(
            connection => [.. connection.Query<RoundEntryRow>(
                    $"""
                    SELECT {RoundEntryRow.Columns} FROM round_entries AS e
                    WHERE job = @job AND sequence = (SELECT MAX(l.sequence) FROM round_entries AS l WHERE l.job = e.job AND l.sender = e.sender)
                    ORDER BY position
                    """,
                    new { job })
                .Select(row => row.ToRecord())],
            cancellationToken);

    private static IReadOnlyList<RoundJobRecord> RoundJobs(DbConnection connection, string query, object parameters) =>
        [.. connection.Query<string>(query, parameters).ToList().Select(job => RoundJob(connection, job, isListed: true)!)];

    /// <param name="isListed">Without the checkpoint and the parties' last words: they may be megabytes.</param>
    private static RoundJobRecord? RoundJob(DbConnection connection, string job, bool isListed = false)
    {
        RoundJobRow? row = connection.QueryFirstOrDefault<RoundJobRow>(
            $"""
            SELECT ordinal AS Ordinal, state AS State, signed_spec AS SignedSpec, spec_hash AS SpecHash, submitter AS Submitter, submitted_ms AS SubmittedMs,
                started_ms AS StartedMs, ended_ms AS EndedMs, error AS Error,
                rounds_done AS RoundsDone, bytes AS Bytes, {(isListed ? "CASE WHEN rounds_done IS NULL THEN round_checkpoint END" : "round_checkpoint")} AS Checkpoint
            FROM round_jobs WHERE job = @job
            """,
            new { job });
        if (row is null)
            return null;
        List<RoundPartyRecord> parties =
        [
            .. connection.Query<RoundPartyRow>(
                    $"""
                    SELECT p.place AS Place, p.name AS Name, p.accepted AS Accepted, p.identity_key AS IdentityKey, p.checkpoint_key AS CheckpointKey,
                        {(isListed ? "NULL" : "p.outcome")} AS Outcome,
                        (SELECT COUNT(*) FROM round_words AS w JOIN round_heads AS h ON h.job = w.job AND h.number = w.number
                        WHERE w.job = p.job AND w.place = p.place AND w.co_signature IS NOT NULL AND h.is_closing = 1) AS CoSigned
                    FROM round_parties AS p WHERE p.job = @job ORDER BY p.place
                    """,
                    new { job })
                .Select(party => party.ToRecord()),
        ];
        RoundCheckpoint? checkpoint = row.Checkpoint is null ? null : RoundCheckpoint.Parser.ParseFrom(row.Checkpoint);
        return new RoundJobRecord(
            row.Ordinal, job, (JobState)row.State, row.SignedSpec, row.SpecHash, row.Submitter, row.SubmittedMs, row.StartedMs, row.EndedMs,
            row.Error is null ? null : JobError.Parser.ParseFrom(row.Error), isListed ? null : checkpoint, parties)
        {
            Rounds = (uint?)row.RoundsDone ?? checkpoint?.Rounds ?? 0,
            Bytes = row.RoundsDone is null ? BytesOf(checkpoint?.Summaries ?? []) : (ulong)row.Bytes,
        };
    }

    private sealed class RoundJobRow
    {
        public long Ordinal { get; set; }

        public long State { get; set; }

        public byte[] SignedSpec { get; set; } = [];

        public byte[] SpecHash { get; set; } = [];

        public string Submitter { get; set; } = "";

        public long SubmittedMs { get; set; }

        public long StartedMs { get; set; }

        public long EndedMs { get; set; }

        public byte[]? Error { get; set; }

        public byte[]? Checkpoint { get; set; }

        public long? RoundsDone { get; set; }

        public long Bytes { get; set; }
    }

    private sealed class RoundPartyRow
    {
        public long Place { get; set; }

        public string Name { get; set; } = "";

        public long Accepted { get; set; }

        public byte[]? IdentityKey { get; set; }

        public byte[]? CheckpointKey { get; set; }

        public byte[]? Outcome { get; set; }

        public long CoSigned { get; set; }

        public RoundPartyRecord ToRecord() =>
            new((uint)Place, Name, Accepted == 1, IdentityKey, CheckpointKey, Outcome is null ? null : JobOutcome.Parser.ParseFrom(Outcome), CoSigned > 0);
    }

    private sealed class RoundEntryRow
    {
        public const string Columns =
            "position AS Position, sender AS Sender, sequence AS Sequence, core AS Core, attestation AS Attestation, payload_size AS PayloadSize";

        public long Position { get; set; }

        public long Sender { get; set; }

        public long Sequence { get; set; }

        public byte[] Core { get; set; } = [];

        public byte[] Attestation { get; set; } = [];

        public byte[]? Payload { get; set; }

        public long PayloadSize { get; set; }

        public RoundEntry ToRecord() => new(Position, (uint)Sender, (ulong)Sequence, Core, Attestation, Payload, PayloadSize);
    }
}
