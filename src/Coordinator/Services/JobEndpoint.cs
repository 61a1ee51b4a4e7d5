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
            await WatchRoundsAsync(request.Job, responseStream, context);
            return;
        }

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        JobStatus? last = null;
        Task? patience = null;
        try
        {
            while (true)
            {
                // Taken before the look, so that a change during the look is not missed.
                Task? next = hub.ChangesOf(request.Job)?.Next;
                Task coSigned = hub.ClosingAnswered.Next;
                JobRecord job = await FindAsync(request.Job, caller, ending.Token);
                if (!caller.IsRecorded)
                    await caller.AllowedAsync(job.Job);
                if (last is not null && await IsBeingCoSignedAsync(job, ending.Token))
                {
                    patience ??= Task.Delay(CoSigning, time, ending.Token);
                    if (await Task.WhenAny(coSigned, patience) == coSigned)
                        continue;
                }

                JobStatus status = hub.Describe(job);
                if (!status.Equals(last))
                    await responseStream.WriteAsync(status, ending.Token);
                last = status;
                if (!job.IsOpen)
                    return;
                if (next is not null)
                    await next.WaitAsync(ending.Token);
                // Several changes in a moment are told as one.
                await Task.Delay(Coalesce, time, ending.Token);
            }
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw GrpcErrors.Make(StatusCode.Unavailable, ErrorCode.PeerUnavailable, "the coordinator is stopping; connect again");
        }
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
            return await rounds.ReportAsync(horizontal, context.CancellationToken);
        }

        JobRecord job = await FindAsync(request.Job, Caller.Of(context), context.CancellationToken);
        await Caller.Of(context).AllowedAsync(job.Job);
        var response = new ReportResponse { Status = hub.Describe(job) };
        foreach (byte[] report in await hub.Store.ReadReportsAsync(job.Job, context.CancellationToken))
            response.Parts.Add(SealedReport.Parser.ParseFrom(report));
        return response;
    }

    private async Task WatchRoundsAsync(string job, IServerStreamWriter<JobStatus> responseStream, ServerCallContext context)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        JobStatus? last = null;
        try
        {
            while (true)
            {
                // Taken before the look, so that a change during the look is not missed.
                Task? next = rounds.ChangesOf(job)?.Next;
                RoundJobRecord record = await rounds.FindAsync(job, Caller.Of(context), ending.Token) ?? throw GrpcErrors.UnknownJob();
                JobStatus status = rounds.Describe(record);
                if (!status.Equals(last))
                    await responseStream.WriteAsync(status, ending.Token);
                last = status;
                if (!record.IsOpen)
                    return;
                if (next is not null)
                    await next.WaitAsync(ending.Token);
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
}
