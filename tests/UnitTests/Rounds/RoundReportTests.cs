using Grpc.Net.Client;
using VertFed.Cli.Jobs;
using VertFed.Cli.Reports;
using VertFed.EndToEnd;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.Cli;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>What the submitter of a horizontal job gets to see.</summary>
public sealed class RoundReportTests
{
    [Fact]
    public async Task A_report_has_rounds_bytes_spread_and_measures_by_declared_levels_and_meets_its_schema()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(3, withRegion: true);
        fixture.StartNodes();
        SignedJob signed = fixture.NewJob(spec => (spec.ReportBy, spec.Strategy, spec.Rounds) = ("region", "norm-bound:0.5", 3));
        string job = await fixture.SubmitAsync(signed);
        JobStatus end = await fixture.EndOfAsync(job);
        Assert.True(end.State == JobState.Done, end.ToString());

        HorizontalReport report = HorizontalParts.Open(await fixture.Jobs.ReportAsync(new GetJobRequest { Job = job }), fixture.Analyst, signed.Specification);

        Assert.Empty(JsonSchemaValidator.Validate(Checkout.Read("docs/horizontal-report.schema.json"), report.Serialise()));
        Assert.Equal(("region", "accuracy"), (report.Groups!.Column, report.Spread!.Measure));
        Assert.Equal(fixture.Names, report.Parties.Select(part => part.Party));

        // The one row of another level is told of with the smaller level: what is left of the whole is no single row.
        Assert.Equal(["(other)", "a"], report.Groups.Levels.Select(line => line.Level));
        Assert.All(report.Groups.Levels, line => Assert.Equal(3, line.Parties));
        Assert.Equal(report.Parties.Sum(part => part.Rows), report.Groups.Levels.Sum(line => line.Rows));
        Assert.Equal(report.Parties.Sum(part => part.Rows * part.Loss!.Value), report.Groups.Levels.Sum(line => line.Rows * line.Loss!.Value), 1e-9);
        Assert.Equal(report.Parties.Sum(part => part.Rows * part.Accuracy!.Value), report.Groups.Levels.Sum(line => line.Rows * line.Accuracy!.Value), 1e-9);
        Assert.Equal(report.Training!.Rounds.Sum(round => (long)round.BytesUp), (long)report.Training.BytesUp);
        Assert.All(report.Training.Rounds, round => Assert.True(round is { BytesUp: > 300, BytesDown: > 300 }));
        Assert.Equal(3, report.Training.Rounds[1].Outliers.Count);

        using StringWriter text = new();
        HorizontalText.Write(new global::VertFed.Cli.Terminal(text, text, outputIsTerminal: false, errorIsTerminal: false).OutputConsole(), report);
        foreach (string part in (string[])["By region", "worst decile", "kB up", "outlier, north: ", "Who learned what", $"Job {job}: done"])
        {
            Assert.Contains(part, text.ToString(), StringComparison.Ordinal);
        }

        // A party that asks gets the parts, which it cannot open, and no table of rounds: that tells of the others.
        using GrpcChannel north = TestTls.Connect(fixture.Address, fixture.Identities[0], fixture.CoordinatorIdentity.Fingerprint);
        ReportResponse toParty = await new JobService.JobServiceClient(north).ReportAsync(new GetJobRequest { Job = job });
        Assert.Equal(3, toParty.Parts.Count);
        Assert.True(toParty.Rounds.IsEmpty);

        // The schema finds what is wrong, and a part of another party's is none.
        Assert.NotEmpty(JsonSchemaValidator.Validate(Checkout.Read("docs/horizontal-report.schema.json"), report.Serialise().Replace("\"worst_decile\"", "\"worst_tenth\"", StringComparison.Ordinal)));
        ReportResponse swapped = await fixture.Jobs.ReportAsync(new GetJobRequest { Job = job });
        (swapped.Parts[0].Party, swapped.Parts[1].Party) = (swapped.Parts[1].Party, swapped.Parts[0].Party);
        Assert.Equal(ErrorCode.DoesNotVerify, Assert.Throws<VertFedException>(() => HorizontalParts.Open(swapped, fixture.Analyst, signed.Specification)).Code);
        Assert.Throws<VertFedException>(() => HorizontalParts.Open(swapped, fixture.Analyst, null));
    }

    [Fact]
    public async Task A_job_that_reports_by_a_column_without_declared_levels_is_refused()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(2);
        fixture.StartNodes();
        JobStatus end = await fixture.EndOfAsync(await fixture.SubmitAsync(fixture.NewJob(spec => spec.ReportBy = "age")));

        Assert.Equal(JobState.Refused, end.State);
        Assert.Contains("report_by names no categorical column", end.Error.Message, StringComparison.Ordinal);
    }
}
