using System.Text.Json;
using System.Text.Json.Nodes;
using VertFed.PartyNode.Control;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Reporting;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Scoring;

/// <summary>
/// The party's halves of models, for its operator: lists, archives and deletes them. What changes is durable in the store before
/// anyone is told; files follow, and are made good at the next start if the node goes down between.
/// </summary>
/// <param name="tell">Tells the coordinator what has become of a model.</param>
internal sealed class ModelDesk(IPartyStore store, string dataFolder, NodeLog log, Action<ModelNotice> tell) : IModelControl
{
    private const int Page = 1000;

    public async Task<IReadOnlyList<NodeModel>> ListModelsAsync(int limit, CancellationToken cancellationToken)
    {
        List<NodeModel> models = [];
        foreach (StoredModel model in await store.ListModelsAsync(limit, before: null, cancellationToken))
        {
            models.Add(await DescribeAsync(model, cancellationToken));
        }

        return models;
    }

    public async Task<NodeModel?> SetModelStateAsync(string job, ModelState state, CancellationToken cancellationToken)
    {
        StoredModel? before = await store.FindModelAsync(job, cancellationToken);
        if (before is null)
        {
            return null;
        }

        if (before.State == ModelState.Deleted && state != ModelState.Deleted)
        {
            throw new VertFedException(ErrorCode.Usage, $"the model of job {job} is deleted; its coefficients are gone");
        }

        StoredModel after = (await store.SetModelStateAsync(job, state, cancellationToken))!;
        if (state == ModelState.Deleted)
        {
            EraseFiles(job);
        }

        log.ModelChanged(job, state);
        tell(new ModelNotice { Job = job, State = state });
        return await DescribeAsync(after, cancellationToken);
    }

    /// <summary>After a start: binds what is not bound, erases files of models that the store knows as deleted, and tells the coordinator of all
    /// that are not active.</summary>
    public async Task CatchUpAsync(CancellationToken cancellationToken)
    {
        long? before = null;
        while (true)
        {
            IReadOnlyList<StoredModel> models = await store.ListModelsAsync(Page, before, cancellationToken);
            foreach (StoredModel unbound in models.Where(model => model.TranscriptRoot is null && model.Model is not null))
            {
                await BindAsync(unbound, cancellationToken);
            }

            foreach (StoredModel model in models.Where(model => model.State != ModelState.Active))
            {
                if (model.State == ModelState.Deleted)
                {
                    EraseFiles(model.Job);
                }

                tell(new ModelNotice { Job = model.Job, State = model.State });
            }

            if (models.Count < Page)
            {
                return;
            }

            before = models[^1].Ordinal;
        }
    }

    /// <summary>Binds a model whose node went down between keeping and binding it. One of an older format has nothing to be bound to.</summary>
    private async Task BindAsync(StoredModel model, CancellationToken cancellationToken)
    {
        if (Parse(model.Model!) is not { } json)
        {
            log.ModelDamaged(model.Job);
        }
        else if ((json["transcript_root"] as JsonValue)?.TryGetValue(out string? root) == true && IsHash(root))
        {
            await store.BindModelAsync(model.Job, Convert.FromHexString(root), cancellationToken);
        }
    }

    /// <summary>Removes model.json and takes the coefficients out of the party's own report.json.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: a file cannot be removed or written; asking again goes on.</exception>
    private void EraseFiles(string job)
    {
        string folder = Path.Combine(dataFolder, "jobs", job);
        string report = Path.Combine(folder, "report.json");
        try
        {
            File.Delete(Path.Combine(folder, "model.json"));
            if (File.Exists(report))
            {
                EraseReport(job, report);
            }
        }
        catch (DirectoryNotFoundException)
        {
            // The files of the job are gone already.
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new VertFedException(ErrorCode.Storage, $"the files of model {job} cannot be erased ({error.GetType().Name})", error);
        }
    }

    private static bool IsHash(string text) => text.Length == 2 * EnvelopeCodec.HashBytes && text.All(char.IsAsciiHexDigit);

    private void EraseReport(string job, string file)
    {
        if (Parse(File.ReadAllBytes(file)) is not { } report)
        {
            // What is left of the coefficients in it cannot be told; the store has the report without them.
            File.Delete(file);
            log.NotWritten(job, Path.GetFileName(file), "it was damaged, and is deleted with its model");
        }
        else if (report["coefficients"] is not null)
        {
            AtomicFile.Write(file, WithoutCoefficients(report));
        }
    }

    /// <summary>A file as a JSON object; null where it is none.</summary>
    private static JsonObject? Parse(byte[] json)
    {
        try
        {
            return JsonNode.Parse(json) as JsonObject;
        }
        catch (Exception error) when (error is JsonException or ArgumentException)
        {
            return null;
        }
    }

    private static byte[] WithoutCoefficients(JsonObject json)
    {
        json["coefficients"] = null;
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, ReportWriter.Options))
        {
            json.WriteTo(writer);
        }

        return stream.ToArray();
    }

    private async Task<NodeModel> DescribeAsync(StoredModel model, CancellationToken cancellationToken)
    {
        PartyJob job = (await store.FindJobAsync(model.Job, cancellationToken))!;
        JobSpecification specification = SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(job.SignedSpec)).Specification;
        Role peer = model.Role == Role.LabelParty ? Role.FeatureParty : Role.LabelParty;
        NodeModel described = new()
        {
            Job = model.Job,
            Title = specification.Title,
            Peer = specification.Party(peer).Name,
            Role = model.Role,
            State = model.State,
            TrainedUnixMs = model.TrainedUnixMs,
            Family = specification.Family,
        };
        if (model.TranscriptRoot is { } root)
        {
            described.TranscriptRoot = Google.Protobuf.ByteString.CopyFrom(root);
        }

        if (model.Model is { } json && Parse(json)?["coefficients"] is JsonArray coefficients)
        {
            described.Coefficients = (uint)coefficients.Count;
        }

        return described;
    }
}
