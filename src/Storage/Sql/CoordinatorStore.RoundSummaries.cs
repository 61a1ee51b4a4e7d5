using Dapper;
using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <content>What horizontal jobs carry from round to round, and the summaries of their rounds.</content>
public abstract partial class CoordinatorStore
{
    public Task SaveRoundCheckpointAsync(string job, RoundCheckpoint checkpoint, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            connection =>
            {
                RoundCheckpoint carried = checkpoint.Clone();
                carried.Summaries.Clear();
                connection.Execute(
                    "UPDATE round_jobs SET round_checkpoint = @carried, rounds_done = @rounds, bytes = bytes + @more WHERE job = @job",
                    new { job, carried = carried.ToByteArray(), rounds = (long)checkpoint.Rounds, more = (long)BytesOf(checkpoint.Summaries) });
                return connection.Execute(
                    "INSERT INTO round_summaries (job, round, summary) VALUES (@job, @round, @summary) ON CONFLICT (job, round) DO NOTHING",
                    checkpoint.Summaries.Select(summary => new { job, round = (long)summary.Round, summary = summary.ToByteArray() }));
            },
            cancellationToken);

    public Task<IReadOnlyList<RoundSummary>> ReadRoundSummariesAsync(string job, CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<RoundSummary>>(
            connection =>
            {
                byte[]? older = connection.QueryFirstOrDefault<byte[]>("SELECT round_checkpoint FROM round_jobs WHERE job = @job AND rounds_done IS NULL", new { job });
                return older is null
                    ? [.. connection.Query<byte[]>("SELECT summary FROM round_summaries WHERE job = @job ORDER BY round", new { job }).Select(RoundSummary.Parser.ParseFrom)]
                    : [.. RoundCheckpoint.Parser.ParseFrom(older).Summaries];
            },
            cancellationToken);

    private static ulong BytesOf(IEnumerable<RoundSummary> summaries) => summaries.Aggregate(0UL, (sum, round) => sum + round.BytesUp + round.BytesDown);
}
