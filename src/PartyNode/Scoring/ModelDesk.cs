using System.Text.Json;
using System.Text.Json.Nodes;
using VertFed.PartyNode.Control;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Rounds;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Scoring;

/// <summary>
/// The party's models, for its operator: lists, archives and deletes its halves of those of vertical jobs, and its copies of those of horizontal
/// jobs. What changes is durable in the store before anyone is told; files follow, and are made good at the next start if the node goes down between.
/// </summary>
/// <param name="party">This party's name.</param>
/// <param name="tell">Tells the coordinator what has become of a half; of horizontal jobs' models it keeps no list.</param>
internal sealed class ModelDesk(string party, IPartyStore store, string dataFolder, NodeLog log, Action<ModelNotice> tell) : IModelControl
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

    public async Task<NodeModel?> ShowModelAsync(string job, CancellationToken cancellationToken)
    {
        if (await store.FindModelAsync(job, cancellationToken) is not { } model)
        {
            return null;
        }

        NodeModel described = await DescribeAsync(model, cancellationToken);
        described.Sources.Add(ModelSummary.Of(model.Model).Sources);
        return described;
    }

    public async Task<NodeModel?> SetModelStateAsync(string job, ModelState state, CancellationToken cancellationToken)
    {
        StoredModel? before = await store.FindModelAsync(job, cancellationToken);
        if (before is null)
        {
            return await store.FindJobAsync(job, cancellationToken) is not { } kept ? null
                : kept.State is JobState.Offered or JobState.Running ? throw new VertFedException(ErrorCode.Usage, $"job {job} has not ended, and has no model yet")
                : state == ModelState.Deleted ? await EraseRemainsAsync(kept, cancellationToken)
                : null;
        }

        if (before.State == ModelState.Deleted && state != ModelState.Deleted)
        {
            throw new VertFedException(ErrorCode.Usage, $"the model of job {job} is deleted; its coefficients are gone");
        }

        StoredModel after = (await store.SetModelStateAsync(job, state, cancellationToken))!;
        JobSpecification specification = await SpecificationAsync(job, cancellationToken);
        if (state == ModelState.Deleted)
        {
            await EraseAsync(specification, cancellationToken);
        }

        log.ModelChanged(job, state);
        Tell(specification, state);
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
                JobSpecification specification = await SpecificationAsync(model.Job, cancellationToken);
                if (model.State == ModelState.Deleted)
                {
                    await EraseAsync(specification, cancellationToken);
                }

                Tell(specification, model.State);
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

    /// <summary>Erases what a horizontal job that ended without a result has left of models: its envelopes hold those of its rounds.</summary>
    /// <returns>Null: the job is vertical, and such a one leaves no model.</returns>
    private async Task<NodeModel?> EraseRemainsAsync(PartyJob job, CancellationToken cancellationToken)
    {
        JobSpecification specification = await SpecificationAsync(job.Job, cancellationToken);
        if (specification.Horizontal is null)
        {
            return null;
        }

        await EraseAsync(specification, cancellationToken);
        log.ModelChanged(job.Job, ModelState.Deleted);
        StoredModel none = new()
        {
            Job = job.Job, Ordinal = 0, Attempt = job.Attempt, Role = job.Role, Model = null, State = ModelState.Deleted, TranscriptRoot = null, TrainedUnixMs = job.EndedUnixMs,
        };
        return await DescribeAsync(none, cancellationToken);
    }

    private async Task<JobSpecification> SpecificationAsync(string job, CancellationToken cancellationToken)
    {
        PartyJob kept = (await store.FindJobAsync(job, cancellationToken))!;
        return SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(kept.SignedSpec)).Specification;
    }

    private void Tell(JobSpecification job, ModelState state)
    {
        if (job.Horizontal is null)
        {
            tell(new ModelNotice { Job = job.Job, State = state });
        }
    }

    /// <summary>Erases what the store's deletion of a model leaves elsewhere.</summary>
    private async Task EraseAsync(JobSpecification job, CancellationToken cancellationToken)
    {
        if (job.Horizontal is not null)
        {
            await RoundErasure.RunAsync(store, job.Job, cancellationToken);
        }

        EraseFiles(job.Job);
    }

    /// <summary>Removes model.json and personal.json and what a node that was killed had written of any file, empties what rounds carried, and takes the coefficients out of the party's own report.json.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: a file cannot be removed or written; asking again goes on.</exception>
    private void EraseFiles(string job)
    {
        string folder = Path.Combine(dataFolder, "jobs", job);
        string report = Path.Combine(folder, "report.json");
        try
        {
            File.Delete(Path.Combine(folder, RoundModels.CommonFile));
            File.Delete(Path.Combine(folder, RoundModels.PersonalFile));
            foreach (string part in Directory.GetFiles(folder, $"*{AtomicFile.Suffix}"))
            {
                // The job has ended: nobody writes there any more.
                File.Delete(part);
            }

            RoundMemory.Forget(folder);
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
        JobSpecification specification = await SpecificationAsync(model.Job, cancellationToken);
        HorizontalSpecification? horizontal = specification.Horizontal;
        ModelSummary summary = ModelSummary.Of(model.Model);
        NodeModel described = new()
        {
            Job = model.Job,
            Title = specification.Title,
            Peer = horizontal is null
                ? specification.Party(model.Role.Other()).Name
                : string.Join(", ", specification.Parties.Select(other => other.Name).Where(name => name != party)),
            Role = model.Role,
            State = model.State,
            TrainedUnixMs = model.TrainedUnixMs,
            Family = specification.Family,
            Coefficients = (uint)summary.Coefficients,
            Features = (uint)summary.Features,
            Kind = specification.Kind,
            Model = horizontal?.Model ?? "",
            Personal = horizontal?.Personal ?? "",
        };
        if (model.TranscriptRoot is { } root)
        {
            described.TranscriptRoot = Google.Protobuf.ByteString.CopyFrom(root);
        }

        return described;
    }
}
