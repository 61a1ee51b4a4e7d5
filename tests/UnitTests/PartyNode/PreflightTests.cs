using System.Text;
using System.Text.Json;
using VertFed.EndToEnd;
using VertFed.PartyNode.Policies;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.Cli;
using VertFed.UnitTests.Protocol;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>What the rules say before anything is sent, to the operator and to whoever asks; and what a job is likely to cost.</summary>
public sealed class PreflightTests : IDisposable
{
    private readonly TemporaryPlace _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public async Task A_dry_run_tells_the_submitter_alone_what_the_rules_say_and_leaves_nothing()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(300);
        RunningNode bank = fixture.StartNode(Role.LabelParty, "  allow_disclosure_risk: true\n  approval: manual");
        RunningNode retailer = fixture.StartNode(Role.FeatureParty, "  allow_disclosure_risk: true\n  max_iterations: 10");
        await bank.WaitForAsync("ready");
        await retailer.WaitForAsync("ready");
        SignedJob job = fixture.NewJob();

        DryRunResponse response = await fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job.Message });

        Assert.Empty(response.Missing);
        Dictionary<string, JsonElement> parts = response.Parts.ToDictionary(part => part.Party, part => Open(fixture, job, part), StringComparer.Ordinal);
        Assert.Equal("held", parts["bank"].GetProperty("verdict").GetString());
        Assert.Equal(300, parts["bank"].GetProperty("data").GetProperty("rows").GetInt32());
        Assert.True(parts["bank"].GetProperty("dry_run").GetBoolean());
        Assert.Equal("refuse", parts["retailer"].GetProperty("verdict").GetString());
        Assert.Equal(JsonValueKind.Null, parts["retailer"].GetProperty("data").ValueKind);
        Assert.Contains(parts["retailer"].GetProperty("rules").EnumerateArray(), rule =>
            rule.GetProperty("name").GetString() == "max-iterations" && rule.GetProperty("reason").GetString() == "30 iterations are asked for, 10 allowed");
        Assert.All(parts.Values, part => Assert.DoesNotContain("PLANTED", part.GetRawText(), StringComparison.Ordinal));
        foreach (RunningNode node in new[] { bank, retailer })
        {
            Assert.Empty(await node.Store.ListJobsAsync(10, before: null, CancellationToken.None));
        }

        Assert.False(Directory.Exists(Path.Combine(fixture.Folder, "bank", "jobs")));
    }

    [Fact]
    public async Task Too_many_dry_runs_are_answered_without_a_look_at_the_data()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, time: new ManualTime());
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        await bank.WaitForAsync("ready");
        await retailer.WaitForAsync("ready");
        List<JsonElement> answers = [];
        for (int i = 0; i < 7; i++)
        {
            SignedJob job = fixture.NewJob();
            DryRunResponse response = await fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job.Message });
            answers.Add(Open(fixture, job, response.Parts.Single(part => part.Party == "bank")));
        }

        Assert.All(answers.Take(6), answer => Assert.Equal("pass", answer.GetProperty("verdict").GetString()));
        Assert.Equal(JsonValueKind.Null, answers[6].GetProperty("data").ValueKind);
        Assert.Equal(
            "more than 6 dry runs within a minute; ask again later", answers[6].GetProperty("error").GetProperty("message").GetString());
    }

    [Fact]
    public async Task A_faulty_file_is_told_by_a_dry_run_and_kept_beside_a_refused_job()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200, text => text.Replace("PLANTED7,", "PLANTED7,PLANTED", StringComparison.Ordinal));
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        await bank.WaitForAsync("ready");
        await retailer.WaitForAsync("ready");
        SignedJob asked = fixture.NewJob();
        DryRunResponse response = await fixture.Jobs.DryRunAsync(new DryRunRequest { Job = asked.Message });
        JsonElement told = Open(fixture, asked, response.Parts.Single(part => part.Party == "bank"));
        Assert.Equal(("refuse", "BadInput"), (told.GetProperty("verdict").GetString(), told.GetProperty("error").GetProperty("code").GetString()));
        Assert.DoesNotContain("column", told.GetProperty("error").GetProperty("message").GetString()!, StringComparison.Ordinal);
        Assert.Contains("BadInput: bank.csv, line 9, column 'y': not a number", bank.Log, StringComparison.Ordinal);

        string job = await fixture.SubmitAsync();
        await fixture.EndOfAsync(job);

        NodeJob shown = (await bank.Jobs.ShowJobAsync(job, CancellationToken.None))!;
        Assert.Empty(Faults(shown.Preflight));
        Assert.Contains("column 'y': not a number", shown.Preflight, StringComparison.Ordinal);
        Assert.DoesNotContain("PLANTED", shown.Preflight, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task The_estimate_is_of_the_order_of_what_a_job_took()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync();
        JobStatus status = await fixture.EndOfAsync(job);
        Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}");

        JsonElement report = await fixture.ReportAsync("bank", job);
        double measured = report.GetProperty("train").GetProperty("bytes").GetDouble() + report.GetProperty("align").GetProperty("bytes").GetDouble();
        using JsonDocument preflight = JsonDocument.Parse((await bank.Jobs.ShowJobAsync(job, CancellationToken.None))!.Preflight);
        Assert.InRange(preflight.RootElement.GetProperty("estimate").GetProperty("bytes").GetDouble(), measured / 4, measured * 4);
    }

    [Theory]

    // docs/performance.md: the demo, and default_credit.
    [InlineData(20_000, 10, 0.2, 13, 17, 55e6)]
    [InlineData(26_976, 13, 0.2, 12.6, 15.8, 68e6)]
    public void The_estimate_is_of_the_order_of_the_documented_jobs(int rows, int columns, double holdout, double least, double most, double bytes)
    {
        CostEstimate estimate = CostModel.Estimate(Specification(Family.Logistic, holdout), rows, columns);
        Assert.InRange(estimate.Seconds, least / 3, most * 3);
        Assert.InRange(estimate.Bytes, bytes / 3, bytes * 3);
    }

    [Fact]
    public void More_rows_columns_and_iterations_cost_more_and_a_linear_model_less()
    {
        CostEstimate basis = CostModel.Estimate(Specification(Family.Logistic), 50_000, 20);
        Assert.All(
            new[]
            {
                CostModel.Estimate(Specification(Family.Logistic), 100_000, 20),
                CostModel.Estimate(Specification(Family.Logistic), 50_000, 40),
            },
            larger => Assert.True(larger.Seconds > basis.Seconds && larger.Bytes > basis.Bytes));
        Assert.True(CostModel.Estimate(Specification(Family.Linear), 50_000, 20).Bytes < basis.Bytes);
        Assert.True(CostModel.Estimate(Specification(Family.Logistic, iterations: 3), 50_000, 20).Seconds < basis.Seconds);
        Assert.Equal(CostModel.Estimate(Specification(Family.Logistic, iterations: 30), 50_000, 20), basis with { });
    }

    [Fact]
    public void An_intersection_counts_for_as_long_as_it_is_recent_and_is_forgotten_then()
    {
        ManualTime time = new();
        IntersectionHistory history = new(_place.At("intersections"), TimeSpan.FromDays(30), time);
        string[] ids = [.. Enumerable.Range(0, 1000).Select(i => $"id{i}")];
        history.Add("retailer", "1", history.Hash(ids));

        time.Advance(TimeSpan.FromDays(29));
        Assert.Equal(3, history.SmallestDifference("retailer", "2", history.Hash(ids[3..])));
        Assert.Equal(0, history.Prune());
        time.Advance(TimeSpan.FromDays(1));
        Assert.Null(history.SmallestDifference("retailer", "2", history.Hash(ids[3..])));
        Assert.Equal(1, history.Prune());
        Assert.Empty(Directory.EnumerateFiles(_place.At("intersections"), "*.rows", SearchOption.AllDirectories));
        Assert.True(File.Exists(_place.At("intersections/key")));
    }

    private static JsonElement Open(NodeFixture fixture, SignedJob job, SealedReport part)
    {
        string text = Encoding.UTF8.GetString(ReportSeal.Open(job.Specification.Job, part, fixture.Analyst).Content);
        Assert.Empty(Faults(text));
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    private static IReadOnlyList<string> Faults(string preflight) => JsonSchemaValidator.Validate(Checkout.Read("docs/preflight.schema.json"), preflight);

    private static JobSpecification Specification(Family family, double holdout = 0.2, uint iterations = 30) => JobSpecification.FromMessage(new JobSpec
    {
        Version = 1,
        Job = new string('0', 32),
        Kind = JobKind.Train,
        LabelParty = new PartyRef { Name = "bank", Fingerprint = Google.Protobuf.ByteString.CopyFrom(new byte[32]) },
        FeatureParty = new PartyRef { Name = "retailer", Fingerprint = Google.Protobuf.ByteString.CopyFrom([.. Enumerable.Repeat((byte)1, 32)]) },
        Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
        Train = new TrainSpec { Family = family, L2 = 1e-3, MaxIterations = iterations },
        Holdout = holdout,
        DeadlineSeconds = 60,
        Payloads = Payloads.Full,
    });
}
