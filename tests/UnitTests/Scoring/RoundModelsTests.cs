using System.Text;
using System.Text.Json.Nodes;
using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Rounds;
using VertFed.PartyNode.Scoring;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Scoring;

/// <summary>A model of a horizontal job is found, is whole, and is the one that was kept, or scoring is refused by rule.</summary>
public sealed class RoundModelsTests : IAsyncLifetime
{
    private const string Words = "logistic/relu:3";
    private readonly TemporaryPlace _place = new();
    private readonly Identity _submitter = Identity.Create();
    private readonly SqlitePartyStore _store;
    private readonly PartyConfig _config;

    public RoundModelsTests()
    {
        _store = SqlitePartyStore.Open(_place.At("party.db"), SecretsKey.FromBytes(new byte[SecretsKey.KeyBytes]));
        _config = PartyConfig.Parse(
            "party.yaml",
            $$"""
            name: bank
            role: label
            coordinator: https://127.0.0.1:1
            coordinator_fingerprint: {{new string('0', 64)}}
            identity: bank.pem
            data_dir: .
            peers: [{name: retailer, fingerprint: {{new string('2', 64)}}}]
            submitters: [{{new string('3', 64)}}]
            data: {csv: bank.csv}
            """,
            _place.Folder);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _store.DisposeAsync();
        _submitter.Dispose();
        _place.Dispose();
    }

