using System.Globalization;
using System.Text.Json;
using System.Xml.Linq;
using VertFed.Cli.Simulate;
using Xunit;

namespace VertFed.UnitTests.Cli;

public sealed class SimulateCommandTests
{
    [Fact]
    public async Task A_simulation_prints_json_and_writes_a_plot_that_are_the_same_each_time()
    {
        using TemporaryPath folder = new();
        string data = Write(folder, Rows(400));
        (int code, string first, _) = await Run("--data", data, "--clients", "10", "--rounds", "8", "--partition", "dirichlet:0.5", "--strategy", "fedprox:0.01", "--json", "--plot", folder.File("a.svg"));
        Assert.Equal(0, code);
        (_, string second, _) = await Run("--data", data, "--clients", "10", "--rounds", "8", "--partition", "dirichlet:0.5", "--strategy", "fedprox:0.01", "--json", "--threads", "3", "--plot", folder.File("b.svg"));
        Assert.Equal(first, second);
        Assert.Equal(File.ReadAllText(folder.File("a.svg")), File.ReadAllText(folder.File("b.svg")));

        using JsonDocument json = JsonDocument.Parse(first);
        Assert.Equal("auc", json.RootElement.GetProperty("score").GetString());
        Assert.Equal(8, json.RootElement.GetProperty("rounds").GetArrayLength());
        Assert.True(json.RootElement.GetProperty("rounds")[7].GetProperty("score").GetDouble() > 0.9);
        Assert.Equal((320, 80), (json.RootElement.GetProperty("train_rows").GetInt32(), json.RootElement.GetProperty("test_rows").GetInt32()));
        XNamespace svg = "http://www.w3.org/2000/svg";
        XDocument plot = XDocument.Load(folder.File("a.svg"));
        Assert.Equal(4, plot.Descendants(svg + "polyline").Count());
        Assert.Equal(8, plot.Descendants(svg + "polyline").First().Attribute("points")!.Value.Split(' ').Length);
    }

