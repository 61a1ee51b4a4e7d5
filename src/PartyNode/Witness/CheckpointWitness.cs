using System.Globalization;
using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Relay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.PartyNode.Witness;

/// <summary>
/// Answers the coordinator's checkpoints: waits until the own record has the phase, judges, makes the checkpoint durable and co-signs; or
/// refuses, says why, and ends the job if it still runs. Proposals of one job are answered one after the other; jobs do not wait
/// for each other, and no job waits for its checkpoints.
/// </summary>
internal sealed class CheckpointWitness(
    PartyConfig config, NodeKeys keys, IPartyStore store, WatchedJournal journal, RelayClient relay, NodeLog log, TimeProvider time,
    Action<string, VertFedException> endJob) : IDisposable
{
    private const int MaxWaiting = 1024;
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Task> _tails = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private int _waiting;

    /// <summary>Takes a proposal. Never blocks; beyond a bound it is dropped, and comes again with the next connection.</summary>
    public void Take(CheckpointEvent proposed)
    {
        string job = proposed.Proposal.Job;
        lock (_gate)
        {
            if (_waiting >= MaxWaiting || _stop.IsCancellationRequested)
            {
                log.CheckpointDropped(job);
                return;
            }

            foreach (string done in _tails.Where(tail => tail.Value.IsCompleted).Select(tail => tail.Key).ToArray())
            {
                _tails.Remove(done);
            }

            _waiting++;
            Task tail = _tails.GetValueOrDefault(job, Task.CompletedTask);
            _tails[job] = Task.Run(() => AnswerAfterAsync(tail, proposed));
        }
    }

    /// <summary>Completes when all that was proposed so far is answered.</summary>
    public Task IdleAsync()
    {
        lock (_gate)
        {
            return Task.WhenAll(_tails.Values);
        }
    }

    /// <summary>Gives up what is not answered yet; the coordinator proposes it again.</summary>
    public async Task StopAsync()
    {
        Task idle;
        lock (_gate)
        {
            _stop.Cancel();
            idle = Task.WhenAll(_tails.Values);
        }

        await idle;
    }

    public void Dispose() => _stop.Dispose();

    private async Task AnswerAfterAsync(Task earlier, CheckpointEvent proposed)
    {
        await earlier;
        CheckpointProposal proposal = proposed.Proposal;
        try
        {
            relay.AnswerCheckpoint(await AnswerWhenStoredAsync(proposal, proposed.Coordinator));
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Not answered: it is proposed again to the next run of this node.
        }
        catch (VertFedException error)
        {
            log.CheckpointNotAnswered(proposal.Job, proposal.Phase, error.Message);
        }
        catch (Exception error)
        {
            log.Unexpected(proposal.Job, error);
        }
        finally
        {
            lock (_gate)
            {
                _waiting--;
            }
        }
    }

    /// <summary>A store that fails now may work later: the coordinator asks only once a connection, so this party tries again by itself.</summary>
    private async Task<CheckpointAnswer> AnswerWhenStoredAsync(CheckpointProposal proposal, CheckpointVerifier coordinator)
    {
        while (true)
        {
            try
            {
                return await AnswerAsync(proposal, coordinator, _stop.Token);
            }
            catch (VertFedException error) when (error.Code == ErrorCode.Storage)
            {
                log.CheckpointNotAnswered(proposal.Job, proposal.Phase, error.Message);
                await Task.Delay(Retry, time, _stop.Token);
            }
        }
    }

    private async Task<CheckpointAnswer> AnswerAsync(CheckpointProposal proposal, CheckpointVerifier coordinator, CancellationToken cancellationToken)
    {
        string id = proposal.Job;
        CheckpointAnswer answer = new() { Job = id, Attempt = proposal.Attempt, Phase = proposal.Phase };
        PartyJob? job = EnvelopeCodec.IsJobId(id) ? await store.FindJobAsync(id, cancellationToken) : null;
        if (job is null || job.Attempt != proposal.Attempt)
        {
            return Refuse(answer, "this party has no record of the job");
        }

        if (!config.Policy.CoSign)
        {
            return Refuse(answer, "policy rule 'co_sign': this party does not co-sign");
        }

        if (await WhatIsMissingAsync(job, proposal.Phase, cancellationToken) is { } missing)
        {
            return Refuse(answer, missing);
        }

        try
        {
            PartyReference own = SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(job.SignedSpec)).Specification.Party(config.Role);
            answer.CoSignature = ByteString.CopyFrom(await CoSignAsync(proposal, coordinator, keys.For(own).Checkpoints, cancellationToken));
            log.CoSigned(id, proposal.Phase);
        }
        catch (VertFedException error) when (error.Code == ErrorCode.ProtocolViolation)
        {
            log.CheckpointRefused(id, proposal.Phase, error.Message);
            answer.Refusal = ErrorOf(error.Code, CheckpointJudge.Coordinator, error.Message);
            endJob(id, error);
        }

        return answer;
    }

    /// <summary>Judges a proposal and keeps it before its co-signature leaves. One that was co-signed before gets the same bytes.</summary>
    private async Task<byte[]> CoSignAsync(CheckpointProposal proposal, CheckpointVerifier coordinator, CheckpointSigner signer, CancellationToken cancellationToken)
    {
        IReadOnlyList<CoSignedCheckpoint> known = await store.ReadCheckpointsAsync(proposal.Job, proposal.Attempt, cancellationToken);
        if (known.FirstOrDefault(checkpoint => checkpoint.Phase == proposal.Phase) is { } same)
        {
            CheckpointJudge.RequireSame(proposal, coordinator, same);
            return same.CoSignature;
        }

        OwnRecord record = await OwnRecord.ReadAsync(store, proposal.Job, proposal.Attempt, proposal.Phase, cancellationToken);
        Checkpoint checkpoint = CheckpointJudge.Judge(proposal, coordinator, record, known);
        DateTimeOffset now = time.GetUtcNow();
        byte[] coSignature = CheckpointNotes.CoSign(proposal.Note.Span, signer, now);
        await store.SaveCheckpointAsync(
            new CoSignedCheckpoint(
                proposal.Job, proposal.Attempt, proposal.Phase, checkpoint.Size, checkpoint.RootHash, proposal.Note.ToByteArray(), coSignature,
                now.ToUnixTimeMilliseconds()),
            cancellationToken);
        return coSignature;
    }

    /// <summary>Waits until this party's own record has all of a phase, at most for the job's deadline.</summary>
    /// <returns>Why it never will, in words; null: it is all there.</returns>
    private async Task<string?> WhatIsMissingAsync(PartyJob job, Phase phase, CancellationToken cancellationToken)
    {
        TimeSpan deadline = SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(job.SignedSpec)).Specification.Deadline;
        using CancellationTokenSource late = new(deadline, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        while (true)
        {
            Task changed = journal.Changed;

            // In this order: a record that grows between the two looks is no reason to refuse.
            bool hasEnded = (await store.FindJobAsync(job.Job, cancellationToken))!.State is not (JobState.Offered or JobState.Running);
            if (await OwnRecord.IsCompleteAsync(store, job.Job, job.Attempt, phase, cancellationToken))
            {
                return null;
            }

            if (hasEnded)
            {
                return "the job has ended here, and this party's own record ends before the phase does";
            }

            try
            {
                await changed.WaitAsync(either.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return string.Create(CultureInfo.InvariantCulture, $"waited {deadline.TotalSeconds:0} s; this party's own record ends before the phase does");
            }
        }
    }

    private CheckpointAnswer Refuse(CheckpointAnswer answer, string why)
    {
        log.NotCoSigned(answer.Job, answer.Phase, why);
        answer.Refusal = ErrorOf(ErrorCode.Refused, config.Name, why);
        return answer;
    }

    private static JobError ErrorOf(ErrorCode code, string party, string message) =>
        new() { Code = code.ToString(), Party = party, Message = message };
}
