using System.Globalization;
using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>
/// samples/categorical as its readme runs it: a model of categories and missing values is trained and scores new customers, and both
/// are held to a fit on the joined table, encoded here by the words of docs/party.md.
/// </summary>
[Trait("Speed", "slow")]
public sealed class CategoricalTests : IDisposable
{
    /// <summary>A fifth of 256, rounded down: the spec's holdout of 0.2.</summary>
    private const int HoldoutByte = 51;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Categories_and_missing_values_train_and_score_as_on_the_joined_table()
    {
        foreach (string file in (string[])["bank.csv", "bank-new.csv", "retailer.csv.gz", "retailer-new.csv.gz"])
        {
            File.Copy(Path.Combine(Repository.Root, "samples", "categorical", file), _folder[file]);
        }

        using Deployment deployment = await Deployment.StartCoordinatorAsync(_folder);
        RunningProgram bank = await deployment.StartPartyFromAsync(deployment.OfSample("categorical/bank.yaml"));
        RunningProgram retailer = await deployment.StartPartyFromAsync(deployment.OfSample("categorical/retailer.yaml"));
        string model = await RunAsync(deployment.OfSample("categorical/job.yaml"));
        string scored = await RunAsync(deployment.OfSample("categorical/score.yaml", model));

        Dictionary<string, string[]> bankRows = CsvColumns.Read(_folder["bank.csv"], ';');
        Dictionary<string, string[]> retailerRows = CsvColumns.Read(_folder["retailer.csv.gz"]);
        (int Bank, int Retailer)[] training = CentralFit.TrainingRows(bankRows["id"], retailerRows["id"], HoldoutByte);
        string age = Mean(bankRows["age"], training.Select(row => row.Bank));
        string visits = Mean(retailerRows["visits"], training.Select(row => row.Retailer));
        CentralFit fit = CentralFit.Logistic(Bank(bankRows, age), Retailer(retailerRows, visits), l2: 0.001, HoldoutByte);
        fit.RequireEqual(Report("bank", model), Report("retailer", model), coefficient: 5e-3, loss: 1e-4);

        RequireScores(
            CsvColumns.Read(_folder["bank-data", "jobs", scored, "scores.csv"]),
            Bank(CsvColumns.Read(_folder["bank-new.csv"], ';'), age),
            Retailer(CsvColumns.Read(_folder["retailer-new.csv.gz"]), visits),
            fit);

        // Seven shared customers live in a region, and seven have no number of visits, that training had none of.
        Assert.Equal(7, Unseen("bank").GetProperty("region").GetInt32());
        Assert.Equal(7, Unseen("retailer").GetProperty("visits").GetInt32());
        ProgramResult report = await deployment.JobAsync("report", scored, "--identity", deployment.Analyst, "--spec", _folder["score.yaml"], "--json");
        Assert.True(report.ExitCode == 0, report.ToString());
        using JsonDocument shared = JsonDocument.Parse(report.Output);
        Assert.Equal(
            ["bank: unseen_levels 7 warn", "retailer: unseen_levels 7 warn"],
            shared.RootElement.GetProperty("guards").EnumerateArray()
                .Select(guard => $"{guard.GetProperty("name")} {guard.GetProperty("value")} {guard.GetProperty("verdict")}")
                .Where(line => line.Contains("unseen", StringComparison.Ordinal)));
        Assert.DoesNotContain("region", report.Output, StringComparison.Ordinal);

        async Task<string> RunAsync(string spec)
        {
            ProgramResult submitted = await deployment.JobAsync("submit", spec);
            Assert.True(submitted.ExitCode == 0, submitted.ToString());
            string job = submitted.Output.Trim();
            ProgramResult watched = await deployment.JobAsync("watch", job);
            Assert.True(watched.ExitCode == 0, watched + bank.Error + retailer.Error);
            return job;
        }

        JsonElement Report(string party, string job)
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(_folder[party + "-data", "jobs", job, "report.json"]));
            return json.RootElement.Clone();
        }

        JsonElement Unseen(string party) => Report(party, scored).GetProperty("encoding").GetProperty("unseen_rows");
    }

    private static void RequireScores(Dictionary<string, string[]> scores, Dictionary<string, string[]> bank, Dictionary<string, string[]> retailer, CentralFit fit)
    {
        Assert.Equal(bank["id"], scores["id"]);
        int shared = 0;
        for (int i = 0; i < bank["id"].Length; i++)
        {
            int row = Array.IndexOf(retailer["id"], bank["id"][i]);
            if (row < 0)
            {
                Assert.Equal(("", "not_shared"), (scores["score"][i], scores["status"][i]));
                continue;
            }

            shared++;
            Assert.Equal("scored", scores["status"][i]);
            double score = double.Parse(scores["score"][i], CultureInfo.InvariantCulture);
            Assert.InRange(score - fit.Score(bank, i, retailer, row), -2e-3, 2e-3);
        }

        Assert.Equal((320, 400), (shared, bank["id"].Length));
    }

    /// <summary>A region that training did not have is none of the columns: as north, the reference.</summary>
    private static Dictionary<string, string[]> Bank(Dictionary<string, string[]> raw, string meanAge)
    {
        Dictionary<string, string[]> columns = new(StringComparer.Ordinal) { ["id"] = raw["id"] };
        if (raw.TryGetValue("y", out string[]? labels))
        {
            columns["y"] = labels;
        }

        columns["income"] = Array.ConvertAll(raw["income"], text => text.Replace(',', '.'));
        columns["age"] = Filled(raw["age"], meanAge);
        columns["age=(missing)"] = Marks(raw["age"], IsMissing);
        columns["region=east"] = Marks(raw["region"], text => text == "east");
        columns["region=south"] = Marks(raw["region"], text => text == "south");
        columns["region=(missing)"] = Marks(raw["region"], IsMissing);
        return columns;
    }

    /// <summary>Rare channels share a column, and so does one that training did not have. No visits were missing: there is no mark of it.</summary>
    private static Dictionary<string, string[]> Retailer(Dictionary<string, string[]> raw, string meanVisits) => new(StringComparer.Ordinal)
    {
        ["id"] = raw["id"],
        ["basket"] = raw["basket"],
        ["visits"] = Filled(raw["visits"], meanVisits),
        ["channel=online"] = Marks(raw["channel"], text => text == "online"),
        ["channel=phone"] = Marks(raw["channel"], text => text == "phone"),
        ["channel=(other)"] = Marks(raw["channel"], text => text is not ("store" or "online" or "phone")),
    };

    private static bool IsMissing(string text) => text is "" or "NA";

    private static string[] Filled(string[] texts, string mean) => Array.ConvertAll(texts, text => IsMissing(text) ? mean : text);

    private static string[] Marks(string[] texts, Predicate<string> one) => Array.ConvertAll(texts, text => one(text) ? "1" : "0");

    private static string Mean(string[] texts, IEnumerable<int> rows) =>
        rows.Select(row => texts[row]).Where(text => !IsMissing(text)).Average(text => double.Parse(text, CultureInfo.InvariantCulture)).ToString("R", CultureInfo.InvariantCulture);
}
