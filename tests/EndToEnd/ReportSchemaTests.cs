using System.Text.Json;
using VertFed.Cli.Reports;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>The validator rejects what it must, the schema rejects wrong reports, and both accept what the code writes.</summary>
public sealed class ReportSchemaTests
{
    private static readonly Report s_failed = new()
    {
        Status = ReportStatus.Failed,
        Error = new ReportError("BadInput", "bank", "", "bank.csv, line 3: not a number"),
        Family = "logistic",
    };

    private static readonly Report s_done = new()
    {
        Job = "0123456789abcdef0123456789abcdef",
        Status = ReportStatus.Done,
        Family = "linear",
        L2 = 1e-3,
        Holdout = 0.2,
        Version = "0.1.0",
        Align = new AlignSection { Protocol = "p", BankRows = 3, IntersectionSha256 = new string('0', 64) },
        Train = new TrainSection { GradientNorm = 0.1, Loss = 1 },
        Test = new TestSection { Rmse = 1 },
        Coefficients = new CoefficientSection { Bank = new Dictionary<string, double> { ["(intercept)"] = -0.5 } },
        Guards = [new GuardEntry("g", 1, 2, "warn")],
        Disclosures = [new DisclosureEntry("bank", "w", 1, "MaskedScalars")],
        Files = new Dictionary<string, string> { ["report"] = "/r.json" },
    };

    private static string Schema => File.ReadAllText(Path.Combine(Repository.Root, "docs", "report.schema.json"));

    [Fact]
    public void What_the_code_writes_meets_the_schema()
    {
        Assert.Empty(JsonSchemaValidator.Validate(Schema, ReportFile.Serialise(s_failed)));
        Assert.Empty(JsonSchemaValidator.Validate(Schema, ReportFile.Serialise(s_done)));
    }

    [Theory]
    [InlineData("\"schema\": 1", "\"schema\": 2")]
    [InlineData("\"status\": \"done\"", "\"status\": \"finished\"")]
    [InlineData("\"status\": \"done\"", "\"status\": \"failed\"")]
    [InlineData("\"family\"", "\"familie\"")]
    [InlineData("\"holdout\": 0.2", "\"holdout\": 1.2")]
    [InlineData("\"bank_rows\": 3", "\"bank_rows\": 3.5")]
    [InlineData("\"bank_rows\": 3", "\"bank_rows\": \"3\"")]
    [InlineData("\"verdict\": \"warn\"", "\"verdict\": \"maybe\"")]
    [InlineData("\"(intercept)\": -0.5", "\"(intercept)\": null")]
    [InlineData("0123456789abcdef0123456789abcdef", "0123456789ABCDEF0123456789ABCDEF")]
    [InlineData("0123456789abcdef0123456789abcdef", "")]
    public void A_wrong_report_does_not_meet_the_schema(string right, string wrong)
    {
        string text = ReportFile.Serialise(s_done);
        Assert.Contains(right, text, StringComparison.Ordinal);
        Assert.NotEmpty(JsonSchemaValidator.Validate(Schema, text.Replace(right, wrong, StringComparison.Ordinal)));
    }

    [Fact]
    public void The_schema_names_every_error_code()
    {
        string[] named = [.. JsonDocument.Parse(Schema).RootElement.GetProperty("properties").GetProperty("error").GetProperty("properties")
            .GetProperty("code").GetProperty("enum").EnumerateArray().Select(item => item.GetString()!)];
        Assert.Equal(Enum.GetNames<VertFed.Protocol.ErrorCode>().Order(StringComparer.Ordinal), named.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("""{"type":"integer"}""", "1.5")]
    [InlineData("""{"enum":[1,"a",null]}""", "\"b\"")]
    [InlineData("""{"items":{"type":"number"}}""", "[1,\"2\"]")]
    [InlineData("""{"required":["a"]}""", "{}")]
    [InlineData("""{"additionalProperties":false}""", "{\"a\":1}")]
    [InlineData("""{"additionalProperties":{"type":"string"}}""", "{\"a\":1}")]
    [InlineData("""{"pattern":"^a$"}""", "\"ba\"")]
    [InlineData("""{"$ref":"#/$defs/x","$defs":{"x":{"minimum":3}}}""", "2")]
    [InlineData("""{"if":{"const":1},"then":{"type":"string"}}""", "1")]
    [InlineData("""{"unevaluatedItems":false}""", "1")]
    public void The_validator_finds_faults_and_unknown_keywords(string schema, string document) =>
        Assert.NotEmpty(JsonSchemaValidator.Validate(schema, document));

    [Theory]
    [InlineData("""{"type":["integer","null"],"minimum":0}""", "null")]
    [InlineData("""{"if":{"const":1},"then":{"type":"string"},"else":{"type":"integer"}}""", "2")]
    public void The_validator_accepts_what_is_right(string schema, string document) =>
        Assert.Empty(JsonSchemaValidator.Validate(schema, document));
}