    [Fact]
    public async Task A_model_is_found_until_it_is_archived_or_deleted()
    {
        await RefusedAsync("model-known");
        await KeepAsync(RoundScoreBench.Model(Words), personal: "");
        RoundModelFile model = await FindAsync();
        Assert.Equal(RoundScoreBench.Columns, model.Encoder.Names);
        Assert.Equal((RoundScoreBench.Job, 3), (model.Job, model.Model.Hidden.Single()));
        Assert.Equal(RoundScoreBench.Parameters(Words), model.Parameters);
        await RefusedAsync("model-known", personal: true);

        await _store.SetModelStateAsync(RoundScoreBench.Job, ModelState.Archived, default);
        Assert.Contains("is archived here", (await RefusedAsync("model-active")).Message, StringComparison.Ordinal);
        await _store.SetModelStateAsync(RoundScoreBench.Job, ModelState.Deleted, default);
        Assert.Contains("was deleted here", (await RefusedAsync("model-active")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_partys_own_model_is_read_from_its_file_and_held_to_the_job()
    {
        await KeepAsync(RoundScoreBench.Model(Words), "fine-tune:3");
        await RefusedAsync("model-known", personal: true);
        string folder = Path.Combine(_config.DataDirectory, "jobs", RoundScoreBench.Job);
        Directory.CreateDirectory(folder);
        string file = Path.Combine(folder, RoundModels.PersonalFile);
        await File.WriteAllBytesAsync(file, RoundScoreBench.Personal(Words));
        Assert.Equal(RoundScoreBench.Parameters(Words).Select(value => value / 2), (await FindAsync(personal: true)).Parameters);

        await File.WriteAllBytesAsync(file, RoundScoreBench.Model(Words));
        await RefusedAsync("model-intact", personal: true);
        await File.WriteAllTextAsync(file, "{");
        await RefusedAsync("model-format", personal: true);
    }

    [Fact]
    public async Task A_half_of_a_vertical_model_is_not_scored_with_alone()
    {
        JobSpec spec = InMemoryParties.DefaultSpec();
        spec.Job = RoundScoreBench.Job;
        (spec.LabelParty.Fingerprint, spec.FeatureParty.Fingerprint) = (ByteString.CopyFrom(RoundScoreBench.Root(1)), ByteString.CopyFrom(RoundScoreBench.Root(2)));
        await KeepAsync(RoundScoreBench.Model(Words), JobSpecification.FromMessage(spec));
        await RefusedAsync("model-kind");
    }

    [Fact]
    public void A_result_that_cannot_be_written_down_ends_its_job_with_an_error_and_without_a_model()
    {
        JobSpecification job = RoundScoreBench.Specification(Words);
        RoundResult sound = RoundScoreBench.Result(Words);
        FinalModel damaged = sound.Model.Clone();
        damaged.Means[0] = double.NaN;
        JobFault cancelled = JobFault.Make(ErrorCode.Cancelled, "coordinator", "", "cancelled");

        JobPapers done = Papers(sound, fault: null);
        JobPapers ended = Papers(sound, cancelled);
        JobPapers failed = Papers(sound with { Model = damaged }, fault: null);
        JobPapers unpriced = Papers(sound with { Epsilon = double.PositiveInfinity }, cancelled);

        Assert.Equal((JobState.Done, null), (done.State, done.Fault));
        Assert.Equal(RoundScoreBench.Parameters(Words), RoundModelFile.Parse(done.Model!, "model.json").Parameters);
        Assert.Equal((JobState.Cancelled, null), (ended.State, ended.Model));
        Assert.Equal((JobState.Failed, "Internal", null), (failed.State, failed.Fault!.Error.Code, failed.Model));
        Assert.Equal("failed", (string?)JsonNode.Parse(failed.Shared)!["status"]);
        Assert.Equal((JobState.Cancelled, cancelled), (unpriced.State, unpriced.Fault));

        JobPapers Papers(RoundResult result, JobFault? fault) =>
            JobPapers.Of(job, _config, new SessionRecord(job, "bank", Role.LabelParty) { Rounds = result }, fault, error => JobFault.From(error, "bank"));
    }

    [Theory]
    [InlineData("job", "model-intact")]
    [InlineData("root", "model-intact")]
    [InlineData("format 1", "model-format")]
    [InlineData("format 3", "model-format")]
    [InlineData("kind", "model-format")]
    [InlineData("model", "model-format")]
    [InlineData("family", "model-format")]
    [InlineData("hidden", "model-format")]
    [InlineData("scaling", "model-format")]
    [InlineData("short parameters", "model-format")]
    [InlineData("short means", "model-format")]
    [InlineData("deviation 0", "model-format")]
    [InlineData("NaN", "model-format")]
    [InlineData("infinite", "model-format")]
    [InlineData("columns", "model-format")]
    [InlineData("encoding", "model-format")]
    [InlineData("short root", "model-format")]
    [InlineData("twice", "model-format")]
    [InlineData("cut", "model-format")]
    public async Task A_model_file_that_was_touched_is_refused(string what, string rule)
    {
        string text = Encoding.UTF8.GetString(RoundScoreBench.Model(Words));
        JsonObject json = JsonNode.Parse(text)!.AsObject();
        switch (what)
        {
            case "job": json["job"] = new string('1', 32); break;
            case "root": json["transcript_root"] = Convert.ToHexStringLower(RoundScoreBench.Root(1)); break;
            case "format 1": json["schema"] = 1; break;
            case "format 3": json["schema"] = 3; break;
            case "kind": json["kind"] = "vertical"; break;
            case "model": json["model"] = "logistic/gelu:3"; break;
            case "family": json["family"] = "linear"; break;
            case "hidden": json["hidden"] = new JsonArray(4); break;
            case "scaling": json["scaling"] = "own"; break;
            case "short parameters": json["parameters"]!.AsArray().RemoveAt(0); break;
            case "short means": json["means"]!.AsArray().RemoveAt(0); break;
            case "deviation 0": json["deviations"]![1] = 0; break;
            case "NaN": json["parameters"]![1] = "NaN"; break;
            case "infinite": json["parameters"]![1] = 123.5; break;
            case "columns": json["columns"]![0] = "agee"; break;
            case "encoding": json["encoding"] = new JsonObject(); break;
            case "short root": json["transcript_root"] = "00"; break;
        }

        string changed = what switch
        {
            "twice" => text.Replace("\"family\"", "\"family\": \"logistic\", \"family\"", StringComparison.Ordinal),
            "cut" => text[..^20],
            _ => json.ToJsonString().Replace("123.5", "1e999", StringComparison.Ordinal),
        };
        await KeepAsync(Encoding.UTF8.GetBytes(changed), personal: "");

        VertFedException refusal = await RefusedAsync(rule);

        Assert.DoesNotContain("-1.57", refusal.Message, StringComparison.Ordinal);
    }

    private Task<RoundModelFile> FindAsync(bool personal = false) => RoundModels.FindAsync(_config, _store, RoundScoreBench.Job, personal, default);

    private async Task<VertFedException> RefusedAsync(string rule, bool personal = false)
    {
        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => FindAsync(personal));
        Assert.Equal((ErrorCode.Refused, "bank"), (refusal.Code, refusal.Party));
        Assert.StartsWith($"rule '{rule}': ", refusal.Message, StringComparison.Ordinal);
        return refusal;
    }

    private Task KeepAsync(byte[] model, string personal) => KeepAsync(model, RoundScoreBench.Specification(Words, personal: personal));

    private async Task KeepAsync(byte[] model, JobSpecification job)
    {
        await _store.AddJobAsync(
            new PartyJob
            {
                Job = RoundScoreBench.Job,
                Attempt = 1,
                Role = Role.LabelParty,
                SignedSpec = SignedJob.Create(job, _submitter).Message.ToByteArray(),
                State = JobState.Running,
                ReceivedUnixMs = 1,
            },
            default);
        await _store.SaveResultAsync(RoundScoreBench.Job, 1, new PartyResult(JobState.Done, null, [1], model, [], [1], 2), default);
        await _store.BindModelAsync(RoundScoreBench.Job, RoundScoreBench.Root(9), default);
    }
}
