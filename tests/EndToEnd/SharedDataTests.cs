using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>The demo on real data against the centralised optimum that lies beside it (baseline.json).</summary>
[Trait("Speed", "slow")]
public sealed class SharedDataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableFact]
    public async Task Default_credit_is_fitted_as_on_the_joined_table_without_accepting_any_risk()
    {
        (JsonElement report, JsonElement baseline) = await RunAsync("default_credit");
        RequireAlignment(report, baseline);
        RequireLogistic(report, baseline.GetProperty("models").GetProperty("logistic"), auc: 5e-4, ks: 3e-3);
        Assert.DoesNotContain(report.GetProperty("guards").EnumerateArray(), guard => guard.GetProperty("verdict").GetString() is "refuse" or "accepted");
    }

    [SkippableFact]
    public async Task German_credit_is_fitted_as_on_the_joined_table_when_the_risk_is_accepted()
    {
        (JsonElement report, JsonElement baseline) = await RunAsync("german_credit", "--accept-disclosure-risk");
        RequireAlignment(report, baseline);

        // 178 test rows, 47 of them events: two rows that swap ranks move the AUC by up to 2 / (47 * 131) and KS by 1/47 + 1/131.
        RequireLogistic(report, baseline.GetProperty("models").GetProperty("logistic"), auc: 5e-4, ks: (1.0 / 47) + (1.0 / 131));
        Assert.Contains(report.GetProperty("guards").EnumerateArray(), guard => guard.GetProperty("verdict").GetString() == "accepted");
    }

    [SkippableFact]
    public async Task German_credit_is_refused_by_a_named_guard_when_the_risk_is_not_accepted()
    {
        string data = Data("german_credit");
        ProgramResult result = await RunningProgram.RunVertfedAsync("demo", "--data", data, "--out", _folder["out"]);
        Assert.True(result.ExitCode == 4, result.ToString());
        JsonElement report = JsonDocument.Parse(File.ReadAllText(_folder["out", "report.json"])).RootElement;
        Assert.Equal("refused", report.GetProperty("status").GetString());
        Assert.Equal("Refused", report.GetProperty("error").GetProperty("code").GetString());
        Assert.Contains("rows", report.GetProperty("error").GetProperty("message").GetString(), StringComparison.OrdinalIgnoreCase);
        Assert.Equal(JsonValueKind.Null, report.GetProperty("coefficients").ValueKind);
    }

    [SkippableFact]
    public async Task Motor_is_fitted_linearly_as_on_the_joined_table_when_the_risk_is_accepted()
    {
        (JsonElement report, JsonElement baseline) = await RunAsync("motor", "--family", "linear", "--accept-disclosure-risk");
        RequireAlignment(report, baseline);
        JsonElement joint = baseline.GetProperty("models").GetProperty("linear").GetProperty("joint");
        double loss = joint.GetProperty("train").GetProperty("loss").GetDouble();
        double rmse = joint.GetProperty("test").GetProperty("rmse").GetDouble();
        Assert.InRange(report.GetProperty("train").GetProperty("loss").GetDouble(), loss * (1 - 1e-4), loss * (1 + 1e-4));
        Assert.InRange(report.GetProperty("test").GetProperty("rmse").GetDouble(), rmse * (1 - 1e-3), rmse * (1 + 1e-3));
        RequireCoefficients(report, joint);
    }

    private static void RequireAlignment(JsonElement report, JsonElement baseline)
    {
        JsonElement align = report.GetProperty("align");
        JsonElement rows = baseline.GetProperty("rows");
        Assert.Equal(baseline.GetProperty("intersection_sha256").GetString(), align.GetProperty("intersection_sha256").GetString());
        Assert.Equal(rows.GetProperty("intersection").GetInt64(), align.GetProperty("intersection").GetInt64());
        Assert.Equal(rows.GetProperty("bank").GetInt64(), align.GetProperty("bank_rows").GetInt64());
        Assert.Equal(rows.GetProperty("retailer").GetInt64(), align.GetProperty("retailer_rows").GetInt64());
        Assert.Equal(rows.GetProperty("train").GetInt64(), report.GetProperty("train").GetProperty("rows").GetInt64());
        Assert.Equal(rows.GetProperty("test").GetInt64(), report.GetProperty("test").GetProperty("rows").GetInt64());
    }

    private static void RequireLogistic(JsonElement report, JsonElement model, double auc, double ks)
    {
        JsonElement joint = model.GetProperty("joint");
        JsonElement alone = model.GetProperty("bank_only");
        JsonElement test = report.GetProperty("test");
        RequireClose("log_loss", report.GetProperty("train").GetProperty("log_loss"), joint.GetProperty("train").GetProperty("log_loss"), 1e-4);
        RequireClose("auc", test.GetProperty("auc"), joint.GetProperty("test").GetProperty("auc"), auc);
        RequireClose("ks", test.GetProperty("ks"), joint.GetProperty("test").GetProperty("ks"), ks);
        RequireClose("auc_label_party_only", test.GetProperty("auc_label_party_only"), alone.GetProperty("test").GetProperty("auc"), auc);
        RequireCoefficients(report, joint);
    }

    private static void RequireCoefficients(JsonElement report, JsonElement joint)
    {
        JsonElement coefficients = report.GetProperty("coefficients");
        RequireClose("(intercept)", coefficients.GetProperty("bank").GetProperty("(intercept)"), joint.GetProperty("intercept"), 5e-3);
        foreach (JsonElement feature in joint.GetProperty("features").EnumerateArray())
        {
            string name = feature.GetProperty("name").GetString()!;
            JsonElement party = coefficients.GetProperty(feature.GetProperty("party").GetString()!);
            RequireClose(name, party.GetProperty(name), feature.GetProperty("coef_standardised"), 5e-3);
        }
    }

    private static void RequireClose(string what, JsonElement found, JsonElement expected, double tolerance) =>
        Assert.True(Math.Abs(found.GetDouble() - expected.GetDouble()) <= tolerance, $"{what}: {found} instead of {expected}, tolerance {tolerance}");

    private static string Data(string set)
    {
        string? data = Repository.SharedData(set);
        Skip.If(data is null, $"there is no {set} in $VERTFED_DATA or ../shared/data");
        return data!;
    }

    private async Task<(JsonElement Report, JsonElement Baseline)> RunAsync(string set, params string[] options)
    {
        string data = Data(set);
        ProgramResult result = await RunningProgram.RunVertfedAsync(["demo", "--data", data, "--out", _folder["out"], .. options]);
        Assert.True(result.ExitCode == 0, result.ToString());
        string text = File.ReadAllText(_folder["out", "report.json"]);
        Assert.Empty(JsonSchemaValidator.Validate(File.ReadAllText(Path.Combine(Repository.Root, "docs", "report.schema.json")), text));
        return (JsonDocument.Parse(text).RootElement, JsonDocument.Parse(File.ReadAllText(Path.Combine(data, "baseline.json"))).RootElement);
    }
}
