using VertFed.PartyNode.Configuration;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Scoring;

/// <summary>Finds the model of a horizontal job to score with, in the party's store and files.</summary>
internal static class RoundModels
{
    /// <summary>The name of the file, in the job's folder, that holds the model which every party has.</summary>
    public const string CommonFile = "model.json";

    /// <summary>The name of the file, in the job's folder, that holds the party's own model where the job has one.</summary>
    public const string PersonalFile = "personal.json";

    /// <summary>The model: it is known here, neither archived nor deleted, of a horizontal job, and bound to that job's record.</summary>
    /// <param name="personal">The party's own instead of the common one.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>, naming the rule that refuses the model; <see cref="ErrorCode.Storage"/>: the store or a file cannot be read.</exception>
    public static async Task<RoundModelFile> FindAsync(PartyConfig config, IPartyStore store, string job, bool personal, CancellationToken cancellationToken)
    {
        StoredModel stored = await store.FindModelAsync(job, cancellationToken) ?? throw Refused(config, "model-known", $"there is no model of job {job} here");
        if (stored.Model is not { } json || stored.State == ModelState.Deleted)
        {
            throw Refused(config, "model-active", $"the model of job {job} was deleted here");
        }

        if (stored.State != ModelState.Active)
        {
            throw Refused(config, "model-active", $"the model of job {job} is archived here");
        }

        PartyJob trained = (await store.FindJobAsync(job, cancellationToken))!;
        if (SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(trained.SignedSpec)).Specification.Horizontal is not { } spec)
        {
            throw Refused(config, "model-kind", $"the model of job {job} is one half of a vertical job's: it scores with its peer, in a job of kind score");
        }

        if (personal && spec.Personal.Length == 0)
        {
            throw Refused(config, "model-known", $"job {job} left no personal model");
        }

        RoundModelFile file = Parse(config, personal ? ReadPersonal(config, job) : json, personal ? PersonalFile : CommonFile);
        bool isBound = file.Job == job && file.Personal is not null == personal && (stored.TranscriptRoot is not { } root || root.AsSpan().SequenceEqual(file.TranscriptRoot));
        return isBound ? file : throw Refused(config, "model-intact", $"the model of job {job} is not the one that this party kept when the job was done");
    }

    private static byte[] ReadPersonal(PartyConfig config, string job)
    {
        string path = Path.Combine(config.DataDirectory, "jobs", job, PersonalFile);
        try
        {
            return new FileInfo(path).Length <= RoundModelFile.MaxBytes
                ? File.ReadAllBytes(path)
                : throw Refused(config, "model-format", $"{PersonalFile}: it has more than {RoundModelFile.MaxBytes} bytes");
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw Refused(config, "model-known", $"the {PersonalFile} of job {job} is gone", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new VertFedException(ErrorCode.Storage, $"the {PersonalFile} of job {job} cannot be read ({error.GetType().Name})", error);
        }
    }

    private static RoundModelFile Parse(PartyConfig config, byte[] json, string name)
    {
        try
        {
            return RoundModelFile.Parse(json, name);
        }
        catch (VertFedException error)
        {
            throw Refused(config, "model-format", error.Message, error);
        }
    }

    private static VertFedException Refused(PartyConfig config, string rule, string why, Exception? inner = null) =>
        new(ErrorCode.Refused, $"rule '{rule}': {why}", inner) { Party = config.Name };
}
