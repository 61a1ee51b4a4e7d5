using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Security;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Security;

/// <summary>What a role allows, whose jobs a caller may ask about, and what is recorded of it.</summary>
public sealed class RoleTests : IDisposable
{
    private readonly Identity _bob = Identity.Create();
    private readonly Identity _auditor = Identity.Create();
    private readonly Identity _operator = Identity.Create();

    public void Dispose()
    {
        _bob.Dispose();
        _auditor.Dispose();
        _operator.Dispose();
    }

    [Fact]
    public void Every_call_has_a_rule()
    {
        FileDescriptor[] files = [ServicesReflection.Descriptor, AuditReflection.Descriptor];
        string[] calls = [.. files.SelectMany(file => file.Services).SelectMany(service => service.Methods.Select(method => $"/{service.FullName}/{method.Name}"))];
        Assert.InRange(calls.Length, 16, 100);
        Assert.All(calls, call => Assert.NotEqual(CallerRoles.None, CallRules.For(call)));
        Assert.Equal(CallerRoles.None, CallRules.For("/vertfed.v1.JobService/Unheard"));
    }

    [Fact]
    public async Task A_role_that_nobody_gave_is_refused()
    {
        await using CoordinatorFixture fixture = await StartAsync();
        SignedJob asBank = fixture.NewJob(submitter: fixture.Bank);
        await DeniedAsync(JobsOf(fixture, fixture.Bank).SubmitAsync(new SubmitRequest { Job = asBank.Message }).ResponseAsync, "'bank' is party, and this call is for analyst");
        await DeniedAsync(JobsOf(fixture, _auditor).SubmitAsync(new SubmitRequest { Job = fixture.NewJob(submitter: _auditor).Message }).ResponseAsync, "for analyst");
        await DeniedAsync(AuditOf(fixture, fixture.Submitter).AccessAsync(new AccessRequest()).ResponseAsync, "for auditor or operator");
        using AsyncDuplexStreamingCall<PartyFrame, CoordinatorFrame> connect =
            new RelayService.RelayServiceClient(fixture.ChannelOf(fixture.Submitter)).Connect();
        await DeniedAsync(connect.ResponseStream.MoveNext(CancellationToken.None), "for party");
        Assert.Empty((await JobsOf(fixture, _operator).ListAsync(new ListJobsRequest())).Jobs);
    }

    [Fact]
    public async Task A_job_of_others_is_answered_as_one_that_is_not_there()
    {
        await using CoordinatorFixture fixture = await StartAsync();
        string job = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        string unknown = new('f', 32);
        foreach (Identity outsider in new[] { _bob, fixture.Insurer })
        {
            JobService.JobServiceClient jobs = JobsOf(fixture, outsider);
            AuditService.AuditServiceClient audit = AuditOf(fixture, outsider);
            foreach (Func<string, Task> ask in new Func<string, Task>[]
            {
                id => jobs.GetAsync(new GetJobRequest { Job = id }).ResponseAsync,
                id => jobs.ReportAsync(new GetJobRequest { Job = id }).ResponseAsync,
                id => jobs.Watch(new GetJobRequest { Job = id }).ResponseStream.MoveNext(CancellationToken.None),
                id => audit.CheckpointsAsync(new TranscriptRequest { Job = id }).ResponseAsync,
                id => audit.Export(new TranscriptRequest { Job = id }).ResponseStream.MoveNext(CancellationToken.None),
                id => audit.Entries(new EntriesRequest { Job = id }).ResponseStream.MoveNext(CancellationToken.None),
            })
            {
                RpcException foreign = await Assert.ThrowsAsync<RpcException>(() => ask(job));
                RpcException absent = await Assert.ThrowsAsync<RpcException>(() => ask(unknown));
                Assert.Equal((StatusCode.NotFound, absent.StatusCode, absent.Status.Detail), (foreign.StatusCode, StatusCode.NotFound, foreign.Status.Detail));
            }

            Assert.Empty((await jobs.ListAsync(new ListJobsRequest())).Jobs);
        }

        byte[] signature = fixture.CancelSignature(job, _bob);
        RpcException cancel = await Assert.ThrowsAsync<RpcException>(
            () => JobsOf(fixture, _bob).CancelAsync(new CancelRequest { Job = job, Signature = ByteString.CopyFrom(signature) }).ResponseAsync);
        Assert.Equal(StatusCode.NotFound, cancel.StatusCode);
        // Nor does an id that is taken tell whose the job is, or how it goes.
        SignedJob same = fixture.NewJob(submitter: _bob, change: spec => spec.Job = job);
        RpcException taken = await Assert.ThrowsAsync<RpcException>(() => JobsOf(fixture, _bob).SubmitAsync(new SubmitRequest { Job = same.Message }).ResponseAsync);
        Assert.Equal((StatusCode.PermissionDenied, "this job id cannot be used; draw another at random"), (taken.StatusCode, taken.Status.Detail));
        foreach (Identity insider in new[] { fixture.Submitter, fixture.Bank, fixture.Retailer, _auditor, _operator })
            Assert.Equal(job, Assert.Single((await JobsOf(fixture, insider).ListAsync(new ListJobsRequest())).Jobs).Job);
    }

