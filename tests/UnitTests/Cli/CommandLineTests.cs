using System.CommandLine;
using System.Text.Json;
using VertFed.Cli;
using VertFed.Protocol;
using Xunit;

namespace VertFed.UnitTests.Cli;

public sealed class CommandLineTests
{
    private readonly CapturedTerminal _terminal = new();

    [Theory]
    [InlineData("frobnicate", "'frobnicate'")]
    [InlineData("job frobnicate", "'frobnicate'")]
    [InlineData("job watch not-an-id", "is not a job id")]
    [InlineData("job watch 0123456789ABCDEF0123456789ABCDEF", "is not a job id")]
    [InlineData("job submit", "Required argument missing")]
    [InlineData("demo --family poisson", "'poisson'")]
    [InlineData("demo --l2 0,001", "'0,001' for --l2")]
    [InlineData("demo --l2 0", "'0' for --l2")]
    [InlineData("demo --l2 NaN", "'NaN' for --l2")]
    [InlineData("demo --holdout 0.95", "'0.95' for --holdout")]
    [InlineData("demo --seed -1", "-1")]
    [InlineData("sample --rows 20000", "--out")]
    [InlineData("sample --rows 5 --out x", "'5' for --rows")]
    [InlineData("sample --overlap 1.5 --out x", "'1.5' for --overlap")]
    [InlineData("coordinator", "--config")]
    [InlineData("party", "--config")]
    public async Task A_wrong_command_line_is_exit_code_2_with_a_line_that_says_why(string line, string expected)
    {
        Assert.Equal(2, await _terminal.RunAsync(line.Split(' ')));
        Assert.Contains(expected, _terminal.Error, StringComparison.Ordinal);
        Assert.Contains("--help", _terminal.Error, StringComparison.Ordinal);
        Assert.Equal("", _terminal.Output);
    }

    [Fact]
    public async Task No_command_shows_the_help_on_standard_error()
    {
        Assert.Equal(2, await _terminal.RunAsync());
        Assert.Contains("demo", _terminal.Error, StringComparison.Ordinal);
        Assert.Equal("", _terminal.Output);
    }

    [Fact]
    public async Task Help_that_is_asked_for_goes_to_standard_output()
    {
        Assert.Equal(0, await _terminal.RunAsync("job", "submit", "--help"));
        Assert.Contains("vertfed job submit", _terminal.Output, StringComparison.Ordinal);
        Assert.Equal("", _terminal.Error);
    }

    [Fact]
    public async Task Version_is_printed_plain_and_as_JSON()
    {
        Assert.Equal(0, await _terminal.RunAsync("version"));
        Assert.Equal(SoftwareVersion.Current, _terminal.Output.Trim());
        CapturedTerminal json = new();
        Assert.Equal(0, await json.RunAsync("version", "--json"));
        Assert.Equal(SoftwareVersion.Current, JsonDocument.Parse(json.Output).RootElement.GetProperty("version").GetString());
    }

    [Fact]
    public void Every_job_command_has_json()
    {
        Command job = Assert.Single(CommandLine.Create(_terminal.Terminal).Subcommands, command => command.Name == "job");
        Assert.Equal(["cancel", "check", "list", "models", "report", "submit", "watch"], job.Subcommands.Select(command => command.Name).Order());
        Assert.All(job.Subcommands, command => Assert.Contains(command.Options, option => option.Name == "--json"));
    }

    [Fact]
    public async Task An_unreachable_coordinator_is_exit_code_5_and_is_named()
    {
        using TemporaryPath folder = new();
        string key = folder.File("analyst.pem");
        Assert.Equal(0, await new CapturedTerminal().RunAsync("identity", "create", key));
        Assert.Equal(5, await _terminal.RunAsync(
            "job", "list", "--coordinator", "https://127.0.0.1:1", "--coordinator-fingerprint", new string('a', 64), "--identity", key));
        Assert.StartsWith("vertfed: The coordinator at https://127.0.0.1:1/ cannot be reached", _terminal.Error, StringComparison.Ordinal);
        Assert.Single(_terminal.Error.Trim().Split('\n'));
    }

    [Theory]
    [InlineData("127.0.0.1:7400")]
    [InlineData("ftp://127.0.0.1")]
    [InlineData("http://127.0.0.1:7400")]
    [InlineData("/tmp")]
    public async Task A_wrong_address_is_exit_code_2(string address)
    {
        Assert.Equal(2, await _terminal.RunAsync("job", "list", "--coordinator", address));
        Assert.Contains($"'{address}'", _terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_job_file_is_exit_code_2_and_is_named()
    {
        using TemporaryPath folder = new();
        string key = folder.File("analyst.pem");
        Assert.Equal(0, await _terminal.RunAsync("identity", "create", key));
        Assert.Equal(2, await _terminal.RunAsync("job", "submit", folder.File("none.yaml"), "--identity", key, "--coordinator", "https://127.0.0.1:1", "--coordinator-fingerprint", new string('a', 64)));
        Assert.Contains("none.yaml", _terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_identity_is_made_once_shown_and_never_overwritten()
    {
        using TemporaryPath folder = new();
        string key = folder.File("key.pem");
        Assert.Equal(0, await _terminal.RunAsync("identity", "create", key));
        string fingerprint = _terminal.Output.Trim();
        Assert.Matches("^[0-9a-f]{64}$", fingerprint);

        CapturedTerminal show = new();
        Assert.Equal(0, await show.RunAsync("identity", "show", key, "--json"));
        Assert.Equal(fingerprint, JsonDocument.Parse(show.Output).RootElement.GetProperty("fingerprint").GetString());

        byte[] before = File.ReadAllBytes(key);
        CapturedTerminal again = new();
        Assert.Equal(2, await again.RunAsync("identity", "create", key));
        Assert.Equal(before, File.ReadAllBytes(key));
    }

    [Fact]
    public async Task An_out_folder_that_is_not_empty_is_refused_and_left_alone()
    {
        using TemporaryPath folder = new();
        File.WriteAllText(folder.File("mine.txt"), "mine");
        Assert.Equal(2, await _terminal.RunAsync("demo", "--out", folder.Folder));
        Assert.Contains("is not empty", _terminal.Error, StringComparison.Ordinal);
        Assert.Equal(["mine.txt"], Directory.EnumerateFileSystemEntries(folder.Folder).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("bank.csv")]
    [InlineData("retailer.csv")]
    public async Task A_missing_data_file_is_exit_code_3_named_and_in_the_report(string missing)
    {
        using TemporaryPath folder = new();
        string data = folder.File("data");
        Directory.CreateDirectory(data);
        foreach (string name in (string[])["bank.csv", "retailer.csv"])
        {
            if (name != missing)
            {
                File.WriteAllText(Path.Combine(data, name), "id,y,x\n1,0,1\n");
            }
        }

        Assert.Equal(3, await _terminal.RunAsync("demo", "--data", data, "--out", folder.File("out")));
        Assert.Contains(missing, _terminal.Error, StringComparison.Ordinal);
        JsonElement report = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder.File("out"), "report.json"))).RootElement;
        Assert.Equal("failed", report.GetProperty("status").GetString());
        Assert.Equal("BadInput", report.GetProperty("error").GetProperty("code").GetString());
    }
}
