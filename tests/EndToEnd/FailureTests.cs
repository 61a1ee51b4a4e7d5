using System.Globalization;
using System.Text;
using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>Runs that cannot succeed: each ends with its exit code, one readable line and a report that says failed.</summary>
[Trait("Speed", "slow")]
public sealed class FailureTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public Task A_cell_that_is_no_number_is_named_by_file_line_and_column() =>
        RequireAsync(3, "BadInput", ["retailer.csv", "line 4", "basket"], bank: Bank(200), retailer: Retailer(200).Replace("\n2,9.5\n", "\n2,nine and a half\n", StringComparison.Ordinal));

    [Fact]
    public Task A_label_that_is_neither_0_nor_1_is_named_by_file_line_and_column() =>
        RequireAsync(3, "BadInput", ["bank.csv", "line 2", "y"], bank: Bank(200).Replace("\n0,0,", "\n0,2,", StringComparison.Ordinal), retailer: Retailer(200));

    [Fact]
    public Task A_missing_label_column_is_named() =>
        RequireAsync(3, "BadInput", ["bank.csv", "'y'"], bank: Bank(200).Replace("id,y,", "id,z,", StringComparison.Ordinal), retailer: Retailer(200));

    [Fact]
    public Task An_empty_file_is_named() =>
        RequireAsync(3, "BadInput", ["retailer.csv"], bank: Bank(200), retailer: "");

    [Fact]
    public Task Undeclared_semicolons_are_recognised_and_the_file_is_read() =>
        RequireAsync(4, "Refused", ["rows_per_feature"], bank: Bank(200).Replace(',', ';'), retailer: Retailer(200));

    [Fact]
    public Task No_common_customer_ends_the_job()
    {
        string retailer = string.Join('\n', Retailer(500).Split('\n').Select((line, i) => i == 0 || line.Length == 0 ? line : "other" + line));
        return RequireAsync(null, null, [], Bank(500), retailer);
    }

    [Fact]
    public Task Too_few_rows_a_feature_are_refused_by_a_named_guard() =>
        RequireAsync(4, "Refused", ["rows_per_feature"], bank: Bank(200), retailer: Retailer(200));

    private static string Bank(int rows) => Csv("id,y,income", rows, i => string.Create(CultureInfo.InvariantCulture, $"{i},{i % 3 % 2},{(i * 37 % 101) + 0.25}"));

    private static string Retailer(int rows) => Csv("id,basket", rows, i => string.Create(CultureInfo.InvariantCulture, $"{i},{(i * 53 % 97) + 0.5}"));

    private static string Csv(string header, int rows, Func<int, string> row)
    {
        StringBuilder text = new(header + "\n");
        for (int i = 0; i < rows; i++)
        {
            text.Append(row(i)).Append('\n');
        }

        return text.ToString();
    }

    private async Task RequireAsync(int? exitCode, string? code, string[] words, string bank, string retailer)
    {
        _folder.Write("data/bank.csv", bank);
        _folder.Write("data/retailer.csv", retailer);
        ProgramResult result = await RunningProgram.RunVertfedAsync("demo", "--data", _folder["data"], "--out", _folder["out"]);
        string text = File.ReadAllText(_folder["out", "report.json"]);
        Assert.Empty(JsonSchemaValidator.Validate(File.ReadAllText(Path.Combine(Repository.Root, "docs", "report.schema.json")), text));
        JsonElement report = JsonDocument.Parse(text).RootElement;
        JsonElement error = report.GetProperty("error");
        if (exitCode is { } expected)
        {
            Assert.True(result.ExitCode == expected, result.ToString());
            Assert.Equal(code, error.GetProperty("code").GetString());
        }

        // No overlap may be the data's fault or a policy's: either is a failure with words.
        Assert.True(result.ExitCode is 3 or 4, result.ToString());
        Assert.NotEqual("done", report.GetProperty("status").GetString());
        Assert.Equal(JsonValueKind.Null, report.GetProperty("coefficients").ValueKind);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        Assert.All(words, word => Assert.Contains(word, error.GetProperty("message").GetString(), StringComparison.OrdinalIgnoreCase));
        Assert.Contains(error.GetProperty("message").GetString()!, result.Error, StringComparison.Ordinal);
    }
}
