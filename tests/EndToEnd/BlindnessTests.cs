using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>
/// The coordinator is blind: whatever was planted in the parties' data, and whatever they computed from it, is in none of its
/// files. A control run without sealing, which takes another runtime configuration on purpose, shows that the search finds it.
/// </summary>
[Trait("Speed", "slow")]
public sealed class BlindnessTests : IDisposable
{
    private const int Rows = 3000;
    private const int TestScores = 200;
    private const string BankFeature = "planted_income_7731";
    private const string RetailerFeature = "planted_basket_4492";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Nothing_planted_and_nothing_computed_is_in_any_file_of_the_coordinator()
    {
        WriteData();
        using RunningProgram demo = RunningProgram.Vertfed(Arguments());
        ProgramResult result = await demo.EndAsync();
        Assert.True(result.ExitCode == 0, result.ToString());
        NeedleSearch search = Planted();
        AddComputed(search, Report());
        Assert.True(Directory.EnumerateFiles(_folder["out", "coordinator"]).Sum(file => new FileInfo(file).Length) > 1_000_000, "the coordinator recorded nothing");
        Assert.Empty(search.In(_folder["out", "coordinator"]));

        // At most three bytes of a rounded score are not zero: one may stand in a file by chance. A list of them would be found whole.
        Assert.InRange(RoundedScores(Report()).In(_folder["out", "coordinator"]).Count, 0, TestScores / 10);
        Assert.Empty(search.InBytes(File.ReadAllBytes(_folder["out", "logs", "coordinator.log"])));

        NeedleSearch ids = Ids(new NeedleSearch());
        foreach (string party in (string[])["bank", "retailer"])
        {
            Assert.Empty(ids.InBytes(File.ReadAllBytes(_folder["out", "logs", party + ".log"])));
        }
    }

