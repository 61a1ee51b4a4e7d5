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
        Assert.Equal(2, plot.Descendants(svg + "polyline").Count());
        Assert.Equal(8, plot.Descendants(svg + "polyline").First().Attribute("points")!.Value.Split(' ').Length);
    }

    [Fact]
    public async Task The_table_tells_rounds_and_clients()
    {
        using TemporaryPath folder = new();
        (int code, string output, string error) = await Run("--data", Write(folder, Rows(200)), "--clients", "5", "--rounds", "3", "--model", "mlp:4", "--slowest", "0.5", "--strategy", "fednova", "--compression", "quantise:8");
        Assert.Equal(0, code);
        Assert.Contains("worst decile", output, StringComparison.Ordinal);
        Assert.Contains("round 3 of 3", error, StringComparison.Ordinal);
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
        Assert.Equal([1, 2], groups.Select(group => group.GetProperty("value").GetDouble()));
        Assert.Equal(60, groups.Sum(group => group.GetProperty("rows").GetInt32()));
        double[] epsilon = [.. json.RootElement.GetProperty("rounds").EnumerateArray().Select(round => round.GetProperty("epsilon").GetDouble())];
        Assert.Equal(epsilon.Order(), epsilon);
        Assert.True(epsilon[0] > 0);
        Assert.Equal(2, (await Run("--data", data, "--clients", "20", "--by", "nothing")).Code);
        Assert.Equal(2, (await Run("--data", data, "--clients", "20", "--clip", "1")).Code);
    }

    [Theory]
    [InlineData("y,a\n1,2\n0\n", 3, "line 3: the line has fewer cells")]
    [InlineData("y,a\n1,2\n0,1,1\n", 3, "line 3: the line has more cells")]
    [InlineData("y,a\n1,2\n0,secret\n", 3, "line 3: column 'a'")]
    [InlineData("z,a\n1,2\n0,1\n", 3, "line 1: there is no label column 'y'")]
    [InlineData("y,a,a\n1,2,3\n", 3, "line 1: a column name")]
    [InlineData("", 3, "line 1: the file is empty")]
    [InlineData("y,a\n1,2\n2,1\n0,1\n", 3, "labels 0 and 1")]
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
    [InlineData("--model", "forest")]
    [InlineData("--model", "mlp:0")]
    [InlineData("--optimiser", "lion")]
    [InlineData("--clients", "1000")]
    [InlineData("--fraction", "2")]
    [InlineData("--selection", "best")]
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
