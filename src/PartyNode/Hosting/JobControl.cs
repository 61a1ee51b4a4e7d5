using System.Collections.Concurrent;
using System.Text;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Control;
using VertFed.PartyNode.Policies;
using VertFed.PartyNode.Rounds;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Hosting;

/// <summary>What the operator can see and say of the jobs of a running node.</summary>
/// <param name="entries">The jobs that the node has in hand; a decision reaches a waiting one at once.</param>
internal sealed class JobControl(
    PartyConfig config, IPartyStore store, ConcurrentDictionary<string, JobEntry> entries, NodeLog log, TimeProvider time) : IJobControl
{
    public async Task<IReadOnlyList<NodeJob>> ListJobsAsync(int limit, bool held, CancellationToken cancellationToken)
    {
        IReadOnlyList<PartyJob> jobs = held
            ? [.. (await store.ListHeldAsync(cancellationToken)).Reverse().Take(limit)]
            : await store.ListJobsAsync(limit, before: null, cancellationToken);
        List<NodeJob> shown = [];
        foreach (PartyJob job in jobs)
        {
            shown.Add(await ToMessageAsync(job, cancellationToken));
        }

        return shown;
    }

    public async Task<NodeJob?> ShowJobAsync(string job, CancellationToken cancellationToken)
    {
        if (await store.FindJobAsync(job, cancellationToken) is not { } known)
        {
            return null;
        }

        NodeJob shown = await ToMessageAsync(known, cancellationToken);
        string file = Path.Combine(config.DataDirectory, "jobs", job, PreflightReport.FileName);
        shown.Preflight = File.Exists(file) ? await File.ReadAllTextAsync(file, Encoding.UTF8, cancellationToken) : "";
        return shown;
    }

    public async Task<NodeJob?> DecideAsync(string job, bool approved, string reason, CancellationToken cancellationToken)
    {
        if (await store.FindJobAsync(job, cancellationToken) is not { } known)
        {
            return null;
        }

        OperatorDecision? decision = await store.FindDecisionAsync(job, known.Attempt, cancellationToken);
        if (decision is null)
        {
            RequireHeld(known);
            decision = (await store.RecordDecisionAsync(job, known.Attempt, approved, reason, Now(), cancellationToken))!;
            log.Decided(job, decision.IsApproved);
        }

        if (decision.IsApproved != approved)
        {
            throw Wrong($"the job was {(decision.IsApproved ? "approved" : "refused")} before, and a decision stays");
        }

        if (entries.TryGetValue(job, out JobEntry? entry))
        {
            entry.Decide(decision);
        }

        return await ToMessageAsync(known, cancellationToken);
    }

    public Task<NodePrivacy> ShowPrivacyAsync(CancellationToken cancellationToken) => PrivacyDesk.DescribeAsync(config.Policy, store, cancellationToken);

    private void RequireHeld(PartyJob job)
    {
        if (job.State != JobState.Offered)
        {
            throw Wrong($"the job does not wait for approval: it is {job.State.ToString().ToLowerInvariant()}");
        }

        if (job.HeldUnixMs == 0)
        {
            throw Wrong("the job does not wait for approval");
        }

        if (DecideBefore(job) <= Now())
        {
            throw Wrong("the time for approval is over");
        }
    }

    private async Task<NodeJob> ToMessageAsync(PartyJob job, CancellationToken cancellationToken)
    {
        SignedJob signed = SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(job.SignedSpec));
        JobSpecification specification = signed.Specification;
        OperatorDecision? decision = job.HeldUnixMs > 0 ? await store.FindDecisionAsync(job.Job, job.Attempt, cancellationToken) : null;
        NodeJob message = new()
        {
            Job = job.Job,
            Title = specification.Title,
            Kind = specification.Kind,
            Purpose = specification.Purpose,
            Peer = JobParties.PeerNames(specification, config),
            Submitter = signed.Submitter.Fingerprint,
            State = job.State,
            ReceivedUnixMs = job.ReceivedUnixMs,
            EndedUnixMs = job.EndedUnixMs,
            Error = job.Error,
            HeldUnixMs = job.HeldUnixMs,
            DecideBeforeUnixMs = job.HeldUnixMs > 0 && job.State == JobState.Offered && decision is null ? DecideBefore(job) : 0,
            Reason = decision?.Reason ?? "",
        };
        if (decision is not null)
        {
            message.Approved = decision.IsApproved;
        }

        return message;
    }

    private long DecideBefore(PartyJob job) =>
        DateTimeOffset.FromUnixTimeMilliseconds(job.HeldUnixMs).AddHours(config.Policy.ApprovalHours).ToUnixTimeMilliseconds();

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();

    private static VertFedException Wrong(string what) => new(ErrorCode.Usage, what);
}
