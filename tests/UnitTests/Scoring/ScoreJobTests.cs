using System.Globalization;
using System.Text;
using System.Text.Json;
using VertFed.PartyNode.Replay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Scoring;

/// <summary>A model that two nodes trained scores new customers; whom it may not score, it does not.</summary>
public sealed class ScoreJobTests
{
    [Theory]
    [InlineData(Family.Logistic)]
    [InlineData(Family.Linear)]
    [Trait("Speed", "slow")]
    public async Task New_customers_get_the_scores_of_the_joined_table_and_the_record_of_it_holds(Family family)
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(600);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        string model = await TrainAsync(fixture, family, bank, retailer);
        Dictionary<string, double> oracle = await WriteCustomersAsync(fixture, model, family);

        string job = await SubmitScoreAsync(fixture, model);
        JobStatus status = await fixture.CoSignedEndOfAsync(job);
        Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}\n{retailer.Log}");

        string[] lines = await File.ReadAllLinesAsync(Path.Combine(fixture.Folder, "bank", "jobs", job, "scores.csv"));
        Assert.Equal("id,score,status", lines[0]);
        Assert.Equal(200, lines.Length - 1);
        foreach (string[] cells in lines.Skip(1).Select(line => line.Split(',')))
        {
            string id = cells[0].TrimStart('\'');
            Assert.Equal(oracle.ContainsKey(id) ? "scored" : "not_shared", cells[2]);
            if (oracle.TryGetValue(id, out double expected))
            {
                Assert.InRange(double.Parse(cells[1], CultureInfo.InvariantCulture) - expected, -1e-9, 1e-9);
            }
            else
            {
                Assert.Equal("", cells[1]);
            }
        }

        await ReportsCountAsync(fixture, job, model);
        using MemoryStream file = new(await fixture.ExportAsync(job));
        Verdict verdict = await TranscriptVerifier.VerifyAsync(
            file, new VerifyOptions { Job = job, Submitter = fixture.Analyst.Fingerprint, Coordinator = fixture.CoordinatorIdentity.Fingerprint });
        Assert.True(verdict is { IsVerified: true, Completeness: Completeness.CoSigned }, verdict.Summary);
        Assert.Contains(verdict.Ledger!.Lines, line => line is { Party: "bank", Step: Step.ScoreShares, IsUpperBound: true } && line.Scalars >= 150);
        Assert.Equal([Phase.Session, Phase.Align, Phase.Evaluate, Phase.Close], verdict.Checkpoints.Select(checkpoint => checkpoint.Phase));

        await bank.StopAsync();
        await retailer.StopAsync();
        await File.WriteAllBytesAsync(Path.Combine(fixture.Folder, "score.vft"), file.ToArray());
        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            using StringWriter output = new();
            using StringWriter errors = new();
            int code = await ReplayCommand.RunAsync(
                [Path.Combine(fixture.Folder, "score.vft"), "--config", fixture.WriteConfiguration(role)], output, errors, default);
            Assert.True(code == 0, output.ToString() + errors);
            Assert.Contains("\"faithful\":true", output.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_model_that_is_unknown_archived_or_deleted_and_a_column_that_is_gone_refuse_the_job_before_the_peer_hears_of_data()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(600);
        RunningNode bank = fixture.StartNode(Role.LabelParty, "  allow_disclosure_risk: true\n  share_score_quantiles_with_submitter: true");
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        string model = await TrainAsync(fixture, Family.Linear, bank, retailer);
        await WriteCustomersAsync(fixture, model, Family.Linear);

        await RefusedAsync(new string('9', 32), "Refused", "rule 'model-known'", party: null);

        string bankFile = Path.Combine(fixture.Folder, "bank.csv");
        string text = await File.ReadAllTextAsync(bankFile);
        await File.WriteAllTextAsync(bankFile, text.Replace("b1", "b2", StringComparison.Ordinal));
        await RefusedAsync(model, "BadInput", "the input of 'bank' does not fit", "bank");
        Assert.Contains("bank.csv, line 1: feature column 'b1' is missing", bank.Log, StringComparison.Ordinal);
        await File.WriteAllTextAsync(bankFile, text);

        await retailer.Store.SetModelStateAsync(model, ModelState.Archived, default);
        await RefusedAsync(model, "Refused", "rule 'model-active': the model of job " + model + " is archived here", "retailer");
        await retailer.Store.SetModelStateAsync(model, ModelState.Active, default);
        string job = await SubmitScoreAsync(fixture, model);
        JobStatus status = await fixture.EndOfAsync(job);
        Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}\n{retailer.Log}");
        ReportResponse response = await fixture.Jobs.ReportAsync(new GetJobRequest { Job = job });
        string[] shared = [.. response.Parts.Select(part => Encoding.UTF8.GetString(ReportSeal.Open(job, part, fixture.Analyst).Content))];
        Assert.Contains("\"p50\": ", shared[0], StringComparison.Ordinal);
        Assert.DoesNotContain("\"p50\": ", shared[1], StringComparison.Ordinal);

        await bank.Store.SetModelStateAsync(model, ModelState.Deleted, default);
        await RefusedAsync(model, "Refused", "was deleted here", "bank");

        async Task RefusedAsync(string id, string code, string says, string? party)
        {
            string refused = await SubmitScoreAsync(fixture, id);
            JobStatus end = await fixture.EndOfAsync(refused);
            Assert.Equal((JobState.Refused, code), (end.State, end.Error.Code));
            Assert.Contains(says, end.Error.Message, StringComparison.Ordinal);
            Assert.Equal(party ?? end.Error.Party, end.Error.Party);
            Assert.Equal(0ul, end.Envelopes);
            Assert.False(File.Exists(Path.Combine(fixture.Folder, "bank", "jobs", refused, "scores.csv")));
        }
    }

    internal static Task<string> SubmitScoreAsync(NodeFixture fixture, string model) => fixture.SubmitAsync(spec =>
    {
        spec.Kind = JobKind.Score;
        spec.Train = null;
        spec.Holdout = 0;
        spec.Score = new ScoreSpec { Model = model };
    });

    private static async Task<string> TrainAsync(NodeFixture fixture, Family family, RunningNode bank, RunningNode retailer)
    {
        string model = await fixture.SubmitAsync(spec => spec.Train.Family = family);
        JobStatus status = await fixture.EndOfAsync(model);
        Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}\n{retailer.Log}");
        await bank.WaitForAsync("job_end", model);
        await retailer.WaitForAsync("job_end", model);
        return model;
    }

    /// <summary>What the parties' own reports, and the one that the analyst gets, say of the scores.</summary>
    private static async Task ReportsCountAsync(NodeFixture fixture, string job, string model)
    {
        JsonElement own = await fixture.ReportAsync("bank", job);
        Assert.Equal("score", own.GetProperty("kind").GetString());
        Assert.Equal(JsonValueKind.Null, own.GetProperty("train").ValueKind);
        JsonElement score = own.GetProperty("score");
        Assert.Equal(model, score.GetProperty("model").GetString());
        Assert.Equal((150, 50), (score.GetProperty("scored").GetInt32(), score.GetProperty("not_shared").GetInt32()));
        Assert.Equal(JsonValueKind.Object, score.GetProperty("quantiles").ValueKind);
        Assert.Equal(
            (await File.ReadAllTextAsync(Path.Combine(fixture.Folder, "bank", "jobs", model, "model.json"))).Split("\"transcript_root\": \"")[1][..64],
            score.GetProperty("transcript_root").GetString());

        string others = (await fixture.ReportAsync("retailer", job)).GetProperty("score").GetRawText();
        Assert.Contains("\"scored\": 150", others, StringComparison.Ordinal);
        Assert.Contains("\"quantiles\": null", others, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(fixture.Folder, "retailer", "jobs", job, "scores.csv")));
        Assert.False(File.Exists(Path.Combine(fixture.Folder, "retailer", "jobs", job, "model.json")));

        ReportResponse response = await fixture.Jobs.ReportAsync(new GetJobRequest { Job = job });
        foreach (SealedReport part in response.Parts)
        {
            string shared = Encoding.UTF8.GetString(ReportSeal.Open(job, part, fixture.Analyst).Content);
            Assert.Contains("\"scored\": 150", shared, StringComparison.Ordinal);
            Assert.Contains("\"quantiles\": null", shared, StringComparison.Ordinal);
            Assert.DoesNotContain("NEW", shared, StringComparison.Ordinal);
        }
    }

    /// <summary>Replaces both files by customers that training never saw, 150 of the bank's 200 at both; gives the scores of those on the
    /// joined columns, from the two model files.</summary>
    private static async Task<Dictionary<string, double>> WriteCustomersAsync(NodeFixture fixture, string model, Family family)
    {
        (Dictionary<string, (double Value, double Mean, double Deviation)> terms, double scale) = await ReadModelAsync(fixture, model);
        Random random = new(5);
        StringBuilder bank = new("b1,note,id,b0\n");
        StringBuilder retailer = new("r1,id,r0\n");
        Dictionary<string, double> scores = new(StringComparer.Ordinal);
        for (int i = 0; i < 260; i++)
        {
            string id = i % 10 == 3 ? $"=NEW{i}" : $"NEW{i}";
            Dictionary<string, double> x = new[] { "b0", "b1", "r0", "r1" }.ToDictionary(name => name, _ => Math.Round((random.NextDouble() * 2) - 1, 4));
            if (i < 200)
            {
                bank.Append(CultureInfo.InvariantCulture, $"{x["b1"]},text {i},{id},{x["b0"]}\n");
            }

            if (i >= 50)
            {
                retailer.Append(CultureInfo.InvariantCulture, $"{x["r1"]},{id},{x["r0"]}\n");
            }

            if (i is >= 50 and < 200)
            {
                double u = Math.Round((Term("r0") + Term("r1")) / scale * 4096) / 4096 * scale;
                double eta = terms["(intercept)"].Value + Term("b0") + Term("b1") + u;
                scores.Add(id, family == Family.Logistic ? 1 / (1 + Math.Exp(-eta)) : eta);
            }

            double Term(string name) => terms[name].Value * (x[name] - terms[name].Mean) / terms[name].Deviation;
        }

        await File.WriteAllTextAsync(Path.Combine(fixture.Folder, "bank.csv"), bank.ToString());
        await File.WriteAllTextAsync(Path.Combine(fixture.Folder, "retailer.csv"), retailer.ToString());
        return scores;
    }

    private static async Task<(Dictionary<string, (double Value, double Mean, double Deviation)> Terms, double Scale)> ReadModelAsync(NodeFixture fixture, string model)
    {
        Dictionary<string, (double Value, double Mean, double Deviation)> terms = new(StringComparer.Ordinal);
        double scale = 0;
        foreach (string party in new[] { "bank", "retailer" })
        {
            using JsonDocument json = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(fixture.Folder, party, "jobs", model, "model.json")));
            scale = json.RootElement.GetProperty("label_scale").GetDouble();
            foreach (JsonElement term in json.RootElement.GetProperty("coefficients").EnumerateArray())
            {
                bool scaled = term.TryGetProperty("mean", out JsonElement mean);
                terms.Add(
                    term.GetProperty("name").GetString()!,
                    (term.GetProperty("value").GetDouble(), scaled ? mean.GetDouble() : 0, scaled ? term.GetProperty("standard_deviation").GetDouble() : 1));
            }
        }

        return (terms, scale);
    }
}