    [Fact]
    public async Task Without_sealing_the_same_search_finds_them()
    {
        WriteData();
        using RunningProgram demo = RunningProgram.VertfedAt(UnsealedPrograms(), Arguments());
        ProgramResult result = await demo.EndAsync();
        Assert.True(result.ExitCode == 0, result.ToString());
        NeedleSearch search = Planted();
        AddComputed(search, Report());
        IReadOnlyCollection<string> found = search.In(_folder["out", "coordinator"]);
        Assert.Contains($"{BankFeature} as UTF-8", found);
        Assert.Contains($"{RetailerFeature} as UTF-8", found);
        Assert.Contains("the test RMSE as float64, little-endian", found);
        Assert.Contains(Report().GetProperty("disclosures").EnumerateArray(), entry =>
            entry.GetProperty("what").GetString()!.Contains("seal", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void The_search_finds_every_form_of_a_planted_value()
    {
        NeedleSearch search = new NeedleSearch().Text("an id", "CUSTOMER-000123").Number("a value", 1234.5678901, "1234.5678901");
        byte[] id = Encoding.UTF8.GetBytes("CUSTOMER-000123");
        for (int offset = 0; offset < 3; offset++)
        {
            byte[] surrounded = [.. Enumerable.Repeat((byte)0xa7, 6 + offset), .. id, .. Enumerable.Repeat((byte)0x5c, 7)];
            Assert.Contains(
                string.Create(CultureInfo.InvariantCulture, $"an id as base64 at offset {offset}"),
                search.InBytes(Encoding.ASCII.GetBytes(Convert.ToBase64String(surrounded))));
        }

        Assert.Contains("an id as UTF-16", search.InBytes(Encoding.Unicode.GetBytes("xCUSTOMER-000123x")));
        Assert.Contains("SHA-256 of an id", search.InBytes([1, .. System.Security.Cryptography.SHA256.HashData(id), 2]));
        Assert.Contains("a value as float64, little-endian", search.InBytes([0, .. BitConverter.GetBytes(1234.5678901), 0]));
        Assert.Contains("a value as float64, big-endian", search.InBytes([0, .. BitConverter.GetBytes(1234.5678901).Reverse(), 0]));
        Assert.Empty(search.InBytes(Encoding.UTF8.GetBytes("CUSTOMER-000124 1234.5678902")));
    }

    private static string Id(int row) => string.Create(CultureInfo.InvariantCulture, $"PLANTED-CUSTOMER-{row:000000}-{row * 7919 % 100003:000000}");

    // Irregular values with all mantissa bits in use; the label is linear in both features.
    private static double Income(int row) => Math.Round(1000 * Math.Abs(Math.Sin(row + 0.5)), 9) + 17.123456;

    private static double Basket(int row) => Math.Round(300 * Math.Abs(Math.Cos((row * 1.7) + 0.3)), 9) + 5.654321;

    private static double Label(int row) => Math.Round((0.01 * Income(row)) - (0.02 * Basket(row)) + Math.Sin(row * 12.9898), 9);

    private static string Text(double value) => value.ToString("r", CultureInfo.InvariantCulture);

    private string[] Arguments() => ["demo", "--data", _folder["data"], "--out", _folder["out"], "--family", "linear", "--accept-disclosure-risk"];

    private void WriteData()
    {
        StringBuilder bank = new($"id,y,{BankFeature}\n");
        StringBuilder retailer = new($"id,{RetailerFeature}\n");
        for (int row = 0; row < Rows; row++)
        {
            bank.Append(CultureInfo.InvariantCulture, $"{Id(row)},{Text(Label(row))},{Text(Income(row))}\n");
            retailer.Append(CultureInfo.InvariantCulture, $"{Id(row)},{Text(Basket(row))}\n");
        }

        _folder.Write("data/bank.csv", bank.ToString());
        _folder.Write("data/retailer.csv", retailer.ToString());
    }

    private static NeedleSearch Ids(NeedleSearch search)
    {
        for (int row = 0; row < Rows; row += 29)
        {
            search.Text($"id {row}", Id(row));
        }

        return search;
    }

    private static NeedleSearch Planted()
    {
        NeedleSearch search = Ids(new NeedleSearch()).Text(BankFeature, BankFeature).Text(RetailerFeature, RetailerFeature);
        for (int row = 0; row < Rows; row += 29)
        {
            search.Number($"income {row}", Income(row), Text(Income(row)));
            search.Number($"basket {row}", Basket(row), Text(Basket(row)));
            search.Number($"label {row}", Label(row), Text(Label(row)));
        }

        return search;
    }

    // Partial scores, coefficients and figures that the parties computed and, some of them, sent each other.
    private static void AddComputed(NeedleSearch search, JsonElement report)
    {
        search.Number("the test RMSE", report.GetProperty("test").GetProperty("rmse").GetDouble());
        search.Number("the train loss", report.GetProperty("train").GetProperty("loss").GetDouble());
        double own = report.GetProperty("coefficients").GetProperty("retailer").GetProperty(RetailerFeature).GetDouble();
        search.Number("the retailer's coefficient", own);
        search.Number("the bank's coefficient", report.GetProperty("coefficients").GetProperty("bank").GetProperty(BankFeature).GetDouble());
        search.Number("the gradient norm", report.GetProperty("train").GetProperty("gradient_norm").GetDouble());

        foreach ((int row, double score) in PartialScores(own))
        {
            search.Number($"partial score {row}", score);
        }
    }

    /// <summary>The retailer's scores of test rows as rounded for the crossing.</summary>
    private static NeedleSearch RoundedScores(JsonElement report)
    {
        NeedleSearch search = new();
        foreach ((int row, double score) in PartialScores(report.GetProperty("coefficients").GetProperty("retailer").GetProperty(RetailerFeature).GetDouble()))
        {
            search.Number($"rounded partial score {row}", Math.Round(score * 4096) / 4096);
        }

        return search;
    }

    /// <summary>The retailer's scores of the first test rows, as computed.</summary>
    private static IEnumerable<(int Row, double Score)> PartialScores(double coefficient)
    {
        (double[] train, (int Row, double Value)[] test) = Baskets();
        double mean = train.Average();
        double deviation = Math.Sqrt(train.Average(x => (x - mean) * (x - mean)));
        return test.Take(TestScores).Select(row => (row.Row, coefficient * (row.Value - mean) / deviation));
    }

    private static (double[] Train, (int Row, double Value)[] Test) Baskets()
    {
        ILookup<bool, int> rows = Enumerable.Range(0, Rows)
            .ToLookup(row => System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(Id(row)))[0] < 51);
        return ([.. rows[false].Select(Basket)], [.. rows[true].Select(row => (row, Basket(row)))]);
    }

    private JsonElement Report() => JsonDocument.Parse(File.ReadAllText(_folder["out", "report.json"])).RootElement;

    // A copy of the programs whose party node has the switch that no configuration file or message can set.
    private string UnsealedPrograms()
    {
        foreach (string program in (string[])["Cli", "Coordinator", "PartyNode"])
        {
            Copy(Repository.Built(program), _folder["programs", program]);
        }

        string path = _folder["programs", "PartyNode", "VertFed.PartyNode.runtimeconfig.json"];
        JsonNode settings = JsonNode.Parse(File.ReadAllText(path))!;
        JsonNode options = settings["runtimeOptions"]!;
        options["configProperties"] ??= new JsonObject();
        options["configProperties"]!["VertFed.Protocol.InsecureUnsealed"] = true;
        File.WriteAllText(path, settings.ToJsonString());
        return _folder["programs", "Cli"];
    }

    private static void Copy(string from, string to)
    {
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }
}
