using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Google.Protobuf;
using global::VertFed.Operations.Doctor;
using VertFed.PartyNode.Operations;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.UnitTests.Cli;
using VertFed.UnitTests.PartyNode;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Operations;

public sealed class DoctorTests
{
    private static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(0, DoctorVerdict.Ok)]
    [InlineData(31, DoctorVerdict.Ok)]
    [InlineData(-31, DoctorVerdict.Ok)]
    [InlineData(33, DoctorVerdict.Warn)]
    [InlineData(-33, DoctorVerdict.Warn)]
    public void A_clock_that_differs_by_more_than_30_seconds_beyond_doubt_is_warned_of(int seconds, DoctorVerdict expected) =>
        Assert.Equal(expected, NodeChecks.Clock(Now, Now.AddSeconds(seconds), TimeSpan.FromSeconds(1)).Verdict);

    [Theory]
    [InlineData(-10, 100, DoctorVerdict.Ok)]
    [InlineData(-10, 20, DoctorVerdict.Warn)]
    [InlineData(-10, -1, DoctorVerdict.Fail)]
    [InlineData(1, 100, DoctorVerdict.Fail)]
    public void A_certificate_is_held_to_its_dates(int fromDays, int toDays, DoctorVerdict expected)
    {
        DoctorLine line = NodeChecks.Validity("certificate", "bank", Now.AddDays(fromDays), Now.AddDays(toDays), Now);

        Assert.Equal(expected, line.Verdict);
        Assert.Equal(expected == DoctorVerdict.Ok, line.Advice.Length == 0);
    }

    [Fact]
    public void An_address_in_use_is_warned_of_and_one_of_another_machine_fails()
    {
        using Socket other = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();

        Assert.Equal(DoctorVerdict.Warn, NodeChecks.Address("listen", (IPEndPoint)other.LocalEndPoint!).Verdict);
        Assert.Equal(DoctorVerdict.Fail, NodeChecks.Address("listen", new IPEndPoint(IPAddress.Parse("192.0.2.1"), 7400)).Verdict);
    }

    [Fact]
    public async Task A_check_that_throws_has_failed_and_the_others_go_on()
    {
        var output = new StringWriter();
        var report = new DoctorReport(output);
        await report.CheckAsync("first", "mend it", DoctorLine () => throw new InvalidOperationException("customer 4711"));
        await report.CheckAsync("second", "", () => DoctorLine.Ok("second", "well"));

        Assert.True(report.HasFailed);
        Assert.Equal([DoctorVerdict.Fail, DoctorVerdict.Ok], report.Lines.Select(line => line.Verdict));
        Assert.DoesNotContain("4711", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_data_folder_that_others_may_read_is_warned_of_and_the_probe_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherRead);
        var report = new DoctorReport(TextWriter.Null);
        await NodeChecks.DataFolderAsync(report, folder.Path);

        Assert.Contains(report.Lines, line => line.Check == "data folder" && line.Advice == $"chmod 700 {folder.Path}");
        Assert.Contains(report.Lines, line => line.Check == "disk speed" && line.Finding.EndsWith("MiB/s, durable", StringComparison.Ordinal));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public async Task A_party_whose_set_up_is_right_passes_and_no_secret_is_printed()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        fixture.StartNode(Role.LabelParty);
        (int code, Dictionary<string, DoctorLine> lines, string text) = await ExamineAsync(fixture.WriteConfiguration(Role.LabelParty));

        Assert.True(code == 0, text);
        Assert.All(new[] { "configuration", "identity", "certificate", "store", "coordinator", "clock", "data" }, check => Assert.Equal(DoctorVerdict.Ok, lines[check].Verdict));
        Assert.DoesNotContain(File.ReadAllText(Path.Combine(fixture.Folder, "bank", "secrets.key")).Trim(), text, StringComparison.Ordinal);
        Assert.DoesNotContain("PLANTED", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_party_with_another_pin_a_loose_key_or_no_coordinator_fails_and_each_line_says_which()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        string config = fixture.WriteConfiguration(Role.LabelParty);
        string good = File.ReadAllText(config);
        string pin = good.Split('\n').Single(line => line.StartsWith("coordinator_fingerprint:", StringComparison.Ordinal));
        File.WriteAllText(config, good.Replace(pin, "coordinator_fingerprint: " + new string('0', 64), StringComparison.Ordinal));
        (int code, Dictionary<string, DoctorLine> lines, _) = await ExamineAsync(config);
        Assert.Equal((1, DoctorVerdict.Fail), (code, lines["coordinator"].Verdict));
        Assert.Contains("not the pinned one", lines["coordinator"].Finding, StringComparison.Ordinal);

        File.WriteAllText(config, good);
        await fixture.StopCoordinatorAsync();
        (code, lines, _) = await ExamineAsync(config);
        Assert.Equal((1, DoctorVerdict.Fail, DoctorVerdict.Warn), (code, lines["coordinator"].Verdict, lines["clock"].Verdict));

        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(Path.Combine(fixture.Folder, "bank.pem"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
            (code, lines, _) = await ExamineAsync(config);
            Assert.Equal((1, DoctorVerdict.Fail), (code, lines["identity"].Verdict));
        }
    }

    [Fact]
    public async Task A_store_whose_history_or_files_stayed_behind_is_warned_of()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        global::VertFed.PartyNode.Configuration.PartyConfig config = global::VertFed.PartyNode.Configuration.PartyConfig.Load(fixture.WriteConfiguration(Role.LabelParty));
        Assert.Contains("intersections", Look(JobKind.Train, daysAgo: 1), StringComparison.Ordinal);
        Assert.Contains("scores.csv", Look(JobKind.Train, daysAgo: 400), StringComparison.Ordinal);
        Assert.Contains("scores.csv", Look(JobKind.Score, daysAgo: 1), StringComparison.Ordinal);
        Directory.CreateDirectory(Path.Combine(config.DataDirectory, "jobs"));
        Assert.Equal("", Look(JobKind.Score, daysAgo: 1));
        Assert.Equal("", Look(JobKind.Horizontal, daysAgo: 1));
        Directory.CreateDirectory(Path.Combine(config.DataDirectory, "intersections"));
        Assert.Equal("", Look(JobKind.Train, daysAgo: 1));

        string Look(JobKind kind, int daysAgo)
        {
            SignedJobSpec spec = new() { Spec = new JobSpec { Kind = kind }.ToByteString() };
            PartyJob job = new()
            {
                Job = new string('1', 32), Attempt = 1, Role = Role.LabelParty, SignedSpec = spec.ToByteArray(), State = JobState.Done,
                ReceivedUnixMs = 0, EndedUnixMs = Now.AddDays(-daysAgo).ToUnixTimeMilliseconds(),
            };
            DoctorLine line = PartyDoctor.KeptFiles(config, [job], Now);
            return line.Verdict == DoctorVerdict.Ok ? "" : line.Finding + line.Advice;
        }
    }

    [Fact]
    public async Task The_doctor_makes_nothing()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        string config = fixture.WriteConfiguration(Role.LabelParty);
        string[] before = Directory.GetFileSystemEntries(fixture.Folder, "*", SearchOption.AllDirectories);

        _ = await ExamineAsync(config);

        Assert.Equal(before.Order(), Directory.GetFileSystemEntries(fixture.Folder, "*", SearchOption.AllDirectories).Order());
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task The_command_shows_the_machine_and_each_configuration_and_fails_where_one_does()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("coordinator.yaml"), "listen: 127.0.0.1:0\ncolour: red\n");
        CapturedTerminal terminal = new();

        int code = await terminal.RunAsync("doctor", "--config", folder.File("coordinator.yaml"), "--json");

        using JsonDocument json = JsonDocument.Parse(terminal.Output);
        JsonElement[] sections = [.. json.RootElement.GetProperty("sections").EnumerateArray()];
        Assert.Equal(1, code);
        Assert.True(json.RootElement.GetProperty("failed").GetBoolean());
        Assert.Equal(["system", "runtime", "processor", "memory"], sections[0].GetProperty("checks").EnumerateArray().Select(check => check.GetProperty("check").GetString()));
        JsonElement wrong = Assert.Single(sections[1].GetProperty("checks").EnumerateArray());
        Assert.Equal("configuration", wrong.GetProperty("check").GetString());
        Assert.Equal("fail", wrong.GetProperty("verdict").GetString());
    }

    private static async Task<(int Code, Dictionary<string, DoctorLine> Lines, string Text)> ExamineAsync(string config)
    {
        var output = new StringWriter();
        int code = await PartyDoctor.RunAsync(config, output, TimeProvider.System);
        var lines = new Dictionary<string, DoctorLine>(StringComparer.Ordinal);
        foreach (string text in output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using JsonDocument json = JsonDocument.Parse(text);
            JsonElement root = json.RootElement;
            string check = root.GetProperty("check").GetString()!;
            lines[check] = new DoctorLine(
                check, Enum.Parse<DoctorVerdict>(root.GetProperty("verdict").GetString()!, ignoreCase: true), root.GetProperty("finding").GetString()!, root.GetProperty("advice").GetString()!);
        }

        return (code, lines, output.ToString());
    }
}
