using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Xunit;
using Xunit.Abstractions;

namespace VertFed.EndToEnd;

/// <summary>
/// kill -9 of real processes: the demo starts them again, and the job completes with the result of an undisturbed run. That it is the same
/// to the bit is shown in one process, where keys and seeds can be given.
/// </summary>
[Trait("Speed", "slow")]
public sealed class CrashTests(CrashTests.UndisturbedDemo undisturbed, ITestOutputHelper output) : IClassFixture<CrashTests.UndisturbedDemo>
{
    /// <summary>Set to 1, the search goes through every line that the demo prints, for each process, and not through a sample.</summary>
    private const string AllPoints = "VERTFED_ALL_KILLS";

    private const double Tolerance = 1e-9;
    private static readonly string[] s_processes = ["coordinator", "bank", "retailer"];

    /// <summary>Which process is killed after which line of an undisturbed run, and how many milliseconds later.</summary>
    public static TheoryData<string, int, int> Sample
    {
        get
        {
            TheoryData<string, int, int> points = [];
            Random random = new(20);
            for (int i = 0; i < 20; i++)
            {
                points.Add(s_processes[i % s_processes.Length], i / s_processes.Length, random.Next(400));
            }

            return points;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Sample))]
    public async Task A_job_outlives_a_process_that_is_killed(string process, int sixths, int delay)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "children are looked up in /proc");
        await RequireSameAsync([process], undisturbed.Lines[(undisturbed.Lines.Count - 1) * sixths / 6], delay);
    }

    [SkippableFact]
    public async Task A_job_outlives_two_processes_that_are_killed_at_once()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "children are looked up in /proc");
        await RequireSameAsync(["coordinator", "bank"], undisturbed.Lines[undisturbed.Lines.Count / 2], delay: 0);
        await RequireSameAsync(["bank", "retailer"], undisturbed.Lines[undisturbed.Lines.Count / 3], delay: 0);
    }

    [SkippableFact]
    public async Task A_job_outlives_a_kill_at_every_line_that_the_demo_prints()
    {
        Skip.IfNot(Environment.GetEnvironmentVariable(AllPoints) == "1", $"{AllPoints}=1 asks for it");
        Skip.IfNot(OperatingSystem.IsLinux(), "children are looked up in /proc");
        foreach (string process in s_processes)
        {
            foreach (string line in undisturbed.Lines)
            {
                foreach (int delay in new[] { 0, 100, 250 })
                {
                    await RequireSameAsync([process], line, delay);
                }
            }
        }
    }

    private async Task RequireSameAsync(string[] processes, string line, int delay)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"{string.Join('+', processes)}, {delay} ms after '{line}'");
        Stopwatch clock = Stopwatch.StartNew();
        using TemporaryFolder folder = new();
        using RunningProgram demo = undisturbed.Start(folder["out"]);
        await demo.PrintedAsync(line);
        await Task.Delay(delay);
        bool killed = false;
        foreach (string process in processes)
        {
            // The demo may have ended meanwhile: then there is nothing to kill, and the run must have succeeded all the same.
            killed |= ProcessTable.Kill(demo.Id, process + ".yaml");
        }

        ProgramResult result = await demo.EndAsync();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: killed {killed}, {clock.Elapsed.TotalSeconds:F1} s"));
        Assert.True(result.ExitCode == 0, $"{name}\n{result}");
        JsonElement report = JsonDocument.Parse(File.ReadAllText(folder["out", "report.json"])).RootElement;
        Dictionary<string, double> numbers = UndisturbedDemo.Numbers(report);
        Assert.Equal(undisturbed.Result.Keys.Order(StringComparer.Ordinal), numbers.Keys.Order(StringComparer.Ordinal));
        Assert.All(undisturbed.Result, pair => Assert.True(Math.Abs(pair.Value - numbers[pair.Key]) <= Tolerance, $"{name}: {pair.Key}"));
        if (killed && processes.Length == 1 && !result.Error.Contains("starting it again", StringComparison.Ordinal))
        {
            // Killed after the job was done: nothing had to be started again, and nothing may say that it failed.
            Assert.Equal("done", report.GetProperty("status").GetString());
        }
    }

    /// <summary>An undisturbed run on data that all runs share: what it printed from the start of the three processes on, and its result.</summary>
    public sealed class UndisturbedDemo : IAsyncLifetime, IDisposable
    {
        private const string ThreeProcesses = "run as three processes";
        private const string Iteration = "train: iteration";
        private readonly TemporaryFolder _folder = new();

        /// <summary>Those that every run prints. Phases are not among them: one that lasts moments may pass without being told.</summary>
        internal IReadOnlyList<string> Lines { get; private set; } = [];

        internal IReadOnlyDictionary<string, double> Result { get; private set; } = new Dictionary<string, double>(StringComparer.Ordinal);

        public async Task InitializeAsync()
        {
            ProgramResult sample = await RunningProgram.RunVertfedAsync(
                "sample", "--rows", "3000", "--bank-features", "3", "--retailer-features", "3", "--out", _folder["data"]);
            Assert.True(sample.ExitCode == 0, sample.ToString());
            using RunningProgram demo = Start(_folder["out"]);
            ProgramResult result = await demo.EndAsync();
            Assert.True(result.ExitCode == 0, result.ToString());

            // Without the times at the start and what differs from run to run at the end.
            Lines = [.. result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(Stable)
                .Where(line => line == ThreeProcesses || line.StartsWith("Aligned:", StringComparison.Ordinal) || line.StartsWith(Iteration, StringComparison.Ordinal))
                .Distinct(StringComparer.Ordinal)];
            Assert.True(Lines.Count >= 7, result.ToString());
            Result = Numbers(JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder["out"], "report.json"))).RootElement);
        }

        public Task DisposeAsync() => Task.CompletedTask;

        public void Dispose() => _folder.Dispose();

        internal RunningProgram Start(string outFolder) => RunningProgram.Vertfed("demo", "--data", _folder["data"], "--out", outFolder);

        /// <summary>Every coefficient and every metric.</summary>
        internal static Dictionary<string, double> Numbers(JsonElement report)
        {
            Dictionary<string, double> numbers = new(StringComparer.Ordinal);
            foreach (JsonProperty party in report.GetProperty("coefficients").EnumerateObject())
            {
                Add(party.Name, party.Value);
            }

            Add("test", report.GetProperty("test"));
            numbers["iterations"] = report.GetProperty("train").GetProperty("iterations").GetDouble();
            numbers["loss"] = report.GetProperty("train").GetProperty("log_loss").GetDouble();
            return numbers;

            void Add(string prefix, JsonElement part)
            {
                foreach (JsonProperty value in part.EnumerateObject().Where(value => value.Value.ValueKind == JsonValueKind.Number))
                {
                    numbers[$"{prefix}.{value.Name}"] = value.Value.GetDouble();
                }
            }
        }

        private static string Stable(string line)
        {
            int start = line.IndexOf("] ", StringComparison.Ordinal);
            string text = start < 0 ? line : line[(start + 2)..];
            int end = text.IndexOf(',', StringComparison.Ordinal);
            end = text.StartsWith(Iteration, StringComparison.Ordinal) ? end : text.IndexOf(": ", StringComparison.Ordinal);
            return text.Contains(ThreeProcesses, StringComparison.Ordinal) ? ThreeProcesses : end < 0 ? text : text[..(end + 1)];
        }
    }
}
