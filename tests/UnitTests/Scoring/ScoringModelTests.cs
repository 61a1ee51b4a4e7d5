using System.Text;
using System.Text.Json.Nodes;
using Google.Protobuf;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.UnitTests.PartyNode;
using VertFed.Vertical;
using Xunit;

namespace VertFed.UnitTests.Scoring;

/// <summary>The own half of a model is found, is whole, and is the one that was committed to, or the job is refused by rule.</summary>
public sealed class ScoringModelTests : IAsyncLifetime
{
    private readonly TemporaryPlace _place = new();
    private readonly Identity _submitter = Identity.Create();
    private readonly SqlitePartyStore _store;

    public ScoringModelTests() =>
        _store = SqlitePartyStore.Open(_place.At("party.db"), SecretsKey.FromBytes(new byte[SecretsKey.KeyBytes]));

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _store.DisposeAsync();
        _submitter.Dispose();
        _place.Dispose();
    }

    [Theory]
    [InlineData(Role.LabelParty)]
    [InlineData(Role.FeatureParty)]
    public async Task A_kept_model_is_found_with_what_binds_it(Role role)
    {
        await KeepAsync(role, Model(role));

        ScoringModel model = await ScoringModel.LoadAsync(_store, ScoreBench.Specification(), role, mayBeArchived: false, default);

        Assert.Equal(["age", "income"], model.Half.Columns);
        Assert.Equal(role == Role.LabelParty ? -0.5 : 0, model.Half.Intercept);
        Assert.Equal(ScoreBench.Model, model.Identity.Job);
        Assert.Equal(Filled(9), model.Identity.TranscriptRoot);
        Assert.Equal(Filled(4), model.Identity.PeerCoefficients);
        Assert.Equal(role == Role.LabelParty ? -0.5 + 0.25 : 0.25, model.Half.Predict([[50], [3000]], 1)[0], 1e-12);
    }

    [Fact]
    public async Task A_model_that_is_not_there_or_not_active_is_refused_by_rule()
    {
        await RefusedAsync("model-known");
        await KeepAsync(Role.LabelParty, Model(Role.LabelParty));
        await _store.SetModelStateAsync(ScoreBench.Model, ModelState.Archived, default);
        await RefusedAsync("model-active");
        Assert.NotNull(await ScoringModel.LoadAsync(_store, ScoreBench.Specification(), Role.LabelParty, mayBeArchived: true, default));
        await _store.SetModelStateAsync(ScoreBench.Model, ModelState.Deleted, default);
        await RefusedAsync("model-active");
        Assert.Equal(
            ErrorCode.Refused,
            (await Assert.ThrowsAsync<VertFedException>(() => ScoringModel.LoadAsync(_store, ScoreBench.Specification(), Role.LabelParty, mayBeArchived: true, default))).Code);
    }

    [Theory]
    [InlineData("another key of the peer")]
    [InlineData("another peer")]
    [InlineData("the other role")]
    [InlineData("a horizontal job")]
    public async Task A_model_of_other_parties_or_roles_is_refused(string what)
    {
        await KeepAsync(what == "the other role" ? Role.FeatureParty : Role.LabelParty, Model(Role.LabelParty), spec =>
        {
            if (what == "another key of the peer")
            {
                spec.FeatureParty.Fingerprint = ByteString.CopyFrom(Filled(3));
            }
            else if (what == "another peer")
            {
                spec.FeatureParty.Name = "insurer";
            }
            else if (what == "a horizontal job")
            {
                JobSpec horizontal = RoundScoreBench.Specification("logistic").ToMessage();
                (spec.Kind, spec.Horizontal, spec.LabelParty, spec.FeatureParty, spec.Align, spec.Train) = (horizontal.Kind, horizontal.Horizontal, null, null, null, null);
                spec.AcceptDisclosureRisk = false;
                spec.Parties.Add(horizontal.Parties);
            }
        });
        await RefusedAsync("model-parties");
    }

    [Theory]
    [InlineData("value", "model-intact")]
    [InlineData("name", "model-intact")]
    [InlineData("salt", "model-intact")]
    [InlineData("commitment", "model-intact")]
    [InlineData("job", "model-intact")]
    [InlineData("party", "model-intact")]
    [InlineData("root", "model-intact")]
    [InlineData("schema", "model-format")]
    [InlineData("no root", "model-format")]
    [InlineData("short root", "model-format")]
    [InlineData("family", "model-format")]
    [InlineData("deviation", "model-format")]
    [InlineData("no coefficients", "model-format")]
    [InlineData("twice", "model-format")]
    [InlineData("cut", "model-format")]
    [InlineData("huge number", "model-format")]
    [InlineData("words", "model-format")]
    public async Task A_model_file_that_was_touched_is_refused(string what, string rule)
    {
        string text = Encoding.UTF8.GetString(Model(Role.LabelParty));
        JsonObject json = JsonNode.Parse(text)!.AsObject();
        JsonObject age = json["coefficients"]!.AsArray()[1]!.AsObject();
        switch (what)
        {
            case "value": age["value"] = 0.2500001; break;
            case "name": age["name"] = "agee"; break;
            case "salt": json["commitment_salt"] = Convert.ToHexStringLower(Filled(1)); break;
            case "commitment": json["commitment"] = Convert.ToHexStringLower(Filled(1)); break;
            case "job": json["job"] = new string('1', 32); break;
            case "party": json["party"] = "retailer"; break;
            case "root": json["transcript_root"] = Convert.ToHexStringLower(Filled(1)); break;
            case "schema": json["schema"] = 1; break;
            case "no root": json["transcript_root"] = null; break;
            case "short root": json["transcript_root"] = "00"; break;
            case "family": json["family"] = "poisson"; break;
            case "deviation": age["standard_deviation"] = 0; break;
            case "no coefficients": json["coefficients"] = new JsonArray(); break;
            case "words": json["label_scale"] = "one"; break;
        }

        string changed = what switch
        {
            "twice" => text.Replace("\"family\"", "\"family\": \"linear\", \"family\"", StringComparison.Ordinal),
            "cut" => text[..^20],
            "huge number" => text.Replace("\"value\": 0.25", "\"value\": 1e999", StringComparison.Ordinal),
            _ => json.ToJsonString(),
        };
        Assert.NotEqual(text, changed);
        await KeepAsync(Role.LabelParty, Encoding.UTF8.GetBytes(changed));

        VertFedException refusal = await RefusedAsync(rule);
        Assert.DoesNotContain("0.25", refusal.Message, StringComparison.Ordinal);
    }

    private async Task<VertFedException> RefusedAsync(string rule)
    {
        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(
            () => ScoringModel.LoadAsync(_store, ScoreBench.Specification(), Role.LabelParty, mayBeArchived: false, default));
        Assert.Equal((ErrorCode.Refused, "bank"), (refusal.Code, refusal.Party));
        Assert.StartsWith($"rule '{rule}': ", refusal.Message, StringComparison.Ordinal);
        return refusal;
    }

    private async Task KeepAsync(Role role, byte[] model, Action<JobSpec>? change = null)
    {
        JobSpec spec = TrainSpec();
        change?.Invoke(spec);
        await _store.AddJobAsync(
            new PartyJob
            {
                Job = ScoreBench.Model,
                Attempt = 1,
                Role = role,
                SignedSpec = SignedJob.Create(JobSpecification.FromMessage(spec), _submitter).Message.ToByteArray(),
                State = JobState.Running,
                ReceivedUnixMs = 1,
            },
            default);
        await _store.SaveResultAsync(ScoreBench.Model, 1, new PartyResult(JobState.Done, null, [1], model, [], [1], 2), default);
        await _store.BindModelAsync(ScoreBench.Model, Filled(9), default);
    }

    /// <summary>A model.json as the node writes it.</summary>
    private static byte[] Model(Role role)
    {
        KeyValuePair<string, double>[] coefficients =
        [
            .. role == Role.LabelParty ? [KeyValuePair.Create(VerticalResult.InterceptName, -0.5)] : Array.Empty<KeyValuePair<string, double>>(),
            KeyValuePair.Create("age", 0.25), KeyValuePair.Create("income", 0.125),
        ];
        ResultSalts salts = new(Filled(5), Filled(6), Filled(7));
        ResultCommitment own = salts.Commit(new ResultValues(ResultValues.Encode(coefficients.Select(entry => (entry.Key, entry.Value))), new byte[32], []));
        ReportPart part = new()
        {
            Specification = JobSpecification.FromMessage(TrainSpec()),
            Party = role == Role.LabelParty ? "bank" : "retailer",
            Role = role,
            State = JobState.Done,
            Close = new ResultClose(salts, own, new ResultCommitment { Coefficients = ByteString.CopyFrom(Filled(4)) }),
            TranscriptRoot = Filled(9),
            Result = new VerticalResult
            {
                Coefficients = coefficients,
                Scaling = [(40, 10), (3000, 500)],
                TrainRows = 64,
                TestRows = 16,
                Iterations = 5,
                Converged = true,
                GradientNorm = 1e-5,
                TrainLoss = 0.3,
                ClippedRows = 0,
                Test = new TestMetrics(null, null, null, null, null, null),
                Guards = [],
                Disclosures = [],
            },
        };
        return ReportWriter.SerialiseModel(part);
    }

    private static JobSpec TrainSpec()
    {
        JobSpec spec = InMemoryParties.DefaultSpec();
        spec.Job = ScoreBench.Model;
        spec.LabelParty.Fingerprint = ByteString.CopyFrom(Filled(1));
        spec.FeatureParty.Fingerprint = ByteString.CopyFrom(Filled(2));
        return spec;
    }

    private static byte[] Filled(byte value) => [.. Enumerable.Repeat(value, 32)];
}
