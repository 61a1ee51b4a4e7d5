using System.Globalization;
using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>A model is trained, then scores a file of new customers, as operators and analysts run it; the record of that verifies and replays.</summary>
[Trait("Speed", "slow")]
public sealed class ScoreTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task New_customers_get_the_scores_of_the_joined_table_and_the_transcript_replays()
    {
        await SampleAsync("old", 4000, seed: 1);
        await SampleAsync("new", 900, seed: 2);
        using Deployment deployment = await Deployment.StartCoordinatorAsync(_folder);
        RunningProgram bank = await deployment.StartPartyAsync("bank", _folder["old", "bank.csv"], Dataset("bank"));
        RunningProgram retailer = await deployment.StartPartyAsync("retailer", _folder["old", "retailer.csv"], Dataset("retailer"));
        string model = await deployment.SubmitAsync();
        ProgramResult trained = await deployment.JobAsync("watch", model);
        Assert.True(trained.ExitCode == 0, trained + bank.Error + retailer.Error);

        string job = await deployment.SubmitScoreAsync(model, "april");
        ProgramResult watch = await deployment.JobAsync("watch", job);
        Assert.True(watch.ExitCode == 0, watch + bank.Error + retailer.Error);

        RequireScores(_folder["bank-data", "jobs", job, "scores.csv"], model);
        ProgramResult report = await deployment.JobAsync("report", job, "--identity", deployment.Analyst, "--spec", _folder["score.yaml"], "--json");
        Assert.True(report.ExitCode == 0, report.ToString());
        Assert.Empty(JsonSchemaValidator.Validate(File.ReadAllText(Path.Combine(Repository.Root, "docs", "report.schema.json")), report.Output));
        JsonElement score = JsonDocument.Parse(report.Output).RootElement.GetProperty("score");
        Assert.Equal((630, 270), (score.GetProperty("scored").GetInt32(), score.GetProperty("not_shared").GetInt32()));
        Assert.Equal(JsonValueKind.Null, score.GetProperty("quantiles").ValueKind);
        Assert.Contains("not shared", (await deployment.JobAsync("report", job, "--identity", deployment.Analyst)).Output, StringComparison.Ordinal);

        ProgramResult export = await deployment.ExportAsync(job, _folder["score.vft"]);
        Assert.True(export.ExitCode == 0, export.ToString());
        ProgramResult verify = await RunningProgram.RunVertfedAsync("audit", "verify", _folder["score.vft"]);
        Assert.True(verify.ExitCode == 0, verify.ToString());
        ProgramResult replay = await RunningProgram.RunVertfedAsync(
            "audit", "replay", _folder["score.vft"], "--party-config", _folder["bank.yaml"], "--party-config", _folder["retailer.yaml"], "--joint");
        Assert.True(replay.ExitCode == 0, replay.ToString());
        await RequireModelCommandsAsync(deployment, model);
    }

    [Fact]
    public async Task The_demo_scores_new_customers_and_holds_them_to_the_joined_table()
    {
        ProgramResult demo = await RunningProgram.RunVertfedAsync("demo", "--score", "--rows", "8000", "--out", _folder["demo"]);

        Assert.True(demo.ExitCode == 0, demo.ToString());
        Assert.Contains("Scored: 3,500 of the bank's 5,000 new customers; 1,500 are not shared and have no score", demo.Error, StringComparison.Ordinal);
        Assert.Contains("Largest difference from the score on the joined table: ", demo.Error, StringComparison.Ordinal);
        JsonElement files = JsonDocument.Parse(File.ReadAllText(_folder["demo", "report.json"])).RootElement.GetProperty("files");
        Assert.Equal(5001, File.ReadLines(files.GetProperty("scores").GetString()!).Count());
    }

    private string Dataset(string party) => $"""
        datasets:
          april:
            csv: '{_folder["new", party + ".csv"]}'
        """;

    /// <summary>What the operators say of their halves: archived at one party, deleted at the other, no score job gets it any more.</summary>
    private async Task RequireModelCommandsAsync(Deployment deployment, string model)
    {
        string listed = await PartyAsync("bank", "models");
        Assert.Contains($"{model}  active    logistic     6 coefficients", listed, StringComparison.Ordinal);
        Assert.Contains($"{model}  archived", await PartyAsync("retailer", "model", "archive", model), StringComparison.Ordinal);
        string refused = await deployment.SubmitScoreAsync(model, "april");
        Assert.Contains("'model-active'", (await deployment.JobAsync("watch", refused)).ToString(), StringComparison.Ordinal);
        Assert.True(File.Exists(_folder["bank-data", "jobs", model, "model.json"]));
        Assert.Contains("\"MODEL_STATE_DELETED\"", await PartyAsync("bank", "model", "delete", model, "--json"), StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["bank-data", "jobs", model, "model.json"]));
        Assert.Contains("archived", await KnownModelsAsync(deployment, "deleted"), StringComparison.Ordinal);
    }

    /// <summary>What the coordinator knows of models, once it has heard of a state: a node tells it beside the answer to its operator.</summary>
    private static async Task<string> KnownModelsAsync(Deployment deployment, string state)
    {
        using CancellationTokenSource patience = new(TimeSpan.FromMinutes(2));
        while (true)
        {
            string known = (await deployment.JobAsync("models", "--json")).Output;
            if (known.Contains(state, StringComparison.Ordinal))
            {
                return known;
            }

            Assert.False(patience.IsCancellationRequested, known);
        }
    }

    private async Task<string> PartyAsync(string party, params string[] arguments)
    {
        ProgramResult result = await RunningProgram.RunVertfedAsync(["party", .. arguments, "--config", _folder[$"{party}.yaml"]]);
        Assert.True(result.ExitCode == 0, result.ToString());
        return result.Output;
    }

    /// <summary>Holds every row of the file to the score of the joined table, computed here from both model files.</summary>
    private void RequireScores(string file, string model)
    {
        Dictionary<string, string[]> scores = CsvColumns.Read(file);
        Dictionary<string, string[]> bank = CsvColumns.Read(_folder["new", "bank.csv"]);
        Dictionary<string, string[]> retailer = CsvColumns.Read(_folder["new", "retailer.csv"]);
        double[] u = Predictor(_folder["retailer-data", "jobs", model, "model.json"], retailer);
        double[] v = Predictor(_folder["bank-data", "jobs", model, "model.json"], bank);
        Dictionary<string, int> shared = retailer["id"].Select((id, row) => (id, row)).ToDictionary(entry => entry.id, entry => entry.row, StringComparer.Ordinal);
        Assert.Equal(bank["id"], scores["id"]);
        for (int i = 0; i < v.Length; i++)
        {
            if (!shared.TryGetValue(bank["id"][i], out int row))
            {
                Assert.Equal(("", "not_shared"), (scores["score"][i], scores["status"][i]));
                continue;
            }

            Assert.Equal("scored", scores["status"][i]);
            double found = double.Parse(scores["score"][i], CultureInfo.InvariantCulture);
            double exact = 1 / (1 + Math.Exp(-(u[row] + v[i])));
            double rounded = 1 / (1 + Math.Exp(-((Math.Round(u[row] * 4096) / 4096) + v[i])));
            Assert.InRange(found - rounded, -1e-9, 1e-9);
            Assert.InRange(found - exact, -1.0 / 32_768, 1.0 / 32_768);
        }
    }

    private static double[] Predictor(string model, Dictionary<string, string[]> columns)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(model));
        double[] sum = new double[columns["id"].Length];
        foreach (JsonElement term in json.RootElement.GetProperty("coefficients").EnumerateArray())
        {
            double value = term.GetProperty("value").GetDouble();
            string name = term.GetProperty("name").GetString()!;
            double[] x = name == "(intercept)" ? [.. sum.Select(_ => 1.0)] : CsvColumns.Numbers(columns[name]);
            double mean = name == "(intercept)" ? 0 : term.GetProperty("mean").GetDouble();
            double deviation = name == "(intercept)" ? 1 : term.GetProperty("standard_deviation").GetDouble();
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += value * (x[i] - mean) / deviation;
            }
        }

        return sum;
    }

    private async Task SampleAsync(string folder, int rows, int seed)
    {
        ProgramResult sample = await RunningProgram.RunVertfedAsync(
            "sample", "--rows", rows.ToString(CultureInfo.InvariantCulture), "--bank-features", "5", "--retailer-features", "5", "--seed",
            seed.ToString(CultureInfo.InvariantCulture), "--out", _folder[folder]);
        Assert.True(sample.ExitCode == 0, sample.ToString());
    }
}
