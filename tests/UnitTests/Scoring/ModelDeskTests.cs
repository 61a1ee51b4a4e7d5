using System.Text;
using System.Text.Json;
using Google.Protobuf;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Scoring;

/// <summary>What the operator can do with models, and that nothing of a deleted one is left.</summary>
public sealed class ModelDeskTests : IAsyncLifetime
{
    private const string Coefficient = "0.123456789";
    private readonly TemporaryPlace _place = new();
    private readonly Identity _submitter = Identity.Create();
    private readonly SqlitePartyStore _store;
    private readonly List<ModelNotice> _told = [];

    public ModelDeskTests() =>
        _store = SqlitePartyStore.Open(_place.At("party.db"), SecretsKey.FromBytes(new byte[SecretsKey.KeyBytes]));

    private ModelDesk Desk => new("bank", _store, _place.Folder, new NodeLog(TextWriter.Null, TimeProvider.System), _told.Add);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _store.DisposeAsync();
        _submitter.Dispose();
        _place.Dispose();
    }

    [Fact]
    public async Task Models_are_listed_newest_first_with_what_an_operator_looks_for()
    {
        Assert.Empty(await Desk.ListModelsAsync(10, default));
        await KeepAsync(Id(1), "first");
        await KeepAsync(Id(2), "second");

        IReadOnlyList<NodeModel> models = await Desk.ListModelsAsync(10, default);

        Assert.Equal([Id(2), Id(1)], models.Select(model => model.Job));
        NodeModel model = models[1];
        Assert.Equal(("first", "retailer", Role.LabelParty, ModelState.Active), (model.Title, model.Peer, model.Role, model.State));
        Assert.Equal((Family.Logistic, 2u, 2L), (model.Family, model.Coefficients, model.TrainedUnixMs));
        Assert.Single(await Desk.ListModelsAsync(1, default));
    }

    [Fact]
    public async Task An_archived_model_keeps_its_coefficients_and_the_coordinator_is_told()
    {
        await KeepAsync(Id(1), "t");

        NodeModel? archived = await Desk.SetModelStateAsync(Id(1), ModelState.Archived, default);

        Assert.Equal(ModelState.Archived, archived!.State);
        Assert.Equal(2u, archived.Coefficients);
        Assert.True(File.Exists(_place.At($"jobs/{Id(1)}/model.json")));
        Assert.Equal([new ModelNotice { Job = Id(1), State = ModelState.Archived }], _told);
        Assert.Null(await Desk.SetModelStateAsync(Id(9), ModelState.Archived, default));
    }

    [Fact]
    public async Task Deleting_erases_the_coefficients_from_store_and_files_and_cannot_be_taken_back()
    {
        await KeepAsync(Id(1), "t");
        await KeepAsync(Id(2), "other");
        await File.WriteAllTextAsync(_place.At($"jobs/{Id(1)}/model.json.{Id(7)}.tmp"), Coefficient);

        NodeModel? deleted = await Desk.SetModelStateAsync(Id(1), ModelState.Deleted, default);

        Assert.Equal((ModelState.Deleted, 0u), (deleted!.State, deleted.Coefficients));
        Assert.Null((await _store.FindModelAsync(Id(1), default))!.Model);
        Assert.Equal([_place.At($"jobs/{Id(1)}/report.json")], Directory.GetFiles(_place.At($"jobs/{Id(1)}")));
        string report = await File.ReadAllTextAsync(_place.At($"jobs/{Id(1)}/report.json"));
        Assert.DoesNotContain(Coefficient, report, StringComparison.Ordinal);
        using (JsonDocument json = JsonDocument.Parse(report))
        {
            Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("coefficients").ValueKind);
            Assert.Equal("done", json.RootElement.GetProperty("status").GetString());
        }

        Assert.Contains(Coefficient, await File.ReadAllTextAsync(_place.At($"jobs/{Id(2)}/report.json")), StringComparison.Ordinal);
        Assert.Equal(ModelState.Deleted, (await Desk.SetModelStateAsync(Id(1), ModelState.Deleted, default))!.State);
        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => Desk.SetModelStateAsync(Id(1), ModelState.Archived, default));
        Assert.Equal(ErrorCode.Usage, refusal.Code);
    }

    [Fact]
    public async Task A_start_makes_good_what_a_node_that_was_killed_had_begun()
    {
        await KeepAsync(Id(1), "deleted in the store, files still there");
        await KeepAsync(Id(2), "archived");
        await KeepAsync(Id(3), "not bound");
        await _store.SetModelStateAsync(Id(1), ModelState.Deleted, default);
        await _store.SetModelStateAsync(Id(2), ModelState.Archived, default);

        await Desk.CatchUpAsync(default);

        Assert.False(File.Exists(_place.At($"jobs/{Id(1)}/model.json")));
        Assert.DoesNotContain(Coefficient, await File.ReadAllTextAsync(_place.At($"jobs/{Id(1)}/report.json")), StringComparison.Ordinal);
        Assert.Equal(
            [(Id(2), ModelState.Archived), (Id(1), ModelState.Deleted)], _told.Select(notice => (notice.Job, notice.State)));
        Assert.Equal(Enumerable.Repeat((byte)0xab, 32), (await _store.FindModelAsync(Id(3), default))!.TranscriptRoot!);
    }

    [Fact]
    public async Task A_damaged_file_of_a_deleted_model_goes_with_it_and_stops_no_node()
    {
        await KeepAsync(Id(1), "t");
        await _store.SetModelStateAsync(Id(1), ModelState.Deleted, default);
        string report = _place.At($"jobs/{Id(1)}/report.json");
        await File.WriteAllTextAsync(report, $$"""{"coefficients": {"bank": {"age": {{Coefficient}}""");
        await KeepAsync(Id(2), "t", model: "{ damaged");

        await Desk.CatchUpAsync(default);

        Assert.False(File.Exists(report));
        Assert.Equal(0u, (await Desk.ListModelsAsync(1, default))[0].Coefficients);
    }

    [Fact]
    public async Task A_job_that_has_not_ended_has_no_model_to_delete()
    {
        await AddAsync(Id(1), "t");

        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => Desk.SetModelStateAsync(Id(1), ModelState.Deleted, default));

        Assert.Equal((ErrorCode.Usage, $"job {Id(1)} has not ended, and has no model yet"), (refusal.Code, refusal.Message));
    }

    [Fact]
    public async Task A_horizontal_job_that_came_to_no_model_is_rid_of_those_of_its_rounds_by_deleting()
    {
        JobSpecification pooled = RoundScoreBench.Specification("logistic");
        string job = pooled.Job;
        byte[] signed = SignedJob.Create(pooled, _submitter).Message.ToByteArray();
        await _store.AddJobAsync(new PartyJob { Job = job, Attempt = 1, Role = Role.LabelParty, SignedSpec = signed, State = JobState.Running, ReceivedUnixMs = 1 }, default);
        byte[] hash = new byte[32];
        await _store.SaveAttemptAsync(new AttemptRecord(job, 1, hash, hash, hash, hash, SoftwareVersion.Current), default);
        RoundStep[] heard = [RoundStep.SchemaOrder, RoundStep.ModelOrder, RoundStep.SumShareBundle], said = [RoundStep.Schema, RoundStep.SumShares, RoundStep.SumMasked, RoundStep.ModelUpdate];
        foreach ((RoundStep step, int number) in heard.Select((step, number) => (step, number)))
        {
            await _store.AppendInboundAsync(job, 1, (ulong)number, Said(step), default);
        }

        foreach ((RoundStep step, int number) in said.Select((step, number) => (step, number)))
        {
            await _store.AppendOutboundAsync(job, 1, (ulong)number, Said(step), default);
        }

        string folder = _place.At($"jobs/{job}"), state = Path.Combine(folder, "rounds.state");
        Directory.CreateDirectory(folder);
        await File.WriteAllBytesAsync(state, new PartyRoundState { Capacity = 0.5, Personal = { 1, 2 } }.ToByteArray());
        await File.WriteAllBytesAsync($"{state}.{Id(7)}.tmp", new PartyRoundState { Personal = { 1, 2 } }.ToByteArray());
        Assert.Equal(ErrorCode.Usage, (await Assert.ThrowsAsync<VertFedException>(() => Desk.SetModelStateAsync(job, ModelState.Deleted, default))).Code);
        await _store.SaveResultAsync(job, 1, new PartyResult(JobState.Failed, new JobError { Code = "PeerUnavailable" }, [1], null, [], [1], 2), default);

        Assert.Null(await Desk.SetModelStateAsync(job, ModelState.Archived, default));
        NodeModel? deleted = await Desk.SetModelStateAsync(job, ModelState.Deleted, default);

        Assert.Equal((ModelState.Deleted, 0u, 2L, "logistic"), (deleted!.State, deleted.Coefficients, deleted.TrainedUnixMs, deleted.Model));
        Assert.Equal([state], Directory.GetFiles(folder));
        Assert.Equal(new PartyRoundState { Capacity = 0.5 }, PartyRoundState.Parser.ParseFrom(await File.ReadAllBytesAsync(state)));
        Assert.Equal([true, false, true], await HasPayloadsAsync(heard.Length, number => _store.ReadInboundAsync(job, 1, number, default)));
        Assert.Equal([true, true, false, false], await HasPayloadsAsync(said.Length, number => _store.ReadOutboundAsync(job, 1, number, default)));
        Assert.Empty(_told);

        Envelope Said(RoundStep step)
        {
            bool isHeard = RoundCodec.IsFromCoordinator(step);
            RoundHeader header = new()
            {
                Job = job, Step = step, Sender = isHeard ? RoundCodec.Coordinator : 1, Recipient = isHeard ? 1 : RoundCodec.Coordinator, Attempt = 1, PreviousCoreHash = ByteString.CopyFrom(hash),
            };
            return RoundCodec.Build(header, new ScalingSums { Sums = { 1 } }, _submitter, 1).Message;
        }

        static async Task<List<bool>> HasPayloadsAsync(int count, Func<ulong, ValueTask<Envelope?>> read)
        {
            List<bool> has = [];
            for (int number = 0; number < count; number++)
            {
                has.Add((await read((ulong)number))!.Payload.Length > 0);
            }

            return has;
        }
    }

    [Fact]
    public async Task The_family_of_a_score_jobs_model_is_that_of_the_job_that_trained_it()
    {
        await KeepAsync(Id(1), "t");
        JobSpec spec = InMemoryParties.DefaultSpec();
        spec.LabelParty.Fingerprint = ByteString.CopyFrom(Enumerable.Repeat((byte)1, 32).ToArray());
        spec.FeatureParty.Fingerprint = ByteString.CopyFrom(Enumerable.Repeat((byte)2, 32).ToArray());
        Assert.Null(await Offers.ModelFamilyAsync(_store, JobSpecification.FromMessage(spec), default));
        (spec.Kind, spec.Train, spec.Holdout, spec.AcceptDisclosureRisk) = (JobKind.Score, null, 0, false);
        spec.Score = new ScoreSpec { Model = Id(1) };
        Assert.Equal(Family.Logistic, await Offers.ModelFamilyAsync(_store, JobSpecification.FromMessage(spec), default));
        spec.Score.Model = Id(9);
        Assert.Null(await Offers.ModelFamilyAsync(_store, JobSpecification.FromMessage(spec), default));
    }

    private static string Id(int number) => number.ToString("x32", System.Globalization.CultureInfo.InvariantCulture);

    private async Task AddAsync(string job, string title)
    {
        JobSpec spec = InMemoryParties.DefaultSpec();
        spec.Job = job;
        spec.Title = title;
        spec.LabelParty.Fingerprint = ByteString.CopyFrom(Enumerable.Repeat((byte)1, 32).ToArray());
        spec.FeatureParty.Fingerprint = ByteString.CopyFrom(Enumerable.Repeat((byte)2, 32).ToArray());
        await _store.AddJobAsync(
            new PartyJob
            {
                Job = job,
                Attempt = 1,
                Role = Role.LabelParty,
                SignedSpec = SignedJob.Create(JobSpecification.FromMessage(spec), _submitter).Message.ToByteArray(),
                State = JobState.Running,
                ReceivedUnixMs = 1,
            },
            default);
    }

    private async Task KeepAsync(string job, string title, string? model = null)
    {
        await AddAsync(job, title);
        model ??= $$"""
            {"schema": 2, "transcript_root": "{{string.Concat(Enumerable.Repeat("ab", 32))}}",
             "coefficients": [{"name": "(intercept)", "value": {{Coefficient}}}, {"name": "age", "value": 1}]}
            """;
        await _store.SaveResultAsync(job, 1, new PartyResult(JobState.Done, null, [1], Encoding.UTF8.GetBytes(model), [], [1], 2), default);
        Directory.CreateDirectory(_place.At($"jobs/{job}"));
        await File.WriteAllTextAsync(_place.At($"jobs/{job}/model.json"), model);
        await File.WriteAllTextAsync(
            _place.At($"jobs/{job}/report.json"), $$$"""{"status": "done", "coefficients": {"bank": {"age": {{{Coefficient}}}}, "retailer": null}}""");
    }
}