    [Fact]
    public async Task A_page_of_a_list_passes_over_others_jobs_and_goes_on_behind_them()
    {
        await using CoordinatorFixture fixture = await StartAsync();
        List<string> own = [];
        for (int i = 0; i < 6; i++)
        {
            Identity submitter = i % 2 == 0 ? _bob : fixture.Submitter;
            SubmitRequest request = new() { Job = fixture.NewJob(submitter: submitter).Message };
            string job = (await JobsOf(fixture, submitter).SubmitAsync(request)).Job;
            if (submitter == _bob)
                own.Insert(0, job);
        }

        JobService.JobServiceClient bob = JobsOf(fixture, _bob);
        ListJobsResponse first = await bob.ListAsync(new ListJobsRequest { PageSize = 2 });
        ListJobsResponse rest = await bob.ListAsync(new ListJobsRequest { PageSize = 2, PageToken = first.NextPageToken });
        Assert.Equal(own, first.Jobs.Concat(rest.Jobs).Select(job => job.Job));
        Assert.Equal("", rest.NextPageToken);
    }

    [Fact]
    public async Task A_job_in_anothers_name_is_refused_and_an_operator_ends_any()
    {
        await using CoordinatorFixture fixture = await StartAsync();
        await DeniedAsync(JobsOf(fixture, _bob).SubmitAsync(new SubmitRequest { Job = fixture.NewJob().Message }).ResponseAsync, "is not 'bob', who calls");
        string job = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        JobStatus ended = await JobsOf(fixture, _operator).CancelAsync(new CancelRequest { Job = job });
        Assert.Equal((JobState.Cancelled, "cancelled by the coordinator's operator"), (ended.State, ended.Error.Message));
    }

    [Fact]
    public async Task What_was_decided_is_recorded()
    {
        await using CoordinatorFixture fixture = await StartAsync();
        string job = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        await Assert.ThrowsAsync<RpcException>(() => JobsOf(fixture, _bob).ReportAsync(new GetJobRequest { Job = job }).ResponseAsync);
        using Identity stranger = Identity.Create();
        await Assert.ThrowsAsync<RpcException>(() => JobsOf(fixture, stranger).GetAsync(new GetJobRequest { Job = job }).ResponseAsync);
        await fixture.Jobs.GetAsync(new GetJobRequest { Job = job });
        await JobsOf(fixture, _operator).CancelAsync(new CancelRequest { Job = job });

        AccessResponse log = await AuditOf(fixture, _auditor).AccessAsync(new AccessRequest());
        Assert.Equal(
            [
                ("ann", "JobService/Submit", job, true), ("bob", "JobService/Report", job, false), ("", "JobService/Get", "", false),
                ("olga", "JobService/Cancel", job, true),
            ],
            log.Lines.Select(line => (line.Name, line.Call, line.Job, line.Allowed)));
        Assert.Equal(stranger.Fingerprint, log.Lines[2].Fingerprint);
        AccessResponse rest = await AuditOf(fixture, _operator).AccessAsync(new AccessRequest { First = log.Lines[1].Ordinal, Limit = 2 });
        Assert.Equal(log.Lines.Skip(1).Take(2), rest.Lines);
    }

    private static JobService.JobServiceClient JobsOf(CoordinatorFixture fixture, Identity caller) => new(fixture.ChannelOf(caller));

    private static AuditService.AuditServiceClient AuditOf(CoordinatorFixture fixture, Identity caller) => new(fixture.ChannelOf(caller));

    private static async Task DeniedAsync(Task call, string why)
    {
        RpcException denied = await Assert.ThrowsAsync<RpcException>(() => call);
        Assert.Equal((StatusCode.PermissionDenied, nameof(ErrorCode.Refused)), (denied.StatusCode, denied.Trailers.GetValue("vertfed-code")));
        Assert.Contains(why, denied.Status.Detail, StringComparison.Ordinal);
    }

    private Task<CoordinatorFixture> StartAsync() => CoordinatorFixture.StartAsync(config => config with
    {
        Principals =
        [
            .. config.Principals,
            new Principal("bob", [_bob.Fingerprint], CallerRoles.Analyst),
            new Principal("eve", [_auditor.Fingerprint], CallerRoles.Auditor),
            new Principal("olga", [_operator.Fingerprint], CallerRoles.Operator),
        ],
    });
}
