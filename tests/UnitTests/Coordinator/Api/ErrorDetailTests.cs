using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Api;

/// <summary>What a program learns of a call that failed.</summary>
public sealed class ErrorDetailTests
{
    [Fact]
    public async Task Every_error_holds_its_reason_and_domain()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        Google.Rpc.Status status = await DetailsOf(fixture.Jobs.GetAsync(new GetJobRequest { Job = new string('0', 32) }).ResponseAsync, StatusCode.NotFound);
        ErrorInfo info = Assert.Single(Unpack<ErrorInfo>(status));
        Assert.Equal((nameof(ErrorCode.Usage), "vertfed"), (info.Reason, info.Domain));
        Assert.Empty(Unpack<BadRequest>(status));
        Assert.Empty(Unpack<RetryInfo>(status));
    }

    [Fact]
    public async Task A_wrong_field_of_a_job_spec_is_named_by_its_path()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        JobSpec spec = fixture.NewJob().Specification.ToMessage();
        spec.Train.L2 = -1;
        Google.Rpc.Status status = await DetailsOf(
            fixture.Jobs.SubmitAsync(new SubmitRequest { Job = Sign(spec, fixture.Submitter) }).ResponseAsync, StatusCode.InvalidArgument);
        BadRequest.Types.FieldViolation violation = Assert.Single(Assert.Single(Unpack<BadRequest>(status)).FieldViolations);
        Assert.Equal("train.l2", violation.Field);
        Assert.Contains("1e-6", violation.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_field_of_a_request_is_named()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        Google.Rpc.Status status = await DetailsOf(fixture.Jobs.ListAsync(new ListJobsRequest { PageToken = "x" }).ResponseAsync, StatusCode.InvalidArgument);
        Assert.Equal("page_token", Assert.Single(Assert.Single(Unpack<BadRequest>(status)).FieldViolations).Field);
        status = await DetailsOf(fixture.Audit.ListAsync(new ListTranscriptsRequest { PageSize = 1001 }).ResponseAsync, StatusCode.InvalidArgument);
        Assert.Equal("page_size", Assert.Single(Assert.Single(Unpack<BadRequest>(status)).FieldViolations).Field);
    }

    [Fact]
    public async Task A_limit_that_was_reached_is_named_with_a_time_to_wait()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxOpenJobs = 1 } });
        await fixture.SubmitAsync(fixture.NewJob());
        Google.Rpc.Status status = await DetailsOf(fixture.SubmitAsync(fixture.NewJob()), StatusCode.ResourceExhausted);
        Assert.Equal("max_open_jobs", Assert.Single(Unpack<ErrorInfo>(status)).Metadata["limit"]);
        Assert.InRange(Assert.Single(Unpack<RetryInfo>(status)).RetryDelay.ToTimeSpan().TotalSeconds, 1, 600);
    }

    [Fact]
    public async Task A_call_with_a_deadline_ends_in_time()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxWatchers = 1 } });
        string job = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        using AsyncServerStreamingCall<JobStatus> watch = fixture.Jobs.Watch(new GetJobRequest { Job = job }, deadline: DateTime.UtcNow.AddSeconds(1));
        RpcException exception = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await watch.ResponseStream.MoveNext(CancellationToken.None))
            {
            }
        });
        Assert.Equal(StatusCode.DeadlineExceeded, exception.StatusCode);

        // The only place of a watcher is free again: the server's side of the call has ended too.
        using CancellationTokenSource patience = new(FakeParty.Patience);
        while (true)
        {
            using AsyncServerStreamingCall<JobStatus> next = fixture.Jobs.Watch(new GetJobRequest { Job = job });
            try
            {
                Assert.True(await next.ResponseStream.MoveNext(CancellationToken.None));
                break;
            }
            catch (RpcException full) when (full.StatusCode == StatusCode.ResourceExhausted)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), patience.Token);
            }
        }
    }

    private static SignedJobSpec Sign(JobSpec spec, Identity submitter) => new()
    {
        Spec = spec.ToByteString(),
        SubmitterKey = ByteString.CopyFrom(submitter.Public.SubjectPublicKeyInfo),
        Signature = ByteString.CopyFrom(submitter.Sign([.. "vertfed/v1/job-spec"u8, .. System.Security.Cryptography.SHA256.HashData(spec.ToByteArray())])),
    };

    private static async Task<Google.Rpc.Status> DetailsOf(Task call, StatusCode expected)
    {
        RpcException exception = await Assert.ThrowsAsync<RpcException>(() => call);
        Google.Rpc.Status status = Google.Rpc.Status.Parser.ParseFrom(exception.Trailers.GetValueBytes("grpc-status-details-bin"));
        Assert.Equal((expected, (int)expected, exception.Status.Detail), (exception.StatusCode, status.Code, status.Message));
        return status;
    }

    private static T[] Unpack<T>(Google.Rpc.Status status)
        where T : class, IMessage<T>, new() =>
        [.. status.Details.Where(detail => detail.TryUnpack(out T _)).Select(detail => detail.Unpack<T>())];
}
