using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>
/// The analyst's side of JobService. Every failure of a call becomes a <see cref="VertFedException"/>: the coordinator's own
/// code where it sent one (trailer `vertfed-code`), else the nearest one to the gRPC status.
/// </summary>
internal sealed class JobClient : IDisposable
{
    /// <summary>Trailer in which the coordinator names its <see cref="ErrorCode"/>.</summary>
    public const string CodeTrailer = "vertfed-code";

    private const int MaxReplyBytes = 160 * 1024 * 1024;
    private static readonly TimeSpan s_callTimeout = TimeSpan.FromSeconds(30);
    private readonly GrpcChannel _channel;
    private readonly JobService.JobServiceClient _client;
    private readonly Uri _address;

    public JobClient(Uri address)
    {
        _address = address;
        _channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions { MaxReceiveMessageSize = MaxReplyBytes });
        _client = new JobService.JobServiceClient(_channel);
    }

    /// <exception cref="VertFedException">Not an absolute http or https address (usage).</exception>
    public static Uri ParseAddress(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https" ? uri : throw Error.BadAddress(text);

    public Task<JobStatus> SubmitAsync(SignedJobSpec job, CancellationToken cancellationToken) =>
        CallAsync(options => _client.SubmitAsync(new SubmitRequest { Job = job }, options).ResponseAsync, cancellationToken);

    public Task<JobStatus> GetAsync(string job, CancellationToken cancellationToken) =>
        CallAsync(options => _client.GetAsync(new GetJobRequest { Job = job }, options).ResponseAsync, cancellationToken);

    public Task<ListJobsResponse> ListAsync(uint pageSize, string pageToken, CancellationToken cancellationToken) =>
        CallAsync(
            options => _client.ListAsync(new ListJobsRequest { PageSize = pageSize, PageToken = pageToken }, options).ResponseAsync,
            cancellationToken);

    public Task<JobStatus> CancelAsync(string job, byte[] signature, CancellationToken cancellationToken) =>
        CallAsync(
            options => _client.CancelAsync(
                new CancelRequest { Job = job, Signature = Google.Protobuf.ByteString.CopyFrom(signature) }, options).ResponseAsync,
            cancellationToken);

    public Task<ReportResponse> ReportAsync(string job, CancellationToken cancellationToken) =>
        CallAsync(options => _client.ReportAsync(new GetJobRequest { Job = job }, options).ResponseAsync, cancellationToken);

    /// <summary>The job's status now and at each change, until it has ended.</summary>
    /// <returns>The last status.</returns>
    public async Task<JobStatus> WatchAsync(string job, Action<JobStatus> onStatus, CancellationToken cancellationToken)
    {
        JobStatus? last = null;
        try
        {
            using AsyncServerStreamingCall<JobStatus> call =
                _client.Watch(new GetJobRequest { Job = job }, new CallOptions(cancellationToken: cancellationToken));
            while (await call.ResponseStream.MoveNext(cancellationToken))
            {
                last = call.ResponseStream.Current;
                onStatus(last);
            }
        }
        catch (RpcException e)
        {
            throw Translate(e, cancellationToken);
        }

        return last is not null && JobOutcomes.HasEnded(last.State)
            ? last
            : throw Error.Job(ErrorCode.PeerUnavailable, $"The coordinator at {_address} stopped telling about job {job} before it had ended.", "coordinator");
    }

    public void Dispose() => _channel.Dispose();

    private async Task<T> CallAsync<T>(Func<CallOptions, Task<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call(new CallOptions(deadline: DateTime.UtcNow + s_callTimeout, cancellationToken: cancellationToken));
        }
        catch (RpcException e)
        {
            throw Translate(e, cancellationToken);
        }
    }

    private Exception Translate(RpcException e, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return new OperationCanceledException(e.Status.Detail, e, cancellationToken);
        }

        string detail = Error.OneLine(e.Status.Detail);
        ErrorCode code = Enum.TryParse(e.Trailers.GetValue(CodeTrailer), out ErrorCode named) ? named : FromStatus(e.StatusCode);
        return code == ErrorCode.PeerUnavailable && e.Trailers.GetValue(CodeTrailer) is null
            ? Error.Job(code, $"The coordinator at {_address} cannot be reached: {detail}", "coordinator")
            : Error.Job(code, detail, "coordinator");
    }

    private static ErrorCode FromStatus(StatusCode status) => status switch
    {
        StatusCode.InvalidArgument or StatusCode.NotFound or StatusCode.AlreadyExists or StatusCode.FailedPrecondition => ErrorCode.Usage,
        StatusCode.PermissionDenied or StatusCode.Unauthenticated => ErrorCode.Refused,
        StatusCode.Unavailable or StatusCode.DeadlineExceeded => ErrorCode.PeerUnavailable,
        StatusCode.Cancelled => ErrorCode.Cancelled,
        _ => ErrorCode.Internal,
    };
}
