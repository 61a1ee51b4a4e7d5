using System.Data.Common;
using System.Runtime.InteropServices;
using Dapper;
using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <summary><see cref="IPartyStore"/> in SQL that SQLite and PostgreSQL both speak.</summary>
public abstract partial class PartyStore : IPartyStore
{
    private readonly SqlDatabase _database;
    private readonly SecretsKey _secrets;

    private protected PartyStore(SqlDatabase database, SecretsKey secrets) => (_database, _secrets) = (database, secrets);

    public StoreActivity Activity => _database.Activity;

    public Task<PartyJob> AddJobAsync(PartyJob job, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                connection.Execute(
                    """
                    INSERT INTO jobs (job, attempt, role, signed_spec, state, received_ms, accepted_ms, ended_ms, error_code, error_party, error_step, error_message)
                    VALUES (@Job, @attempt, @role, @SignedSpec, @state, @ReceivedUnixMs, @acceptedMs, @EndedUnixMs, @Code, @Party, @Step, @Message)
                    ON CONFLICT (job) DO NOTHING
                    """,
                    new
                    {
                        job.Job, attempt = (long)job.Attempt, role = (int)job.Role, job.SignedSpec, state = (int)job.State, job.ReceivedUnixMs,
                        acceptedMs = job.State == JobState.Running ? job.ReceivedUnixMs : 0, job.EndedUnixMs, job.Error?.Code, job.Error?.Party, job.Error?.Step, job.Error?.Message,
                    });
                return Find(connection, job.Job)!;
            },
            cancellationToken);

    public Task<PartyJob?> FindJobAsync(string job, CancellationToken cancellationToken) =>
        _database.ReadAsync(connection => Find(connection, job), cancellationToken);

    public Task<IReadOnlyList<PartyJob>> ListJobsAsync(int limit, long? before, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<PartyJob>>(
            connection => connection.Query<PartyJobRow>(
                    $"SELECT {PartyJobRow.Columns} FROM jobs WHERE ordinal < @before ORDER BY ordinal DESC LIMIT @limit",
                    new { before = before ?? long.MaxValue, limit })
                .Select(row => row.ToRecord())
                .ToList(),
            cancellationToken);

    public Task<PartyJob?> SetStateAsync(string job, JobState state, JobError? error, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                SetState(connection, job, state, error, nowUnixMs);
                return Find(connection, job);
            },
            cancellationToken);

    public Task<PartyJob?> SaveResultAsync(string job, uint attempt, PartyResult result, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                if (Find(connection, job) is null)
                    return null;
                int added = connection.Execute(
                    """
                    INSERT INTO results (job, attempt, state, error_code, error_party, error_step, error_message, report, model, outcome, ended_ms)
                    VALUES (@job, @attempt, @state, @Code, @Party, @Step, @Message, @Report, @Model, @Outcome, @EndedUnixMs)
                    ON CONFLICT (job, attempt) DO NOTHING
                    """,
                    new
                    {
                        job, attempt = (long)attempt, state = (int)result.State, result.Error?.Code, result.Error?.Party, result.Error?.Step,
                        result.Error?.Message, result.Report, result.Model, result.Outcome, result.EndedUnixMs,
                    });
                if (added == 0)
                    return Find(connection, job);
                if (result is { State: JobState.Done, Model: not null })
                    AddModel(connection, job, attempt, result.EndedUnixMs);
                for (int ordinal = 0; ordinal < result.Ledger.Count; ordinal++)
                {
                    Disclosure entry = result.Ledger[ordinal];
                    connection.Execute(
                        "INSERT INTO ledger (job, attempt, ordinal, party, what, scalars, step) VALUES (@job, @attempt, @ordinal, @Party, @What, @Scalars, @Step)",
                        new { job, attempt = (long)attempt, ordinal, entry.Party, entry.What, entry.Scalars, entry.Step });
                }

                SetState(connection, job, result.State, result.Error, result.EndedUnixMs);
                return Find(connection, job);
            },
            cancellationToken);

    public Task<PartyResult?> ReadResultAsync(string job, uint attempt, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            connection =>
            {
                var key = new { job, attempt = (long)attempt };
                ResultRow? row = connection.QuerySingleOrDefault<ResultRow>(
                    $"SELECT {ResultRow.Columns} FROM results WHERE job = @job AND attempt = @attempt", key);
                if (row is null)
                    return null;
                List<Disclosure> ledger = connection.Query<LedgerRow>(
                        "SELECT party AS Party, what AS What, scalars AS Scalars, step AS Step FROM ledger WHERE job = @job AND attempt = @attempt ORDER BY ordinal", key)
                    .Select(entry => entry.ToRecord())
                    .ToList();
                return new PartyResult((JobState)row.State, row.ToError(), row.Report, row.Model, ledger, row.Outcome, row.EndedMs);
            },
            cancellationToken);

    public async ValueTask<AttemptRecord?> LoadAttemptAsync(string job, uint attempt, CancellationToken cancellationToken) =>
        await _database.ReadAsync(connection => LoadAttempt(connection, job, attempt), cancellationToken);

    public async ValueTask SaveAttemptAsync(AttemptRecord record, CancellationToken cancellationToken) =>
        await _database.WriteAsync(
            connection =>
            {
                if (HasAttempt(connection, record.Job, record.Attempt))
                    throw StorageError.AttemptExists(record.Job, record.Attempt);
                return connection.Execute(
                    """
                    INSERT INTO attempts (job, attempt, sealed_seed, spec_hash, policy_hash, data_root, software_version)
                    VALUES (@Job, @attempt, @sealedSeed, @SpecHash, @PolicyHash, @DataRoot, @SoftwareVersion)
                    """,
                    new
                    {
                        record.Job, attempt = (long)record.Attempt, sealedSeed = _secrets.Seal(record.Job, record.Attempt, record.RootSeed), record.SpecHash,
                        record.PolicyHash, record.DataRoot, record.SoftwareVersion,
                    });
            },
            cancellationToken);

    public ValueTask AppendOutboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken) =>
        AppendAsync(job, attempt, inbound: false, sequence, envelope, cancellationToken);

    public ValueTask AppendInboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken) =>
        AppendAsync(job, attempt, inbound: true, sequence, envelope, cancellationToken);

    public ValueTask<Envelope?> ReadOutboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
        ReadAsync(job, attempt, inbound: false, sequence, cancellationToken);

    public ValueTask<Envelope?> ReadInboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
        ReadAsync(job, attempt, inbound: true, sequence, cancellationToken);

    public Task<int> PruneAsync(long endedBeforeUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                // A few at a time: each takes its envelopes with it, and other writes wait meanwhile.
                List<string> jobs = connection.Query<string>(
                    """
                    SELECT job FROM jobs WHERE ended_ms > 0 AND ended_ms < @endedBeforeUnixMs
                    AND EXISTS (SELECT 1 FROM attempts WHERE attempts.job = jobs.job) LIMIT 4
                    """,
                    new { endedBeforeUnixMs }).AsList();
                foreach (string job in jobs)
                {
                    connection.Execute("DELETE FROM messages WHERE job = @job", new { job });
                    connection.Execute("DELETE FROM attempts WHERE job = @job", new { job });
                }

                return jobs.Count;
            },
            cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _secrets.Dispose();
        GC.SuppressFinalize(this);
    }

    private async ValueTask AppendAsync(string job, uint attempt, bool inbound, ulong sequence, Envelope envelope, CancellationToken cancellationToken)
    {
        long number = checked((long)sequence);
        byte[] core = Bytes(envelope.Core);
        byte[] attestation = Bytes(envelope.Attestation);
        byte[] payload = Bytes(envelope.Payload);
        await _database.WriteAsync(
            connection =>
            {
                var key = new { job, attempt = (long)attempt, inbound = inbound ? 1 : 0, number };
                byte[]? kept = connection.QuerySingleOrDefault<byte[]>(
                    "SELECT core FROM messages WHERE job = @job AND attempt = @attempt AND inbound = @inbound AND sequence = @number", key);
                if (kept is not null)
                {
                    // A caller who did not hear the result of the first append may repeat it; another envelope may not take its place.
                    return kept.AsSpan().SequenceEqual(core) ? 0 : throw StorageError.Rewritten(job, attempt, sequence);
                }

                long next = connection.ExecuteScalar<long?>(
                    "SELECT MAX(sequence) + 1 FROM messages WHERE job = @job AND attempt = @attempt AND inbound = @inbound", key) ?? 0;
                if (number != next)
                    throw StorageError.JournalGap(job, attempt, sequence, next);
                if (next == 0 && !HasAttempt(connection, job, attempt))
                    throw StorageError.UnknownAttempt(job, attempt);
                return connection.Execute(
                    """
                    INSERT INTO messages (job, attempt, inbound, sequence, core, attestation, payload)
                    VALUES (@job, @attempt, @inbound, @number, @core, @attestation, @payload)
                    """,
                    new { key.job, key.attempt, key.inbound, key.number, core, attestation, payload });
            },
            cancellationToken);
    }

    private async ValueTask<Envelope?> ReadAsync(string job, uint attempt, bool inbound, ulong sequence, CancellationToken cancellationToken)
    {
        MessageRow? row = await _database.ReadAsync(
            connection => connection.QuerySingleOrDefault<MessageRow>(
                """
                SELECT core AS Core, attestation AS Attestation, payload AS Payload FROM messages
                WHERE job = @job AND attempt = @attempt AND inbound = @inbound AND sequence = @number
                """,
                new { job, attempt = (long)attempt, inbound = inbound ? 1 : 0, number = checked((long)sequence) }),
            cancellationToken);
        return row is null
            ? null
            : new Envelope
            {
                Core = UnsafeByteOperations.UnsafeWrap(row.Core),
                Attestation = UnsafeByteOperations.UnsafeWrap(row.Attestation),
                Payload = UnsafeByteOperations.UnsafeWrap(row.Payload),
            };
    }

    /// <summary>Opens a store's database; the key is checked against the seeds in it, and disposed of if it cannot be opened.</summary>
    private protected static T Open<T>(SecretsKey secrets, Func<Action<DbConnection, string>, T> open)
    {
        ArgumentNullException.ThrowIfNull(secrets);
        try
        {
            return open((connection, store) => RequireKey(connection, secrets, store));
        }
        catch
        {
            secrets.Dispose();
            throw;
        }
    }

    /// <summary>A key that is not the store's is found at the start, not when a job resumes.</summary>
    private static void RequireKey(DbConnection connection, SecretsKey secrets, string store)
    {
        byte[]? check = connection.QuerySingleOrDefault<byte[]>("SELECT sealed FROM secrets_check WHERE id = 1");
        if (check is null)
            connection.Execute("INSERT INTO secrets_check (id, sealed) VALUES (1, @sealed)", new { @sealed = secrets.Seal("", 0, []) });
        else if (secrets.TryOpen("", 0, check) is null)
            throw StorageError.WrongSecretsKey(store);
    }

    private static bool HasAttempt(DbConnection connection, string job, uint attempt) =>
        connection.ExecuteScalar<long>("SELECT COUNT(*) FROM attempts WHERE job = @job AND attempt = @attempt", new { job, attempt = (long)attempt }) > 0;

    private AttemptRecord? LoadAttempt(DbConnection connection, string job, uint attempt)
    {
        AttemptRow? row = connection.QuerySingleOrDefault<AttemptRow>(
            """
            SELECT sealed_seed AS SealedSeed, spec_hash AS SpecHash, policy_hash AS PolicyHash, data_root AS DataRoot, software_version AS SoftwareVersion
            FROM attempts WHERE job = @job AND attempt = @attempt
            """,
            new { job, attempt = (long)attempt });
        if (row is null)
            return null;
        byte[] seed = _secrets.TryOpen(job, attempt, row.SealedSeed) ?? throw StorageError.SeedDamaged(job, attempt);
        return new AttemptRecord(job, attempt, seed, row.SpecHash, row.PolicyHash, row.DataRoot, row.SoftwareVersion);
    }

    private static void SetState(DbConnection connection, string job, JobState state, JobError? error, long nowUnixMs)
    {
        bool ended = state is not (JobState.Offered or JobState.Running);
        connection.Execute(
            """
            UPDATE jobs SET state = @state, accepted_ms = CASE WHEN accepted_ms = 0 AND @state = @running THEN @nowUnixMs ELSE accepted_ms END,
                ended_ms = @endedMs, error_code = @Code, error_party = @Party, error_step = @Step, error_message = @Message
            WHERE job = @job AND state IN (@offered, @running)
            """,
            new
            {
                job, state = (int)state, nowUnixMs, endedMs = ended ? nowUnixMs : 0, error?.Code, error?.Party, error?.Step, error?.Message,
                offered = (int)JobState.Offered, running = (int)JobState.Running,
            });
    }

    private static PartyJob? Find(DbConnection connection, string job) =>
        connection.QuerySingleOrDefault<PartyJobRow>($"SELECT {PartyJobRow.Columns} FROM jobs WHERE job = @job", new { job })?.ToRecord();

    /// <summary>The bytes without a copy where the string owns a whole array.</summary>
    private static byte[] Bytes(ByteString value) =>
        MemoryMarshal.TryGetArray(value.Memory, out ArraySegment<byte> segment) && segment.Offset == 0 && segment.Count == segment.Array!.Length
            ? segment.Array
            : value.ToByteArray();
}
