using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

[Trait("Speed", "slow")]
public sealed class DemoTests(DemoFixture demo) : IClassFixture<DemoFixture>
{
    private static string Schema => File.ReadAllText(Path.Combine(Repository.Root, "docs", "report.schema.json"));

    [Fact]
    public void It_ends_with_a_report_that_meets_its_schema()
    {
        demo.RequireSuccess();
        Assert.Empty(JsonSchemaValidator.Validate(Schema, demo.ReportText));
        Assert.Equal("done", demo.Report.GetProperty("status").GetString());
    }

    [Fact]
    public void Every_section_of_the_report_is_filled()
    {
        demo.RequireSuccess();
        JsonElement align = demo.Report.GetProperty("align");
        JsonElement train = demo.Report.GetProperty("train");
        JsonElement test = demo.Report.GetProperty("test");
        Assert.Equal(6000, align.GetProperty("bank_rows").GetInt64());
        Assert.Equal(6000, align.GetProperty("retailer_rows").GetInt64());
        Assert.Equal(align.GetProperty("intersection").GetInt64(), train.GetProperty("rows").GetInt64() + test.GetProperty("rows").GetInt64());
        Assert.True(train.GetProperty("converged").GetBoolean(), train.ToString());
        foreach (string field in (string[])["seconds", "bytes"])
        {
            Assert.True(align.GetProperty(field).GetDouble() > 0, $"align.{field}");
            Assert.True(train.GetProperty(field).GetDouble() > 0, $"train.{field}");
        }

        Assert.InRange(train.GetProperty("log_loss").GetDouble(), 0.01, Math.Log(2));
        Assert.NotEmpty(demo.Report.GetProperty("guards").EnumerateArray());
        Assert.Contains(demo.Report.GetProperty("disclosures").EnumerateArray(), entry => entry.GetProperty("party").GetString() == "bank");
        Assert.Contains(demo.Report.GetProperty("disclosures").EnumerateArray(), entry => entry.GetProperty("party").GetString() == "retailer");
        Assert.True(demo.Report.GetProperty("coefficients").GetProperty("bank").TryGetProperty("(intercept)", out _));
        Assert.Equal(10, demo.Report.GetProperty("coefficients").GetProperty("retailer").EnumerateObject().Count());
        Assert.All(demo.Report.GetProperty("files").EnumerateObject(), file => Assert.True(Path.Exists(file.Value.GetString()), file.Value.GetString()));
    }

    [Fact]
    public void The_intersection_is_the_one_that_a_join_gives()
    {
        demo.RequireSuccess();
        string[] common = [.. CsvColumns.Read(Path.Combine(demo.Out, "data", "bank.csv"))["id"]
            .Intersect(CsvColumns.Read(Path.Combine(demo.Out, "data", "retailer.csv"))["id"], StringComparer.Ordinal)
            .Order(StringComparer.Ordinal)];
        JsonElement align = demo.Report.GetProperty("align");
        Assert.Equal(common.Length, align.GetProperty("intersection").GetInt64());
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', common)))),
            align.GetProperty("intersection_sha256").GetString());
    }

    [Fact]
    public void The_retailers_columns_raise_the_AUC()
    {
        demo.RequireSuccess();
        JsonElement test = demo.Report.GetProperty("test");
        double uplift = test.GetProperty("auc").GetDouble() - test.GetProperty("auc_label_party_only").GetDouble();
        Assert.True(uplift > 0.01, test.ToString());
    }

    [Fact]
    public void The_coefficients_are_those_of_a_fit_on_the_joined_table()
    {
        demo.RequireSuccess();
        CentralFit fit = CentralFit.Logistic(Path.Combine(demo.Out, "data"), l2: 1e-3, holdoutByte: 51);
        fit.RequireEqual(demo.Report, coefficient: 5e-3, loss: 1e-4);
    }

    [Fact]
    public void Progress_goes_to_standard_error_and_the_report_to_standard_output()
    {
        demo.RequireSuccess();
        Assert.Contains("iteration 1, gradient norm", demo.Result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("iteration 1, gradient norm", demo.Result.Output, StringComparison.Ordinal);
        Assert.Contains("Joint model", demo.Result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', demo.Result.Output + demo.Result.Error);
        foreach (string heading in (string[])["Alignment", "Training", "Test", "Coefficients", "Phases", "Guards", "Disclosures", "Files"])
        {
            Assert.Contains(heading, demo.Result.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void No_log_of_any_process_holds_an_id()
    {
        demo.RequireSuccess();
        HashSet<string> ids = [.. CsvColumns.Read(Path.Combine(demo.Out, "data", "bank.csv"))["id"], .. CsvColumns.Read(Path.Combine(demo.Out, "data", "retailer.csv"))["id"]];
        foreach (string log in Directory.EnumerateFiles(Path.Combine(demo.Out, "logs")))
        {
            string[] words = File.ReadAllText(log).Split([' ', '\n', '"', ',', ':', '\'', '='], StringSplitOptions.RemoveEmptyEntries);
            Assert.DoesNotContain(words, word => word.Length >= 5 && ids.Contains(word));
        }
    }

    [SkippableFact]
    public void The_configuration_files_are_private_where_they_hold_keys()
    {
        Skip.If(OperatingSystem.IsWindows(), "Windows has no Unix file modes");
        demo.RequireSuccess();
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        foreach (string key in Directory.EnumerateFiles(Path.Combine(demo.Out, "identities"), "*.pem"))
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
        }
    }

    [Fact]
    public void The_summary_numbers_in_the_text_are_those_of_the_report()
    {
        demo.RequireSuccess();
        string auc = demo.Report.GetProperty("test").GetProperty("auc").GetDouble().ToString("0.0000", CultureInfo.InvariantCulture);
        Assert.Contains(auc, demo.Result.Output, StringComparison.Ordinal);
    }
}
