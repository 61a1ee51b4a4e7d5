using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Reporting;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.DiffieHellman;
using VertFed.Psi.Ids;
using VertFed.Vertical;

namespace VertFed.PartyNode.Sessions;

/// <summary>
/// One attempt of a job at this party, from the first envelope to the last: session keys, alignment, own rules, training and
/// evaluation, close. Run again over the same journal after a crash, it comes to the same messages and goes on from there.
/// </summary>
/// <param name="journal">The party's record, or a transcript to replay.</param>
/// <param name="history">Earlier intersections; null where the run must neither see nor leave any, as under replay.</param>
internal sealed class SessionRunner(
    PartyConfig config, Identity identity, IJournal journal, IntersectionHistory? history, ProgressWriter progress, NodeLog log)
{
    /// <summary>The clock of attestations and deadlines.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>What role code sees of the channel; tests put a party that cheats between.</summary>
    internal Func<SealedChannel, PreparedInput, IChannel> Conduct { get; init; } = (channel, _) => channel;

    /// <summary>Runs to the end; what was learned on the way is in the record, also when this throws.</summary>
    /// <param name="dataRoot">What the attempt's randomness is bound to; of the input as it is now, or as it was recorded.</param>
    public async Task RunAsync(
        SignedJob job,
        uint attempt,
        PreparedInput input,
        byte[] dataRoot,
        SessionRecord record,
        IEnvelopeTransport transport,
        CancellationToken cancellationToken)
    {
        JobSpecification specification = job.Specification;
        SealedChannelOptions options = new()
        {
            Job = job,
            Attempt = attempt,
            Self = config.Role,
            Identity = identity,
            PolicyHash = config.Policy.Hash(),
            DataRoot = dataRoot,
            CommitToRows = salts => RowCommitment.Of(input.Table, salts),
            Time = Time,
        };
        Begin(Phase.Session, record, specification.Job);
        using SealedChannel channel = await SealedChannel.OpenAsync(options, transport, journal, cancellationToken);
        IChannel conduct = Conduct(channel, input);
        VerticalInput aligned = await AlignAsync(channel, conduct, input, record, cancellationToken);
        Observer observer = new(this, record, channel);
        ResultValues own;
        try
        {
            if (input.Model is { } model)
            {
                record.Score = await new Scorer(conduct, model.Half, model.Identity, specification, observer)
                    .RunAsync(aligned.Features, aligned.IsTest.Length, cancellationToken);
                own = Results.Of(record.Score, model.Half.Encode(config.Role == Role.LabelParty), record.AlignedIdsHash!);
            }
            else
            {
                record.Result = await TrainAsync(conduct, aligned, specification, observer, cancellationToken);
                own = Results.Of(record.Result, record.AlignedIdsHash!);
            }
        }
        finally
        {
            record.TrainBytes = channel.Statistics.BytesOf(Phase.Train);
            record.EvaluateBytes = channel.Statistics.BytesOf(Phase.Evaluate);
            record.Disclosures.AddRange(channel.Disclosures);
        }

        Begin(Phase.Close, record, specification.Job);
        record.Close = await channel.CloseAsync(own, cancellationToken);
        record.Begin(Phase.Unspecified);
    }

    private Task<VerticalResult> TrainAsync(
        IChannel channel, VerticalInput aligned, JobSpecification specification, Observer observer, CancellationToken cancellationToken) =>
        config.Role == Role.LabelParty
            ? new LabelParty(channel, aligned, specification, observer).RunAsync(cancellationToken)
            : new FeatureParty(channel, aligned, specification, observer).RunAsync(cancellationToken);

    private async Task<VerticalInput> AlignAsync(
        SealedChannel channel, IChannel conduct, PreparedInput input, SessionRecord record, CancellationToken cancellationToken)
    {
        JobSpecification specification = channel.Specification;
        string job = specification.Job;
        string peer = specification.Party(channel.Peer).Name;
        Begin(Phase.Align, record, job);
        Alignment alignment = await new PsiParty(conduct).AlignAsync(
            input.Ids.Ids, new StepProgress(progress, job), cancellationToken);
        record.Begin(Phase.Unspecified);
        string[] ids = Array.ConvertAll(alignment.Rows, row => input.Ids.Ids[row]);
        record.AlignedIdsHash = AlignedRows.Sha256(ids);
        record.Align = new AlignPart(
            alignment.OwnCount,
            alignment.PeerCount,
            ids.Length,
            config.Policy.ReportIntersectionSha256 ? Convert.ToHexStringLower(record.AlignedIdsHash) : null,
            record.SecondsOf(Phase.Align),
            channel.Statistics.BytesOf(Phase.Align));
        record.Disclosures.AddRange(
        [
            new Disclosure(config.Name, $"{peer}'s number of rows", 1, nameof(Step.BlindedIds)),
            new Disclosure(config.Name, $"which of its own rows {peer} has too", ids.Length, nameof(Step.EvaluatedIds)),
            new Disclosure("coordinator", "both parties' numbers of rows, from envelope sizes", 2, nameof(Step.BlindedIds)),
        ]);
        progress.Aligned(job, alignment.OwnCount, alignment.PeerCount, ids.Length);
        if (ids.Length == 0)
        {
            throw new VertFedException(
                ErrorCode.BadInput, $"no overlap: none of the ids in {input.Table.Source} is among those of '{peer}' (check the id column and the normalisation)")
            {
                ForOthers = "no overlap: the parties have no id in common (check the id columns and the normalisation)",
            };
        }

        HoldoutRule holdout = new(specification.Holdout);
        bool[] isTest = Array.ConvertAll(ids, holdout.IsTest);
        int[] rows = Array.ConvertAll(alignment.Rows, row => input.Ids.SourceRows[row]);
        record.AlignedRows = rows;
        VerticalInput aligned;
        if (input.Model is { } model)
        {
            (aligned, record.Unseen) = AlignedRows.TakeAs(input.Table, rows, isTest, model.Encoder);
            if (PolicyGuards.UnseenLevels(config, record.Unseen) is { } warning)
            {
                record.Guards = [.. record.Guards, warning];
                record.Disclosures.Add(new Disclosure("submitter", $"how many cells of {config.Name}'s shared rows its half of the model has no column for", 1, nameof(Step.EvaluatedIds)));
            }
        }
        else
        {
            (aligned, record.Encoder, record.Unseen) = AlignedRows.Take(input.Table, rows, isTest, input.Dataset);
        }

        Judge(specification, input, aligned, ids, peer, record);
        return aligned;
    }

    /// <summary>Applies the policy's rules on the alignment; only what they are content with is kept for later comparisons.</summary>
    private void Judge(JobSpecification specification, PreparedInput input, VerticalInput aligned, string[] ids, string peer, SessionRecord record)
    {
        // The label party gets each customer's score, so a second score job over nearly the same customers tells it nothing more about one.
        IntersectionHistory? kept = specification.Kind == JobKind.Train ? history : null;
        ulong[] hashes = kept?.Hash(ids) ?? [];
        lock (kept?.Gate ?? new Lock())
        {
            IReadOnlyList<Guard> guards = PolicyGuards.Evaluate(
                config, specification, aligned, kept?.SmallestDifference(peer, specification.Job, hashes));
            record.Guards = [.. record.Guards, .. guards];
            PolicyGuards.Require(guards, config.Name);
            if (specification.Kind == JobKind.Train)
            {
                AlignedRows.RequireVariation(aligned, input.Table, specification.Family);
            }

            kept?.Add(peer, specification.Job, hashes);
        }
    }

    private void Begin(Phase phase, SessionRecord record, string job)
    {
        record.Begin(phase);
        progress.PhaseStarted(job, phase);
        log.PhaseStarted(job, phase);
    }

    private sealed class Observer(SessionRunner runner, SessionRecord record, SealedChannel channel) : IVerticalObserver
    {
        public void PhaseStarted(Phase phase) => runner.Begin(phase, record, channel.Specification.Job);

        public void IterationFinished(IterationProgress iteration) => runner.ReportIteration(
            channel.Specification.Job, iteration, channel.Statistics.BytesOf(Phase.Train));
    }

    private sealed class StepProgress(ProgressWriter progress, string job) : IProgress<AlignmentProgress>
    {
        public void Report(AlignmentProgress value) => progress.Progress(job, value.Step, value.Done, value.Total);
    }

    private void ReportIteration(string job, IterationProgress iteration, long bytes) => progress.Iteration(job, iteration, bytes);
}
