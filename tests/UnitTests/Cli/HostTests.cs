using Spectre.Console;
using VertFed.Cli.Hosts;
using VertFed.Cli.Jobs;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Cli;

public sealed class HostTests
{
    [Theory]
    [InlineData("build/Cli", "build/PartyNode")]
    [InlineData("bin/Cli/release", "bin/PartyNode/release")]
    public void The_other_programs_are_found_in_both_layouts(string own, string other)
    {
        using TemporaryPath folder = new();
        Directory.CreateDirectory(folder.File(own));
        Directory.CreateDirectory(folder.File(other));
        string assembly = Path.Combine(folder.File(other), "VertFed.PartyNode.dll");
        File.WriteAllText(assembly, "");
        Assert.Equal(assembly, HostLocator.Find(HostLocator.PartyNode, folder.File(own) + Path.DirectorySeparatorChar));
    }

    [Fact]
    public void A_program_that_is_not_built_is_named()
    {
        using TemporaryPath folder = new();
        VertFedException error = Assert.Throws<VertFedException>(() => HostLocator.Find(HostLocator.Coordinator, folder.Folder));
        Assert.Contains("Coordinator", error.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task A_process_whose_log_cannot_be_written_is_ended_and_the_log_is_named()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "/dev/full is Linux's");
        await using HostProcess process = HostProcess.Start("bank", HostLocator.PartyNode, ["--config", "/nowhere/party.yaml"], "/dev/full", _ => { });

        VertFedException error = await Assert.ThrowsAsync<VertFedException>(() => process.ReadyAsync(TimeSpan.FromMinutes(1), CancellationToken.None));

        Assert.Equal(ErrorCode.Usage, error.Code);
        Assert.StartsWith("'/dev/full' cannot be written", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("plain text")]
    [InlineData("[1]")]
    [InlineData("{\"event\":1}")]
    [InlineData("{\"other\":\"ready\"}")]
    [InlineData("{\"event\":\"ready\"")]
    public void A_line_that_is_no_event_is_null(string line) => Assert.Null(NodeEvent.TryParse(line));

    [Fact]
    public void An_event_gives_its_fields_by_type()
    {
        NodeEvent parsed = NodeEvent.TryParse("""{"event":"iteration","round":3,"gradient_norm":0.25,"party":"bank","final":true,"none":null}""")!;
        Assert.Equal("iteration", parsed.Name);
        Assert.Equal(3, parsed.Number("round"));
        Assert.Equal(0.25, parsed.Number("gradient_norm"));
        Assert.Equal("bank", parsed.Text("party"));
        Assert.True(parsed.Flag("final"));
        Assert.Null(parsed.Number("none"));
        Assert.Null(parsed.Number("party"));
        Assert.Equal("", parsed.Text("round"));
    }

    [Theory]
    [InlineData(JobState.Done, "", 0)]
    [InlineData(JobState.Failed, "BadInput", 3)]
    [InlineData(JobState.Failed, "PeerUnavailable", 5)]
    [InlineData(JobState.Failed, "ProtocolViolation", 6)]
    [InlineData(JobState.Failed, "Diverges", 8)]
    [InlineData(JobState.Failed, "no such code", 1)]
    [InlineData(JobState.Refused, "Refused", 4)]
    [InlineData(JobState.Refused, "BadInput", 3)]
    [InlineData(JobState.Refused, "", 4)]
    [InlineData(JobState.Cancelled, "Cancelled", 130)]
    public void A_jobs_end_is_an_exit_code(JobState state, string code, int expected) =>
        Assert.Equal(expected, JobOutcomes.ExitCode(new JobStatus { State = state, Error = new JobError { Code = code } }));

    [Fact]
    public void A_status_is_one_line_of_JSON_with_words()
    {
        string json = JobStatusText.Json(new JobStatus
        {
            Job = "j",
            State = JobState.Running,
            Phase = Phase.Train,
            Step = Step.LinkRequest,
            Round = 2,
            SubmittedUnixMs = 1000,
            Awaited = { "bank" },
        });
        Assert.DoesNotContain('\n', json);
        Assert.Contains("\"state\":\"running\"", json, StringComparison.Ordinal);
        Assert.Contains("\"step\":\"LinkRequest\"", json, StringComparison.Ordinal);
        Assert.Contains("\"submitted\":\"1970-01-01T00:00:01.000Z\"", json, StringComparison.Ordinal);
        Assert.Contains("\"ended\":null", json, StringComparison.Ordinal);
        Assert.Contains("\"error\":null", json, StringComparison.Ordinal);
        Assert.Contains("\"awaited\":[\"bank\"]", json, StringComparison.Ordinal);
    }

    [Fact]
    public void A_done_job_without_a_co_signature_says_whose_it_lacks_wherever_it_is_shown()
    {
        JobStatus status = new() { Job = "j", State = JobState.Done, NotCoSigned = { "bank", "retailer" } };
        Assert.StartsWith("j  complete, not co-signed by bank and retailer", JobStatusText.Line(status), StringComparison.Ordinal);
        Assert.Contains("\"not_co_signed\":[\"bank\",\"retailer\"]", JobStatusText.Json(status), StringComparison.Ordinal);
        using StringWriter text = new();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 300;
        console.Write(JobStatusText.Table([status]));
        Assert.Contains("complete, not co-signed by bank and retailer", text.ToString(), StringComparison.Ordinal);

        status.NotCoSigned.Clear();
        Assert.StartsWith("j  done  ", JobStatusText.Line(status), StringComparison.Ordinal);
        Assert.Contains("\"not_co_signed\":[]", JobStatusText.Json(status), StringComparison.Ordinal);
    }
}
