using System.Text.Json;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

public sealed class PartyHostTests
{
    [Fact]
    [Trait("Speed", "slow")]
    public async Task Two_nodes_train_a_model_and_report_what_each_knows()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        RunningNode bank = fixture.StartNode(Role.LabelParty, "  allow_disclosure_risk: true\n  share_coefficients_with_submitter: true\n  report_intersection_sha256: true");
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync();

        JobStatus status = await fixture.EndOfAsync(job);

        Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}\n{retailer.Log}");
        JsonElement own = await fixture.ReportAsync("bank", job);
        Assert.Equal("done", own.GetProperty("status").GetString());
        Assert.Equal(600, own.GetProperty("align").GetProperty("intersection").GetInt32());
        Assert.Equal(64, own.GetProperty("align").GetProperty("intersection_sha256").GetString()!.Length);
        Assert.True(own.GetProperty("test").GetProperty("auc").GetDouble() > own.GetProperty("test").GetProperty("auc_label_party_only").GetDouble());
        Assert.Contains("r0", (await fixture.ReportAsync("retailer", job)).GetProperty("coefficients").GetProperty("retailer").GetRawText(), StringComparison.Ordinal);

        ReportResponse response = await fixture.Jobs.ReportAsync(new GetJobRequest { Job = job });
        string[] shared = [.. response.Parts.Select(part => System.Text.Encoding.UTF8.GetString(ReportSeal.Open(job, part, fixture.Analyst).Content))];
        Assert.Equal(2, shared.Length);
        Assert.Contains("b0", shared[0], StringComparison.Ordinal);
        Assert.DoesNotContain("\"r0\"", shared[1], StringComparison.Ordinal);
        Assert.DoesNotContain("\"intersection_sha256\": \"", shared[1], StringComparison.Ordinal);
        NothingPlanted(bank, retailer, shared);

        // The node serves the next job; the same intersection again is no difference.
        string second = await fixture.SubmitAsync();
        Assert.Equal(JobState.Done, (await fixture.EndOfAsync(second)).State);
    }

    [Fact]
    public async Task Bad_input_refuses_the_job_early_and_only_the_own_operator_reads_file_line_and_column()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200, text => text.Replace("PLANTED7,", "PLANTED7,PLANTED", StringComparison.Ordinal));
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync();

        JobStatus status = await fixture.EndOfAsync(job);

        Assert.Equal(JobState.Refused, status.State);
        Assert.Equal("BadInput", status.Error.Code);
        Assert.Equal("bank", status.Error.Party);
        Assert.Equal("the input of 'bank' does not fit its configuration or the job; its log and its own report say where", status.Error.Message);
        JsonElement own = (await fixture.ReportAsync("bank", job)).GetProperty("error");
        Assert.Equal(("BadInput", "bank.csv, line 9, column 'y': not a number"), (own.GetProperty("code").GetString(), own.GetProperty("message").GetString()));
        Assert.Contains("bank.csv, line 9, column 'y': not a number", bank.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("bank.csv", retailer.Log + retailer.Events, StringComparison.Ordinal);
        await bank.WaitForAsync("answer", "\"accepted\":false");
        Assert.False(bank.Running.IsCompleted);
        NothingPlanted(bank, retailer, [status.Error.Message]);
    }

    [Fact]
    public async Task Duplicate_ids_are_refused_by_row_and_never_by_id()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200, text => text.Replace("PLANTED7,", "PLANTED6,", StringComparison.Ordinal));
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);

        string job = await fixture.SubmitAsync();
        JobStatus status = await fixture.EndOfAsync(job);

        Assert.Equal("BadInput", status.Error.Code);
        string own = (await fixture.ReportAsync("bank", job)).GetProperty("error").GetProperty("message").GetString()!;
        Assert.StartsWith("bank.csv: 1 rows repeat the id of an earlier row (row 8)", own, StringComparison.Ordinal);
        NothingPlanted(bank, retailer, [status.Error.Message, own]);
    }

    [Fact]
    public async Task A_policy_refusal_reaches_the_submitter_with_its_rule()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        fixture.StartNode(Role.LabelParty);
        fixture.StartNode(Role.FeatureParty, "  allow_disclosure_risk: false");

        JobStatus status = await fixture.EndOfAsync(await fixture.SubmitAsync());

        Assert.Equal(JobState.Refused, status.State);
        Assert.Equal("Refused", status.Error.Code);
        Assert.Equal("retailer", status.Error.Party);
        Assert.StartsWith("policy rule 'disclosure-risk': ", status.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_overlap_is_bad_input_and_reported_by_both()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200, text => text.Replace("PLANTED", "OTHER", StringComparison.Ordinal));
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync();

        JobStatus status = await fixture.EndOfAsync(job);

        Assert.Equal(JobState.Failed, status.State);
        Assert.Equal("BadInput", status.Error.Code);
        Assert.StartsWith("no overlap: the parties have no id in common", status.Error.Message, StringComparison.Ordinal);
        foreach (string party in new[] { "bank", "retailer" })
        {
            JsonElement report = await fixture.ReportAsync(party, job);
            Assert.Equal("failed", report.GetProperty("status").GetString());
            Assert.Equal(0, report.GetProperty("align").GetProperty("intersection").GetInt32());
        }

        NothingPlanted(bank, retailer, []);
    }

    [Fact]
    public async Task A_small_intersection_is_refused_by_the_policys_rule()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(100);
        fixture.StartNode(Role.LabelParty);
        fixture.StartNode(Role.FeatureParty);
        JobStatus status = await fixture.EndOfAsync(await fixture.SubmitAsync());
        Assert.Equal(JobState.Refused, status.State);
        Assert.Contains("minimum-intersection': 75 where at least 100", status.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_party_that_never_connects_is_named_by_the_coordinator_and_the_other_is_not_asked()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        await bank.WaitForAsync("ready");
        string job = await fixture.SubmitAsync(spec => spec.DeadlineSeconds = 2);

        JobStatus status = await fixture.EndOfAsync(job);

        Assert.Equal("PeerUnavailable", status.Error.Code);
        Assert.Contains("retailer", status.Error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(job, bank.Events, StringComparison.Ordinal);
        Assert.Null(await bank.Store.FindJobAsync(job, CancellationToken.None));
    }

    [Fact]
    public async Task A_cancelled_job_ends_at_both_parties()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync();
        await bank.WaitForAsync("phase", "\"align\"");

        await fixture.CancelAsync(job);

        await bank.WaitForAsync("job_end", "\"status\":\"cancelled\"");
        await retailer.WaitForAsync("job_end", "\"status\":\"cancelled\"");
        Assert.Equal("cancelled", (await fixture.ReportAsync("bank", job)).GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_job_that_ends_while_its_node_is_stopped_has_ended_at_the_nodes_next_start()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync();
        await bank.WaitForAsync("phase", "\"align\"");

        await bank.StopAsync();

        Assert.DoesNotContain("job_end", bank.Events, StringComparison.Ordinal);
        Assert.Equal(JobState.Running, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);
        await fixture.CancelAsync(job);
        RunningNode again = fixture.StartNode(Role.LabelParty);
        Assert.Equal(JobState.Cancelled, (await again.StateOfAsync(job, JobState.Cancelled)).State);
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_job_goes_on_when_the_coordinator_was_away()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync();
        await bank.WaitForAsync("iteration", "\"round\":1");

        await fixture.StopCoordinatorAsync();
        await bank.WaitForAsync("disconnected");
        await fixture.StartCoordinatorAsync();

        JobStatus status = await fixture.CoSignedEndOfAsync(job);
        Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}\n{retailer.Log}");
    }

    [Fact]
    public async Task A_party_that_the_coordinator_does_not_admit_ends_with_refused()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(10);
        using Identity stranger = Identity.Create();
        RunningNode node = fixture.StartNode(Role.LabelParty, otherIdentity: stranger);
        VertFedException error = await Assert.ThrowsAsync<VertFedException>(() => node.Running.WaitAsync(NodeFixture.Patience));
        Assert.Equal(ErrorCode.Refused, error.Code);
        Assert.StartsWith("The coordinator does not admit 'bank'", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Neither logs nor events nor what leaves the node hold an id.</summary>
    private static void NothingPlanted(RunningNode bank, RunningNode retailer, IEnumerable<string> others)
    {
        foreach (string text in others.Concat([bank.Log, bank.Events, retailer.Log, retailer.Events]))
        {
            Assert.DoesNotContain("PLANTED", text, StringComparison.Ordinal);
        }
    }
}
