using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>The analyst's side of JobService.</summary>
/// <param name="access">Stays the caller's to dispose.</param>
internal sealed class JobClient(CoordinatorAccess access) : IDisposable
{
    /// <summary>The coordinator waits 30 s for the parties.</summary>
    private static readonly TimeSpan s_dryRun = TimeSpan.FromSeconds(45);
    private static readonly TimeSpan s_settling = TimeSpan.FromSeconds(10);
    private const int MostPerPage = 1000;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);
    private readonly CoordinatorConnection _connection = new(access);
    private JobService.JobServiceClient? _client;

    private JobService.JobServiceClient Client => _client ??= new JobService.JobServiceClient(_connection.Channel);

    public Task<JobStatus> SubmitAsync(SignedJobSpec job, CancellationToken cancellationToken) => SubmitAsync(job, clientToken: "", cancellationToken);

    /// <param name="clientToken">The caller's name for this request; empty: none.</param>
    public Task<JobStatus> SubmitAsync(SignedJobSpec job, string clientToken, CancellationToken cancellationToken) =>
        _connection.CallAsync(
            options => Client.SubmitAsync(new SubmitRequest { Job = job, ClientToken = clientToken }, options).ResponseAsync, cancellationToken);

    /// <summary>Both parties' answers, or of one who is missing none; takes up to half a minute.</summary>
    public Task<DryRunResponse> DryRunAsync(SignedJobSpec job, CancellationToken cancellationToken) =>
        _connection.CallAsync(
            options => Client.DryRunAsync(new DryRunRequest { Job = job }, options.WithDeadline(DateTime.UtcNow + s_dryRun)).ResponseAsync, cancellationToken);

    public Task<JobStatus> GetAsync(string job, CancellationToken cancellationToken) =>
        _connection.CallAsync(options => Client.GetAsync(new GetJobRequest { Job = job }, options).ResponseAsync, cancellationToken);

    /// <summary>Jobs that meet the conditions, newest first, page by page.</summary>
    /// <param name="conditions">Its size and token of the page do not count.</param>
    public async Task<List<JobStatus>> ListAsync(ListJobsRequest conditions, int limit, CancellationToken cancellationToken)
    {
        List<JobStatus> jobs = [];
        ListJobsRequest request = conditions.Clone();
        request.PageToken = "";
        do
        {
            request.PageSize = (uint)Math.Min(limit - jobs.Count, MostPerPage);
            ListJobsResponse page = await _connection.CallAsync(options => Client.ListAsync(request, options).ResponseAsync, cancellationToken);
            jobs.AddRange(page.Jobs);
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0 && jobs.Count < limit);
        return jobs;
    }

    /// <summary>Models, newest first, page by page.</summary>
    public async Task<List<Model>> ListModelsAsync(int limit, CancellationToken cancellationToken)
    {
        List<Model> models = [];
        ListModelsRequest request = new();
        do
        {
            request.PageSize = (uint)Math.Min(limit - models.Count, MostPerPage);
            ListModelsResponse page = await _connection.CallAsync(options => Client.ListModelsAsync(request, options).ResponseAsync, cancellationToken);
            models.AddRange(page.Models);
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0 && models.Count < limit);
        return models;
    }

    public Task<JobStatus> CancelAsync(string job, byte[] signature, CancellationToken cancellationToken) =>
        _connection.CallAsync(
            options => Client.CancelAsync(
                new CancelRequest { Job = job, Signature = Google.Protobuf.ByteString.CopyFrom(signature) }, options).ResponseAsync,
            cancellationToken);

    public Task<ReportResponse> ReportAsync(string job, CancellationToken cancellationToken) =>
        _connection.CallAsync(options => Client.ReportAsync(new GetJobRequest { Job = job }, options).ResponseAsync, cancellationToken);

    /// <summary>The job's status now and at each change, until it has ended.</summary>
    /// <returns>The last status.</returns>
    public async Task<JobStatus> WatchAsync(string job, Action<JobStatus> onStatus, CancellationToken cancellationToken)
    {
        JobStatus? last = null;
        try
        {
            using AsyncServerStreamingCall<JobStatus> call =
                Client.Watch(new GetJobRequest { Job = job }, new CallOptions(cancellationToken: cancellationToken));
            while (await call.ResponseStream.MoveNext(cancellationToken))
            {
                last = call.ResponseStream.Current;
                onStatus(last);
            }
        }
        catch (RpcException e)
        {
            throw _connection.Translate(e, cancellationToken);
        }

        return last is not null && JobOutcomes.HasEnded(last.State)
            ? last
            : throw Error.Job(ErrorCode.PeerUnavailable, $"The coordinator at {_connection.Address} stopped telling about job {job} before it had ended.", "coordinator");
    }

    /// <summary>
    /// The status of a job that has ended, once both parties have co-signed its record: that takes moments, and a party that withholds its
    /// co-signature is not waited for longer.
    /// </summary>
    public async Task<JobStatus> SettleAsync(string job, CancellationToken cancellationToken)
    {
        long start = TimeProvider.System.GetTimestamp();
        JobStatus status = await GetAsync(job, cancellationToken);
        while (status is { State: JobState.Done, NotCoSigned.Count: > 0 } && TimeProvider.System.GetElapsedTime(start) < s_settling)
        {
            await Task.Delay(s_pause, cancellationToken);
            status = await GetAsync(job, cancellationToken);
        }

        return status;
    }

    public void Dispose() => _connection.Dispose();
}
