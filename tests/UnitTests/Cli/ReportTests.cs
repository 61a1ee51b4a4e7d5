using VertFed.Cli;
using VertFed.Cli.Reports;
using VertFed.Protocol;
using Xunit;

namespace VertFed.UnitTests.Cli;

public sealed class ReportTests
{
    private static readonly Report s_bank = new()
    {
        Job = "0123456789abcdef0123456789abcdef",
        Align = new AlignSection { Protocol = "p", BankRows = 10, RetailerRows = 20, Intersection = 5, Seconds = 1, Bytes = 100 },
        Train = new TrainSection { Rows = 4, Iterations = 3, Converged = true, Seconds = 2, Bytes = 200, GradientNorm = 0.5, LogLoss = 0.4, ClippedRows = 1 },
        Test = new TestSection { Rows = 1, Auc = 0.75, AucLabelPartyOnly = 0.5 },
        Coefficients = new CoefficientSection { Bank = new Dictionary<string, double> { ["(intercept)"] = -1, ["income"] = 0.25 } },
        Guards = [new GuardEntry("rows per feature", 200, 300, "pass")],
        Disclosures = [new DisclosureEntry("bank", "own gradient block", 3, "MaskedScalars")],
    };

    private static readonly Report s_retailer = s_bank with
    {
        Align = s_bank.Align! with { Seconds = 1.5, IntersectionSha256 = new string('a', 64) },
        Train = s_bank.Train! with { Converged = false, LogLoss = null, ClippedRows = 2 },
        Test = null,
        Coefficients = new CoefficientSection { Retailer = new Dictionary<string, double> { ["basket"] = 0.125 } },
        Guards = [new GuardEntry("rows per feature", 200, 300, "pass"), new GuardEntry("rows per feature", 200, 250, "pass")],
        Disclosures = [new DisclosureEntry("retailer", "own gradient block", 2, "MaskedScalars")],
    };

    [Theory]
    [InlineData("", "done")]
    [InlineData("retailer", "complete, not co-signed by retailer")]
    [InlineData("bank,retailer", "complete, not co-signed by bank and retailer")]
    public void A_done_job_says_whose_co_signature_is_missing(string missing, string says)
    {
        string[] names = missing.Length == 0 ? [] : missing.Split(',');
        VertFed.Protocol.V1.JobStatus status = new() { Job = "j", State = VertFed.Protocol.V1.JobState.Done, NotCoSigned = { names } };
        using StringWriter text = new();
        ReportText.Write(new Terminal(text, text, outputIsTerminal: false, errorIsTerminal: false).OutputConsole(), s_bank with { Status = ReportStatus.Done, NotCoSigned = names });

        Assert.Equal(says, VertFed.Cli.Jobs.JobOutcomes.Describe(status));
        Assert.Contains(says, VertFed.Cli.Jobs.JobStatusText.Line(status), StringComparison.Ordinal);
        Assert.Contains(says, text.ToString(), StringComparison.Ordinal);
        Assert.Equal("running", VertFed.Cli.Jobs.JobOutcomes.Describe(new VertFed.Protocol.V1.JobStatus { State = VertFed.Protocol.V1.JobState.Running, NotCoSigned = { names } }));
    }

    [Fact]
    public void Merging_takes_from_each_part_what_the_other_lacks()
    {
        Report merged = ReportMerger.Merge(new Report { Status = ReportStatus.Done, Family = "logistic" }, s_bank, s_retailer);
        Assert.Equal("logistic", merged.Family);
        Assert.Equal(1.5, merged.Align!.Seconds);
        Assert.Equal(new string('a', 64), merged.Align.IntersectionSha256);
        Assert.Equal(0.4, merged.Train!.LogLoss);
        Assert.False(merged.Train.Converged);
        Assert.Equal(2, merged.Train.ClippedRows);
        Assert.Equal(0.75, merged.Test!.Auc);
        Assert.Equal(0.25, merged.Coefficients!.Bank!["income"]);
        Assert.Equal(0.125, merged.Coefficients.Retailer!["basket"]);
        Assert.Equal(2, merged.Guards.Count);
        Assert.Equal(["bank", "retailer"], merged.Disclosures.Select(entry => entry.Party));
    }

