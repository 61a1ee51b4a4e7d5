using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.UnitTests.Recovery;

/// <summary>A party's store in which an attempt that is not recorded yet begins with a given record, so that two runs draw the same root seed.</summary>
internal sealed class SeededStore(IPartyStore inner, AttemptRecord? given) : IPartyStore
{
    public async ValueTask<AttemptRecord?> LoadAttemptAsync(string job, uint attempt, CancellationToken cancellationToken)
    {
        AttemptRecord? known = await inner.LoadAttemptAsync(job, attempt, cancellationToken);
        if (known is not null || given is null || given.Job != job)
        {
            return known;
        }

        await inner.SaveAttemptAsync(given, cancellationToken);
        return given;
    }

    public ValueTask SaveAttemptAsync(AttemptRecord record, CancellationToken cancellationToken) => inner.SaveAttemptAsync(record, cancellationToken);

    public ValueTask AppendOutboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken) =>
        inner.AppendOutboundAsync(job, attempt, sequence, envelope, cancellationToken);

    public ValueTask AppendInboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken) =>
        inner.AppendInboundAsync(job, attempt, sequence, envelope, cancellationToken);

    public ValueTask<Envelope?> ReadOutboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
        inner.ReadOutboundAsync(job, attempt, sequence, cancellationToken);

    public ValueTask<Envelope?> ReadInboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
        inner.ReadInboundAsync(job, attempt, sequence, cancellationToken);

    public Task<PartyJob> AddJobAsync(PartyJob job, CancellationToken cancellationToken) => inner.AddJobAsync(job, cancellationToken);

    public Task<PartyJob?> FindJobAsync(string job, CancellationToken cancellationToken) => inner.FindJobAsync(job, cancellationToken);

    public Task<IReadOnlyList<PartyJob>> ListJobsAsync(int limit, long? before, CancellationToken cancellationToken) =>
        inner.ListJobsAsync(limit, before, cancellationToken);

    public Task<PartyJob?> SetStateAsync(string job, JobState state, JobError? error, long nowUnixMs, CancellationToken cancellationToken) =>
        inner.SetStateAsync(job, state, error, nowUnixMs, cancellationToken);

    public Task<PartyJob?> SaveResultAsync(string job, uint attempt, PartyResult result, CancellationToken cancellationToken) =>
        inner.SaveResultAsync(job, attempt, result, cancellationToken);

    public Task<int> PruneAsync(long endedBeforeUnixMs, CancellationToken cancellationToken) => inner.PruneAsync(endedBeforeUnixMs, cancellationToken);

    public Task<PartyResult?> ReadResultAsync(string job, uint attempt, CancellationToken cancellationToken) =>
        inner.ReadResultAsync(job, attempt, cancellationToken);

    public Task<IReadOnlyList<JournalEntry>> ReadEntriesAsync(
        string job, uint attempt, bool inbound, ulong from, int limit, CancellationToken cancellationToken) =>
        inner.ReadEntriesAsync(job, attempt, inbound, from, limit, cancellationToken);

    public Task<JournalEntry?> FindLastEntryAsync(string job, uint attempt, bool inbound, CancellationToken cancellationToken) =>
        inner.FindLastEntryAsync(job, attempt, inbound, cancellationToken);

    public Task SaveCheckpointAsync(CoSignedCheckpoint checkpoint, CancellationToken cancellationToken) =>
        inner.SaveCheckpointAsync(checkpoint, cancellationToken);

    public Task<IReadOnlyList<CoSignedCheckpoint>> ReadCheckpointsAsync(string job, uint attempt, CancellationToken cancellationToken) =>
        inner.ReadCheckpointsAsync(job, attempt, cancellationToken);

    public Task<int> CountJobsSinceAsync(long acceptedSinceUnixMs, CancellationToken cancellationToken) =>
        inner.CountJobsSinceAsync(acceptedSinceUnixMs, cancellationToken);

    public Task<PartyJob?> HoldJobAsync(string job, uint attempt, long nowUnixMs, CancellationToken cancellationToken) =>
        inner.HoldJobAsync(job, attempt, nowUnixMs, cancellationToken);

    public Task<IReadOnlyList<PartyJob>> ListHeldAsync(CancellationToken cancellationToken) => inner.ListHeldAsync(cancellationToken);

    public Task<OperatorDecision?> RecordDecisionAsync(
        string job, uint attempt, bool isApproved, string reason, long nowUnixMs, CancellationToken cancellationToken) =>
        inner.RecordDecisionAsync(job, attempt, isApproved, reason, nowUnixMs, cancellationToken);

    public Task<OperatorDecision?> FindDecisionAsync(string job, uint attempt, CancellationToken cancellationToken) =>
        inner.FindDecisionAsync(job, attempt, cancellationToken);

    public Task<IReadOnlyList<StoredModel>> ListModelsAsync(int limit, long? before, CancellationToken cancellationToken) =>
        inner.ListModelsAsync(limit, before, cancellationToken);

    public Task<StoredModel?> FindModelAsync(string job, CancellationToken cancellationToken) => inner.FindModelAsync(job, cancellationToken);

    public Task<StoredModel?> SetModelStateAsync(string job, ModelState state, CancellationToken cancellationToken) =>
        inner.SetModelStateAsync(job, state, cancellationToken);

    public Task ErasePayloadsAsync(string job, uint attempt, bool inbound, IReadOnlyList<ulong> sequences, CancellationToken cancellationToken) =>
        inner.ErasePayloadsAsync(job, attempt, inbound, sequences, cancellationToken);

    public Task<StoredModel?> BindModelAsync(string job, byte[] transcriptRoot, CancellationToken cancellationToken) =>
        inner.BindModelAsync(job, transcriptRoot, cancellationToken);

    public Task PlanPrivacyAsync(string job, string dataset, PrivacyLevel level, IReadOnlyList<double> planned, long nowUnixMs, CancellationToken cancellationToken) =>
        inner.PlanPrivacyAsync(job, dataset, level, planned, nowUnixMs, cancellationToken);

    public Task<PrivacySpending> SpendPrivacyAsync(string job, uint round, IReadOnlyList<double> cost, long nowUnixMs, CancellationToken cancellationToken) =>
        inner.SpendPrivacyAsync(job, round, cost, nowUnixMs, cancellationToken);

    public Task<IReadOnlyList<PrivacySpending>> ListPrivacyAsync(CancellationToken cancellationToken) => inner.ListPrivacyAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
