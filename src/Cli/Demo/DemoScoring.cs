using System.Globalization;
using VertFed.Cli.Sample;
using VertFed.Protocol;

namespace VertFed.Cli.Demo;

/// <summary>The demo's second job: new customers, scored with the model that the first one trained.</summary>
internal sealed class DemoScoring(DemoFolder folder, DemoOptions options)
{
    /// <summary>The name of the parties' second data source, and of the folder that it lies in.</summary>
    public const string Dataset = "new-customers";

    private const long MostRows = 5_000;

    /// <summary>Where the new customers' two files are.</summary>
    public string Data => Path.Combine(options.Data is { } given ? Path.GetFullPath(given) : folder.SampleData, Dataset);

    /// <summary>Generates the new customers, or finds them beside the given data.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: a file is not there, or cannot be written.</exception>
    public void Prepare(CancellationToken cancellationToken)
    {
        if (options.Data is null)
        {
            SampleFiles.Write(SampleFiles.Demo(Math.Min(options.Rows, MostRows), options.Seed + 1), Data, cancellationToken);
            return;
        }

        foreach (string file in (ReadOnlySpan<string>)[SampleFiles.BankFile, SampleFiles.RetailerFile])
        {
            string path = Path.Combine(Data, file);
            if (!File.Exists(path))
            {
                throw Error.DataFileMissing(path);
            }
        }
    }

    /// <summary>The label party's file of scores.</summary>
    public string Scores(string job) => Path.Combine(folder.BankData, "jobs", job, "scores.csv");

    /// <summary>Counts the scores and holds each to the one that the joined table gives.</summary>
    /// <returns>Lines for people.</returns>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Internal"/>: a score is not that of the joined table.</exception>
    public IReadOnlyList<string> Check(string model, string job)
    {
        CentralScores central = CentralScores.Read(
            Path.Combine(folder.BankData, "jobs", model, "model.json"),
            Path.Combine(folder.RetailerData, "jobs", model, "model.json"),
            Path.Combine(Data, SampleFiles.BankFile),
            Path.Combine(Data, SampleFiles.RetailerFile));
        HashSet<string> scored = new(StringComparer.Ordinal);
        int others = 0;
        double largest = 0;
        foreach (string[] row in File.ReadLines(Scores(job)).Skip(1).Select(line => line.Split(',')))
        {
            if (central.Find(row[0]) is not { } expected)
            {
                if (row[1].Length > 0 || row[2] == "scored")
                {
                    throw Error.Job(ErrorCode.Internal, "A customer that only the bank has was given a score.");
                }

                others++;
                continue;
            }

            if (!scored.Add(row[0]))
            {
                throw Error.Job(ErrorCode.Internal, "A customer has two scores.");
            }

            double found = row[2] == "scored" ? double.Parse(row[1], CultureInfo.InvariantCulture) : double.NaN;
            double difference = Math.Abs(found - expected);
            if (!(difference <= central.Tolerance))
            {
                throw Error.Job(ErrorCode.Internal, "A score is not that of the joined table.");
            }

            largest = Math.Max(largest, difference);
        }

        // A customer of both sides who is missing from the file would pass unseen otherwise.
        if (scored.Count != central.Count)
        {
            throw Error.Job(ErrorCode.Internal, string.Create(CultureInfo.InvariantCulture, $"{scored.Count} customers were scored; the joined table has {central.Count}."));
        }

        return
        [
            string.Create(CultureInfo.InvariantCulture, $"Scored: {scored.Count:N0} of the bank's {scored.Count + others:N0} new customers; {others:N0} are not shared and have no score"),
            string.Create(CultureInfo.InvariantCulture, $"Largest difference from the score on the joined table: {largest:0.0e+00}; the rounding of what crosses allows {central.Tolerance:0.0e+00}"),
        ];
    }
}
