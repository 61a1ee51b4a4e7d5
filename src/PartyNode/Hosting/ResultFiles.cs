using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Rounds;
using VertFed.PartyNode.Scoring;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Hosting;

/// <summary>The files of a job in the node's data folder: scores, report, model.</summary>
internal sealed class ResultFiles(PartyConfig config, NodeLog log)
{
    /// <summary>The name, in the data folder, of the folder that has one folder a job.</summary>
    public const string FolderName = "jobs";

    /// <summary>Keeps the scores before anyone hears that the job is done. They are in no other place.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: the file cannot be written.</exception>
    public void KeepScores(string job, PreparedInput input, SessionRecord record)
    {
        if (record.Score is not { } score || input.Model is not { } model)
        {
            return;
        }

        ScoreCounts counts;
        if (score.Scores is { } scores)
        {
            string folder = Path.Combine(config.DataDirectory, FolderName, job);
            AtomicFile.CreateFolder(folder);
            counts = ScoreFile.Write(
                Path.Combine(folder, ScoreFile.Name), input.Dataset.Id, input.Table.Ids, input.Ids.SourceRows, record.AlignedRows, scores);
        }
        else
        {
            counts = new ScoreCounts(score.Rows, input.Ids.Ids.Count - score.Rows, input.Table.Rows - input.Ids.Ids.Count);
        }

        record.ScorePart = new ScorePart(
            model.Identity, model.Half.Family, counts, ScorePart.QuantilesOf(score.Scores), record.SecondsOf(Phase.Evaluate), record.EvaluateBytes, score.Disclosures);
    }

    /// <summary>Keeps the party's own model of a horizontal job, if it has one, before anyone hears that the job is done. It is in no other place.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: the file cannot be written.</exception>
    public void KeepPersonal(JobSpecification job, RoundResult result)
    {
        if (RoundPart.PersonalModel(job, result) is { } personal)
        {
            string folder = Path.Combine(config.DataDirectory, FolderName, job.Job);
            AtomicFile.CreateFolder(folder);
            AtomicFile.Write(Path.Combine(folder, RoundModels.PersonalFile), personal);
        }
    }

    /// <summary>Writes one of the job's files. A failure is logged: the store holds the same, and its own failure would be the job's.</summary>
    public void Write(string job, string name, byte[] content)
    {
        try
        {
            string folder = Path.Combine(config.DataDirectory, FolderName, job);
            AtomicFile.CreateFolder(folder);
            AtomicFile.Write(Path.Combine(folder, name), content);
        }
        catch (VertFedException error)
        {
            log.NotWritten(job, name, error.Message);
        }
    }
}
