using Grpc.Core;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Rounds;
using VertFed.Coordinator.Security;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Services;

/// <summary>What analysts call, and whoever else may see a job. A job that the caller may not know of is answered as one that is not there.
/// Submitting and cancelling are signed besides.</summary>
internal sealed class JobEndpoint(JobHub hub, RoundHub rounds, DryRuns dryRuns, TimeProvider time, WatchGate watchers, IHostApplicationLifetime lifetime) : JobService.JobServiceBase
{
    private const int MaxTokenLength = 64;
    private static readonly TimeSpan Coalesce = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a watch that saw the job running keeps its end back for the co-signatures that follow it.</summary>
    private static readonly TimeSpan CoSigning = TimeSpan.FromSeconds(5);

    public override async Task<JobStatus> Submit(SubmitRequest request, ServerCallContext context) =>
        RoundHub.IsHorizontal(Required(request.Job))
            ? rounds.Describe(await rounds.SubmitAsync(request.Job, ClientToken(request.ClientToken), Caller.Of(context), context.CancellationToken))
            : hub.Describe(await hub.SubmitAsync(request.Job, ClientToken(request.ClientToken), Caller.Of(context), context.CancellationToken));

    public override async Task<DryRunResponse> DryRun(DryRunRequest request, ServerCallContext context)
    {
        Caller caller = Caller.Of(context);
        SignedJob job = hub.Check(Required(request.Job), caller);
        await caller.AllowedAsync(job.Specification.Job);
        return await dryRuns.AskAsync(job, caller.Name, context.CancellationToken);
    }

    public override async Task<JobStatus> Get(GetJobRequest request, ServerCallContext context) =>
        await rounds.FindAsync(request.Job, Caller.Of(context), context.CancellationToken) is { } horizontal
            ? rounds.Describe(horizontal)
            : hub.Describe(await FindAsync(request.Job, Caller.Of(context), context.CancellationToken));

    public override Task<ListJobsResponse> List(ListJobsRequest request, ServerCallContext context) =>
        JobPages.ReadAsync(hub, rounds, Caller.Of(context), FilterOf(request), request, context.CancellationToken);

    public override async Task<ListModelsResponse> ListModels(ListModelsRequest request, ServerCallContext context)
    {
        PageRequest asked = PageRequest.Read(request.PageSize, request.PageToken);
        (string? submitter, string? party) = Conditions(request.Submitter, request.Party);
        ModelPage page = await hub.Store.ListModelsAsync(
            asked.Size, asked.Before, new ModelFilter(submitter, party) { Sight = Caller.Of(context).Sight }, context.CancellationToken);
        return new ListModelsResponse { Models = { page.Models.Select(ModelMapper.ToMessage) }, NextPageToken = PageRequest.Token(page.Before) };
    }

    public override async Task Watch(GetJobRequest request, IServerStreamWriter<JobStatus> responseStream, ServerCallContext context)
    {
        Caller caller = Caller.Of(context);
        using IDisposable place = watchers.Enter(caller);
        if (await rounds.FindAsync(request.Job, caller, context.CancellationToken) is not null)
        {
            await caller.AllowedAsync(request.Job);
            await StreamAsync(responseStream, (_, ending) => LookAtRoundsAsync(request.Job, caller, ending), context.CancellationToken);
            return;
        }

        Task? patience = null;
        await StreamAsync(
            responseStream,
            async (isFirst, ending) =>
            {
                // Taken before the look, so that a change during the look is not missed.
                Task? next = hub.ChangesOf(request.Job)?.Next;
                Task coSigned = hub.ClosingAnswered.Next;
                JobRecord job = await FindAsync(request.Job, caller, ending);
                if (!caller.IsRecorded)
                    await caller.AllowedAsync(job.Job);
                if (!isFirst && await IsBeingCoSignedAsync(job, ending))
                {
                    patience ??= Task.Delay(CoSigning, time, ending);
                    if (await Task.WhenAny(coSigned, patience) == coSigned)
                        return null;
                }

                return new Look(hub.Describe(job), job.IsOpen, next);
            },
            context.CancellationToken);
    }

    public override async Task<JobStatus> Cancel(CancelRequest request, ServerCallContext context) =>
        await rounds.FindAsync(request.Job, Caller.Of(context), context.CancellationToken) is { } horizontal
            ? rounds.Describe(await rounds.CancelAsync(horizontal, request.Signature, Caller.Of(context)))
            : EnvelopeCodec.IsJobId(request.Job)
            ? hub.Describe(await hub.CancelAsync(request.Job, request.Signature, Caller.Of(context), context.CancellationToken))
            : throw GrpcErrors.UnknownJob();

