using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>The analyst's side of JobService.</summary>
/// <param name="access">Stays the caller's to dispose.</param>
internal sealed class JobClient(CoordinatorAccess access) : IDisposable
{
    private static readonly TimeSpan s_settling = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);
    private readonly CoordinatorConnection _connection = new(access);
    private JobService.JobServiceClient? _client;

    private JobService.JobServiceClient Client => _client ??= new JobService.JobServiceClient(_connection.Channel);

    public Task<JobStatus> SubmitAsync(SignedJobSpec job, CancellationToken cancellationToken) =>
        _connection.CallAsync(options => Client.SubmitAsync(new SubmitRequest { Job = job }, options).ResponseAsync, cancellationToken);

    public Task<JobStatus> GetAsync(string job, CancellationToken cancellationToken) =>
        _connection.CallAsync(options => Client.GetAsync(new GetJobRequest { Job = job }, options).ResponseAsync, cancellationToken);

    public Task<ListJobsResponse> ListAsync(uint pageSize, string pageToken, CancellationToken cancellationToken) =>
        _connection.CallAsync(
            options => Client.ListAsync(new ListJobsRequest { PageSize = pageSize, PageToken = pageToken }, options).ResponseAsync,
            cancellationToken);

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