    [Fact]
    public void Merging_with_one_part_or_none_keeps_the_frame()
    {
        Report frame = new() { Status = ReportStatus.Failed, Error = new ReportError("BadInput", "retailer", "", "no") };
        Assert.Equal(s_bank.Align, ReportMerger.Merge(frame, s_bank, null).Align);
        Assert.Equal(s_retailer.Coefficients!.Retailer, ReportMerger.Merge(frame, null, s_retailer).Coefficients!.Retailer);
        Report empty = ReportMerger.Merge(frame, null, null);
        Assert.Null(empty.Align);
        Assert.Null(empty.Coefficients);
        Assert.Equal("BadInput", empty.Error!.Code);
    }

    [Fact]
    public void A_written_report_reads_back_the_same_and_leaves_nothing_beside_it()
    {
        using TemporaryPath folder = new();
        string path = folder.File("report.json");
        ReportFile.Write(path, s_bank);
        ReportFile.Write(path, s_retailer);
        Assert.Equal(ReportFile.Serialise(s_retailer), ReportFile.Serialise(ReportFile.ReadIfPresent(path)!));
        Assert.Equal(["report.json"], Directory.EnumerateFileSystemEntries(folder.Folder).Select(Path.GetFileName));
    }

    [Fact]
    public void A_report_that_cannot_be_written_leaves_the_old_one()
    {
        using TemporaryPath folder = new();
        string path = folder.File("report.json");
        Directory.CreateDirectory(path);
        VertFedException error = Assert.Throws<VertFedException>(() => ReportFile.Write(path, s_bank));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Equal(["report.json"], Directory.EnumerateFileSystemEntries(folder.Folder).Select(Path.GetFileName));
    }

    [Fact]
    public void No_report_is_null()
    {
        using TemporaryPath folder = new();
        Assert.Null(ReportFile.ReadIfPresent(folder.File("report.json")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{\"schema\":2}")]
    [InlineData("{\"schema\":1,\"schema\":1}")]
    [InlineData("{\"schema\":1,\"guards\":[{\"name\":5}]}")]
    [InlineData("{\"schema\":1")]
    public void A_part_that_is_no_report_is_refused_with_its_origin(string text)
    {
        VertFedException error = Assert.Throws<VertFedException>(() => ReportFile.Parse(System.Text.Encoding.UTF8.GetBytes(text), "the bank's part"));
        Assert.Equal(ErrorCode.ProtocolViolation, error.Code);
        Assert.Contains("the bank's part", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_readable_report_shows_uplift_and_largest_coefficients_first()
    {
        CapturedTerminal terminal = new();
        Report report = ReportMerger.Merge(new Report { Status = ReportStatus.Done, Family = "logistic" }, s_bank, s_retailer);
        ReportText.Write(terminal.Terminal.OutputConsole(), report, [1, 0.5]);
        Assert.Matches(@"AUC +0\.7500 +0\.5000 +\+0\.2500", terminal.Output);
        Assert.True(terminal.Output.IndexOf("(intercept)", StringComparison.Ordinal) < terminal.Output.IndexOf("income", StringComparison.Ordinal));
        Assert.Contains("3, not converged", terminal.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_readable_report_limits_the_coefficients_and_says_where_the_rest_is()
    {
        CapturedTerminal terminal = new();
        Dictionary<string, double> many = Enumerable.Range(0, 40).ToDictionary(i => $"feature{i:00}", i => (double)i);
        ReportText.Write(terminal.Terminal.OutputConsole(), s_bank with { Coefficients = new CoefficientSection { Bank = many } });
        Assert.Contains("feature39", terminal.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("feature24", terminal.Output, StringComparison.Ordinal);
        Assert.Contains("25 more in report.json", terminal.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_from_a_peer_cannot_steer_the_terminal()
    {
        CapturedTerminal terminal = new();
        Dictionary<string, double> hostile = new() { ["\u001b[2J[red]x[/]\nfake line"] = 1 };
        ReportText.Write(terminal.Terminal.OutputConsole(), s_bank with { Coefficients = new CoefficientSection { Retailer = hostile } });
        Assert.DoesNotContain('\u001b', terminal.Output);
        Assert.Contains("[red]x[/] fake line", terminal.Output, StringComparison.Ordinal);
    }
}
