using System.Data.Common;
using Dapper;
using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <content>Jobs that wait for the operator, and the day's count.</content>
public abstract partial class PartyStore
{
    public Task<int> CountJobsSinceAsync(long acceptedSinceUnixMs, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            connection => connection.ExecuteScalar<int>(
                "SELECT COUNT(*) FROM jobs WHERE accepted_ms > 0 AND accepted_ms >= @acceptedSinceUnixMs", new { acceptedSinceUnixMs }),
            cancellationToken);

    public Task<PartyJob?> HoldJobAsync(string job, uint attempt, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                connection.Execute(
                    "UPDATE jobs SET held_ms = @nowUnixMs WHERE job = @job AND attempt = @attempt AND state = @offered AND held_ms = 0",
                    new { job, attempt = (long)attempt, nowUnixMs, offered = (int)JobState.Offered });
                return Find(connection, job) is { } held && held.Attempt == attempt ? held : null;
            },
            cancellationToken);

    public Task<IReadOnlyList<PartyJob>> ListHeldAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<PartyJob>>(
            connection => connection.Query<PartyJobRow>(
                    $"""
                    SELECT {PartyJobRow.Columns} FROM jobs
                    WHERE state = @offered AND held_ms > 0
                      AND NOT EXISTS (SELECT 1 FROM decisions AS d WHERE d.job = jobs.job AND d.attempt = jobs.attempt)
                    ORDER BY ordinal
                    """,
                    new { offered = (int)JobState.Offered })
                .Select(row => row.ToRecord())
                .ToList(),
            cancellationToken);

    public Task<OperatorDecision?> RecordDecisionAsync(
        string job, uint attempt, bool isApproved, string reason, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                if (Find(connection, job) is not { } known || known.Attempt != attempt)
                    return null;
                connection.Execute(
                    """
                    INSERT INTO decisions (job, attempt, approved, reason, decided_ms) VALUES (@job, @attempt, @approved, @reason, @nowUnixMs)
                    ON CONFLICT (job, attempt) DO NOTHING
                    """,
                    new { job, attempt = (long)attempt, approved = isApproved ? 1 : 0, reason, nowUnixMs });
                return Decision(connection, job, attempt);
            },
            cancellationToken);

    public Task<OperatorDecision?> FindDecisionAsync(string job, uint attempt, CancellationToken cancellationToken) =>
        _database.ReadAsync(connection => Decision(connection, job, attempt), cancellationToken);

    private static OperatorDecision? Decision(DbConnection connection, string job, uint attempt) =>
        connection.QuerySingleOrDefault<DecisionRow>(
            "SELECT approved AS Approved, reason AS Reason, decided_ms AS DecidedMs FROM decisions WHERE job = @job AND attempt = @attempt",
            new { job, attempt = (long)attempt }) is { } row
            ? new OperatorDecision(job, attempt, row.Approved != 0, row.Reason, row.DecidedMs)
            : null;

    private sealed class DecisionRow
    {
        public long Approved { get; set; }

        public string Reason { get; set; } = "";

        public long DecidedMs { get; set; }
    }
}