    public override async Task<ReportResponse> Report(GetJobRequest request, ServerCallContext context)
    {
        if (await rounds.FindAsync(request.Job, Caller.Of(context), context.CancellationToken) is { } horizontal)
        {
            await Caller.Of(context).AllowedAsync(horizontal.Job);
            return await rounds.ReportAsync(horizontal, Caller.Of(context), context.CancellationToken);
        }

        JobRecord job = await FindAsync(request.Job, Caller.Of(context), context.CancellationToken);
        await Caller.Of(context).AllowedAsync(job.Job);
        var response = new ReportResponse { Status = hub.Describe(job) };
        foreach (byte[] report in await hub.Store.ReadReportsAsync(job.Job, context.CancellationToken))
            response.Parts.Add(SealedReport.Parser.ParseFrom(report));
        return response;
    }

    private async Task<Look?> LookAtRoundsAsync(string job, Caller caller, CancellationToken cancellationToken)
    {
        // Taken before the look, so that a change during the look is not missed.
        Task? next = rounds.ChangesOf(job)?.Next;
        RoundJobRecord record = await rounds.FindAsync(job, caller, cancellationToken) ?? throw GrpcErrors.UnknownJob();
        return new Look(rounds.Describe(record), record.IsOpen, next);
    }

    /// <summary>Writes what each look shows, where it differs from the one before, until the job has ended.</summary>
    /// <param name="look">Looks at the job; told whether nothing was written yet. Null: look again.</param>
    private async Task StreamAsync(IServerStreamWriter<JobStatus> responseStream, Func<bool, CancellationToken, Task<Look?>> look, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        JobStatus? last = null;
        try
        {
            while (true)
            {
                if (await look(last is null, ending.Token) is not { } seen)
                    continue;
                if (!seen.Status.Equals(last))
                    await responseStream.WriteAsync(seen.Status, ending.Token);
                last = seen.Status;
                if (!seen.IsOpen)
                    return;
                if (seen.Next is not null)
                    await seen.Next.WaitAsync(ending.Token);
                // Several changes in a moment are told as one.
                await Task.Delay(Coalesce, time, ending.Token);
            }
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw GrpcErrors.Make(StatusCode.Unavailable, ErrorCode.PeerUnavailable, "the coordinator is stopping; connect again");
        }
    }

    private static SignedJobSpec Required(SignedJobSpec? job) => job ?? throw GrpcErrors.BadField("job", "is missing: the request holds no job");

    private static string? ClientToken(string token)
    {
        if (token.Length == 0)
            return null;
        bool isToken = token.Length <= MaxTokenLength && token.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_');
        return isToken ? token : throw GrpcErrors.BadField("client_token", "is not 1 to 64 of ASCII letters, digits, '-' and '_'");
    }

    private static JobFilter FilterOf(ListJobsRequest request)
    {
        if (!Enum.IsDefined(request.State))
            throw GrpcErrors.BadField("state", "is not a state of a job");
        (string? submitter, string? party) = Conditions(request.Submitter, request.Party);
        return new JobFilter(submitter, party, request.State == JobState.Unspecified ? null : request.State);
    }

    private static (string? Submitter, string? Party) Conditions(string submitter, string party)
    {
        if (submitter.Length > 0 && !PeerIdentity.IsFingerprint(submitter))
            throw GrpcErrors.BadField("submitter", "is not a fingerprint of 64 lower-case hexadecimal digits");
        if (party.Length > 0 && !PartyReference.IsName(party))
            throw GrpcErrors.BadField("party", "is not a name of a party");
        return (submitter.Length == 0 ? null : submitter, party.Length == 0 ? null : party);
    }

    /// <summary>Whether the job is done and a party has yet to say whether it co-signs the end.</summary>
    private async Task<bool> IsBeingCoSignedAsync(JobRecord job, CancellationToken cancellationToken)
    {
        if (job is not { State: JobState.Done, HasTranscript: true, Step: Step.JobClose } || !StatusMapper.NotCoSigned(job).Any())
            return false;
        StoredCheckpoint? close = (await hub.Store.ReadCheckpointsAsync(job.Job, job.Attempt, cancellationToken))
            .FirstOrDefault(checkpoint => checkpoint.Checkpoint.Phase == Phase.Close);
        return close?.Label is null || close.Feature is null;
    }

    private async Task<JobRecord> FindAsync(string job, Caller caller, CancellationToken cancellationToken) =>
        EnvelopeCodec.IsJobId(job) && await hub.Store.FindJobAsync(job, cancellationToken) is { } record && caller.MaySee(record)
            ? record
            : throw GrpcErrors.UnknownJob();

    /// <summary>What a watch sees at one moment.</summary>
    /// <param name="Next">Done at the next change; null: none is announced.</param>
    private sealed record Look(JobStatus Status, bool IsOpen, Task? Next);
}
