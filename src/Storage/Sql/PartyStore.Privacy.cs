using System.Buffers.Binary;
using System.Data.Common;
using Dapper;
using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <content>The privacy account of horizontal jobs.</content>
public abstract partial class PartyStore
{
    public Task PlanPrivacyAsync(string job, string dataset, PrivacyLevel level, IReadOnlyList<double> planned, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection => connection.Execute(
                """
                INSERT INTO privacy (job, dataset, level, planned, spent, rounds, last_round, updated_ms) VALUES (@job, @dataset, @level, @planned, @spent, 0, 0, @nowUnixMs)
                ON CONFLICT (job) DO UPDATE SET planned = excluded.planned, updated_ms = excluded.updated_ms
                """,
                new { job, dataset, level = (int)level, planned = Pack(planned), spent = Pack(new double[planned.Count]), nowUnixMs }),
            cancellationToken);

    public Task<PrivacySpending> SpendPrivacyAsync(string job, uint round, IReadOnlyList<double> cost, long nowUnixMs, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                PrivacySpending known = Privacy(connection, job).SingleOrDefault() ?? throw StorageError.NoPrivacyPlan(job);
                if (round <= known.LastRound)
                    return known;
                if (cost.Count != known.Spent.Length)
                    throw StorageError.OtherPrivacyOrders(job);
                double[] spent = [.. known.Spent.Zip(cost, (before, added) => before + added)];
                connection.Execute(
                    "UPDATE privacy SET spent = @spent, rounds = rounds + 1, last_round = @round, updated_ms = @nowUnixMs WHERE job = @job",
                    new { job, spent = Pack(spent), round = (long)round, nowUnixMs });
                return known with { Spent = spent, Rounds = known.Rounds + 1, LastRound = round, UpdatedUnixMs = nowUnixMs };
            },
            cancellationToken);

    public Task<IReadOnlyList<PrivacySpending>> ListPrivacyAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<PrivacySpending>>(connection => Privacy(connection, job: null), cancellationToken);

    private static List<PrivacySpending> Privacy(DbConnection connection, string? job) =>
        connection.Query<PrivacyRow>(
                $"""
                SELECT p.job AS Job, p.dataset AS Dataset, p.level AS Level, j.state AS State, p.planned AS Planned, p.spent AS Spent,
                       p.rounds AS Rounds, p.last_round AS LastRound, p.updated_ms AS UpdatedMs
                FROM privacy AS p JOIN jobs AS j ON j.job = p.job {(job is null ? "" : "WHERE p.job = @job")} ORDER BY j.ordinal
                """,
                new { job })
            .Select(row => row.ToRecord())
            .ToList();

    // 8 bytes each, little-endian.
    private static byte[] Pack(IReadOnlyList<double> values)
    {
        byte[] bytes = new byte[sizeof(double) * values.Count];
        for (int i = 0; i < values.Count; i++)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(sizeof(double) * i), values[i]);
        }

        return bytes;
    }

    private static double[] Unpack(byte[] bytes)
    {
        double[] values = new double[bytes.Length / sizeof(double)];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = BinaryPrimitives.ReadDoubleLittleEndian(bytes.AsSpan(sizeof(double) * i));
        }

        return values;
    }

    private sealed class PrivacyRow
    {
        public string Job { get; set; } = "";

        public string Dataset { get; set; } = "";

        public long Level { get; set; }

        public long State { get; set; }

        public byte[] Planned { get; set; } = [];

        public byte[] Spent { get; set; } = [];

        public long Rounds { get; set; }

        public long LastRound { get; set; }

        public long UpdatedMs { get; set; }

        public PrivacySpending ToRecord() => new(
            Job, Dataset, (PrivacyLevel)Level, (JobState)State is JobState.Offered or JobState.Running, Unpack(Planned), Unpack(Spent),
            checked((uint)Rounds), checked((uint)LastRound), UpdatedMs);
    }
}
