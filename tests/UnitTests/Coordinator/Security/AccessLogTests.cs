using System.Text;
using System.Text.Json;
using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.UnitTests.Cli;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Security;

/// <summary>That what counts is recorded before it is done, and how people read the record.</summary>
public sealed class AccessLogTests
{
    [Fact]
    public async Task What_cannot_be_recorded_does_not_happen()
    {
        bool fails = true;
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(hand: (call, _, store) =>
            fails && call == nameof(ICoordinatorStore.RecordAccessAsync) ? Task.FromException(new VertFedException(ErrorCode.Storage, "the disk is full")) : store());
        JobService.JobServiceClient jobs = fixture.Jobs;

        SignedJob job = fixture.NewJob();
        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => jobs.SubmitAsync(new SubmitRequest { Job = job.Message }).ResponseAsync);
        Assert.Equal(nameof(ErrorCode.Storage), refused.Trailers.GetValue("vertfed-code"));

        // The store's own words name files and hosts: the log has them, under the number that the caller gets.
        Assert.Matches("^the coordinator's store cannot do this now; the coordinator's log has it as incident [0-9a-f]{16}$", refused.Status.Detail);
        Assert.DoesNotContain("disk", refused.ToString() + string.Join(' ', refused.Trailers.Select(entry => entry.IsBinary ? Encoding.UTF8.GetString(entry.ValueBytes) : entry.Value)), StringComparison.Ordinal);
        Assert.Empty((await jobs.ListAsync(new ListJobsRequest())).Jobs);

        // The place that the job would have taken is free again.
        fails = false;
        Assert.Equal(JobState.Queued, (await jobs.SubmitAsync(new SubmitRequest { Job = job.Message })).State);
        fails = true;
        await Assert.ThrowsAsync<RpcException>(() => jobs.ReportAsync(new GetJobRequest { Job = job.Specification.Job }).ResponseAsync);
    }

    [Fact]
    public async Task An_auditor_lists_it_with_a_trust_file_on_the_command_line()
    {
        using TemporaryFolder folder = new();
        using Identity auditor = Identity.Create();
        TestTls.Save(auditor, folder.File("eve.pem"));
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(
            config => config with { Principals = [.. config.Principals, new Principal("eve", [auditor.Fingerprint], CallerRoles.Auditor)] });
        string job = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        string trust = folder.File("trust.yaml");
        Assert.Equal(0, await new CapturedTerminal().RunAsync(
            "identity", "trust", trust, "main", fixture.Coordinator.Fingerprint, "--as", "coordinator", "--address", fixture.Host.Address));

        CapturedTerminal json = new();
        Assert.Equal(0, await json.RunAsync("audit", "access", "--trust", trust, "--identity", folder.File("eve.pem"), "--json"));
        using JsonDocument document = JsonDocument.Parse(json.Output);
        JsonElement line = Assert.Single(document.RootElement.GetProperty("lines").EnumerateArray());
        Assert.Equal(("ann", "JobService/Submit", job, true), (
            line.GetProperty("name").GetString(), line.GetProperty("call").GetString(), line.GetProperty("job").GetString(), line.GetProperty("allowed").GetBoolean()));
        CapturedTerminal text = new();
        Assert.Equal(0, await text.RunAsync("audit", "access", "--trust", trust, "--identity", folder.File("eve.pem")));
        Assert.Contains("allowed", text.Output, StringComparison.Ordinal);

        // Another key than the pinned one is not spoken to.
        Assert.Equal(0, await new CapturedTerminal().RunAsync("identity", "distrust", trust, "main"));
        Assert.Equal(0, await new CapturedTerminal().RunAsync(
            "identity", "trust", trust, "main", fixture.Bank.Fingerprint, "--as", "coordinator", "--address", fixture.Host.Address));
        CapturedTerminal other = new();
        Assert.Equal((int)ErrorCode.DoesNotVerify, await other.RunAsync("audit", "access", "--trust", trust, "--identity", folder.File("eve.pem")));
        Assert.Contains("not the pinned one", other.Error, StringComparison.Ordinal);
    }
}