    [Theory]
    [InlineData("go beyond the largest seed", "--seed", "18446744073709551615", "--seeds", "2")]
    [InlineData("its folder does not exist", "--plot", "/nowhere/plot.svg")]
    public async Task What_could_not_be_done_in_the_end_is_refused_before_anything_runs(string why, params string[] options)
    {
        using TemporaryPath folder = new();
        (int code, string output, string error) = await Run(["--data", Write(folder, Rows(50)), "--clients", "2", "--rounds", "1", .. options]);
        Assert.Equal((2, ""), (code, output));
        Assert.Contains(why, error, StringComparison.Ordinal);
        Assert.DoesNotContain("round 1", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_last_seed_of_all_can_be_compared_with()
    {
        using TemporaryPath folder = new();
        (int code, string output, string error) = await Run(
            "--data", Write(folder, Rows(100)), "--clients", "2", "--rounds", "1", "--seed", "18446744073709551615", "--strategy", "fedavg", "--strategy", "median");
        Assert.True(code == 0, error);
        Assert.Contains("median", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_table_tells_rounds_and_clients()
    {
        using TemporaryPath folder = new();
        (int code, string output, string error) = await Run("--data", Write(folder, Rows(200)), "--clients", "5", "--rounds", "3", "--model", "mlp:4", "--slowest", "0.5", "--strategy", "norm-bound:0.5", "--compression", "quantise:8", "--plot", folder.File("a.svg"));
        Assert.Equal(0, code);
        foreach (string part in (string[])["norm-bound:0.5, iid, quantise:8, seed 1: 160 rows at 5 clients", "kB up", "kB down", "worst decile", "Set aside or weakened by the strategy: client "])
        {
            Assert.Contains(part, output, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("ε", output, StringComparison.Ordinal);
        Assert.Contains("round 3 of 3", error, StringComparison.Ordinal);
        Assert.Contains("a.svg", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_a_terminal_progress_is_one_line_that_ends_before_anything_else_is_said()
    {
        using TemporaryPath folder = new();
        CapturedTerminal terminal = new(errorIsTerminal: true);
        Assert.Equal(0, await terminal.RunAsync("simulate", "--data", Write(folder, Rows(100)), "--clients", "4", "--rounds", "3", "--strategy", "fedavg", "--strategy", "median"));
        string[] lines = terminal.Error.Split('\n');
        Assert.Equal(9, lines[0].Split('\r').Length - 1);
        Assert.StartsWith("\r[#", lines[0], StringComparison.Ordinal);
        Assert.Contains("run 3 of 3, round 3 of 3", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("done in", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scores_are_shown_by_a_declared_column_and_privacy_by_round()
    {
        using TemporaryPath folder = new();
        string data = Write(folder, "y,a,g\n" + string.Join('\n', Enumerable.Range(0, 300).Select(i => $"{i % 7 / 4},{i % 7},{(i % 3 == 0 ? 1 : 2)}")) + "\n");
        (int code, string output, _) = await Run("--data", data, "--clients", "20", "--rounds", "4", "--by", "g", "--selection", "poisson", "--clip", "1", "--noise", "0.5", "--json");
        Assert.Equal(0, code);
        using JsonDocument json = JsonDocument.Parse(output);
        JsonElement[] groups = [.. json.RootElement.GetProperty("groups").EnumerateArray()];
        Assert.Equal("g", json.RootElement.GetProperty("by").GetString());
        Assert.Equal([1, 2], groups.Select(group => group.GetProperty("value").GetDouble()));
        Assert.Equal(60, groups.Sum(group => group.GetProperty("rows").GetInt32()));
        double[] epsilon = [.. json.RootElement.GetProperty("rounds").EnumerateArray().Select(round => round.GetProperty("epsilon").GetDouble())];
        Assert.Equal(epsilon.Order(), epsilon);
        Assert.True(epsilon[0] > 0);
        Assert.Equal(2, (await Run("--data", data, "--clients", "20", "--by", "nothing")).Code);
        Assert.Equal(2, (await Run("--data", data, "--clients", "20", "--clip", "1")).Code);
    }

    [Fact]
    public async Task Several_strategies_and_seeds_make_one_table_against_all_rows_in_one_place()
    {
        using TemporaryPath folder = new();
        string data = Write(folder, Rows(300));
        string[] run = ["--data", data, "--clients", "6", "--rounds", "3", "--partition", "shards:1", "--strategy", "fedavg", "--strategy", "median", "--strategy", "fedbuff:2", "--seeds", "2"];
        (int code, string table, string error) = await Run([.. run, "--plot", folder.File("c.svg")]);
        Assert.Equal(0, code);
        Assert.Contains("run 7 of 8", error, StringComparison.Ordinal);
        Assert.Equal(["strategy", "---", "all rows in one place", "`fedavg`", "`median`", "`fedbuff:2`"], table.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('|')[1].Trim()));
        XNamespace svg = "http://www.w3.org/2000/svg";
        XDocument plot = XDocument.Load(folder.File("c.svg"));
        Assert.Equal((6, 6), (plot.Descendants(svg + "polyline").Count(), plot.Descendants(svg + "polygon").Count()));
        Assert.Subset(plot.Descendants(svg + "text").Select(text => text.Value).ToHashSet(StringComparer.Ordinal), new HashSet<string>(["fedavg", "median", "fedbuff:2", "round", "auc"], StringComparer.Ordinal));

        using JsonDocument json = JsonDocument.Parse((await Run([.. run, "--json"])).Output);
        JsonElement[] strategies = [.. json.RootElement.GetProperty("strategies").EnumerateArray()];
        Assert.InRange(strategies.Sum(strategy => strategy.GetProperty("best").GetInt32()), 2, 6);
        Assert.All(strategies, strategy => Assert.True(strategy.GetProperty("score").GetProperty("deviation").GetDouble() > 0));
        Assert.Equal(2, (await Run([.. run, "--strategy", "fedavg"])).Code);
        Assert.Equal(2, (await Run([.. run, "--secure"])).Code);
    }

    [Fact]
    public async Task What_the_library_has_can_be_run_by_an_option()
    {
        using TemporaryPath folder = new();
        string data = Write(folder, Rows(200));
        string[] plain = ["--data", data, "--clients", "6", "--rounds", "2", "--json"];
        JsonElement secure = await Json("--secure", "--clip", "1", "--noise-at", "clients");
        Assert.True(secure.GetProperty("secure").GetBoolean());
        Assert.True(secure.GetProperty("rounds")[1].GetProperty("epsilon").GetDouble() > 0);
        JsonElement personal = await Json("--personal", "fine-tune:2");
        Assert.Equal("fine-tune:2", personal.GetProperty("personal").GetProperty("name").GetString());
        Assert.True(personal.GetProperty("own_test").GetBoolean());
        Assert.Equal(2, (await Json("--strategy", "ifca:2")).GetProperty("cluster_sizes").GetArrayLength());
        Assert.True((await Json("--strategy", "fedbuff:3", "--slowest", "0.2")).GetProperty("rounds")[1].GetProperty("staleness").GetDouble() >= 0);
        Assert.Equal("fedmd:20", (await Json("--strategy", "fedmd", "--public", "0.3")).GetProperty("strategy").GetString());
        Assert.True((await Json("--record-privacy", "1.5")).GetProperty("rounds")[0].GetProperty("epsilon").GetDouble() > 0);
        Assert.True((await Json("--selection", "by-availability", "--availability", "0.3")).GetProperty("rounds").EnumerateArray().Sum(round => round.GetProperty("answered").GetInt32()) < 12);
        Assert.True((await Json("--selection", "poisson", "--clip", "1", "--clip-quantile", "0.5")).GetProperty("rounds")[1].GetProperty("epsilon").GetDouble() > 0);

        async Task<JsonElement> Json(params string[] more)
        {
            (int code, string output, string error) = await Run([.. plain, .. more]);
            Assert.True(code == 0, error);
            return JsonDocument.Parse(output).RootElement;
        }
    }

    [Theory]
    [InlineData("y,a\n1,2\n0\n", 3, "line 3: the line has fewer cells")]
    [InlineData("y,a\n1,2\n0,1,1\n", 3, "line 3: the line has more cells")]
    [InlineData("y,a\n1,2\n0,secret\n", 3, "line 3: column 'a'")]
    [InlineData("z,a\n1,2\n0,1\n", 3, "line 1: there is no label column 'y'")]
    [InlineData("y,a,a\n1,2,3\n", 3, "line 1: a column name")]
    [InlineData("", 3, "line 1: the file is empty")]
    [InlineData("y,a\n1,2\n2,1\n0,1\n", 3, "data.csv, line 3, column 'y': A logistic model takes labels 0 and 1")]
    public async Task Files_that_are_no_such_table_are_refused_by_line_and_column(string text, int exitCode, string message)
    {
        using TemporaryPath folder = new();
        (int code, _, string error) = await Run("--data", Write(folder, text), "--clients", "1");
        Assert.Equal(exitCode, code);
        Assert.Contains(message, error, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--strategy", "fedwhat")]
    [InlineData("--partition", "halves")]
    [InlineData("--partition", "dirichlet")]
    [InlineData("--model", "forest")]
    [InlineData("--model", "mlp:0")]
    [InlineData("--optimiser", "lion")]
    [InlineData("--clients", "1000")]
    [InlineData("--fraction", "2")]
    [InlineData("--selection", "best")]
    [InlineData("--availability", "0.5")]
    [InlineData("--noise-at", "clients")]
    [InlineData("--personal", "ditto")]
    [InlineData("--strategy", "fedbuff")]
    [InlineData("--seeds", "0")]
    public async Task Options_that_cannot_work_are_a_usage_error(string option, string value)
    {
        using TemporaryPath folder = new();
        (int code, _, string error) = await Run("--data", Write(folder, Rows(50)), option, value);
        Assert.Equal(2, code);
        Assert.NotEmpty(error);
    }

    [Fact]
    public void Ticks_are_round_numbers_around_the_range()
    {
        Assert.Equal([0, 20, 40, 60, 80, 100], SvgPlot.TickValues(0, 100, 5));
        double[] ticks = SvgPlot.TickValues(0.71, 0.78, 5);
        Assert.True(ticks[0] <= 0.71 && ticks[^1] >= 0.78 - 1e-12 && ticks.Length <= 8);
        Assert.Equal(2, SvgPlot.TickValues(3, 3, 5).Length);
    }

    private static string Write(TemporaryPath folder, string text)
    {
        string path = folder.File("data.csv");
        File.WriteAllText(path, text);
        return path;
    }

    private static string Rows(int count)
    {
        IEnumerable<string> lines = Enumerable.Range(0, count).Select(i =>
        {
            double a = Math.Sin(i * 12.9898) * 3;
            double b = Math.Cos(i * 78.233) * 100;
            return string.Create(CultureInfo.InvariantCulture, $"{i},{(a + (b / 50) > 0 ? 1 : 0)},{a:0.000},{b:0.000}");
        });
        return "id,y,a,b\n" + string.Join('\n', lines) + "\n";
    }

    private static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        CapturedTerminal terminal = new();
        int code = await terminal.RunAsync(["simulate", .. arguments]);
        return (code, terminal.Output, terminal.Error);
    }
}
