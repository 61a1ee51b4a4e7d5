using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Hosting;
using VertFed.Protocol;
using VertFed.Storage;

namespace VertFed.PartyNode.Scoring;

/// <summary>
/// <c>score JOB --config FILE --out FILE [--data FILE] [--dataset NAME] [--personal] [--json]</c>: scores rows with a model that a horizontal job left here. Whether the
/// node runs is no matter; nothing is sent.
/// </summary>
internal static class ScoreCommand
{
    /// <summary>The word that leads here instead of to a running node.</summary>
    public const string Name = "score";

    private const string Usage = "usage: party score JOB --config FILE --out FILE [--data FILE] [--dataset NAME] [--personal] [--json]";

    /// <summary>The same until a signal tells it to end: what it has written by then is removed.</summary>
    public static async Task<int> RunUntilToldAsync(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors)
    {
        using CancellationTokenSource told = new();
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        return await RunAsync(arguments, output, errors, told.Token);

        void OnSignal(PosixSignalContext signal)
        {
            signal.Cancel = true;
            told.Cancel();
        }
    }

    /// <returns>The exit code: that of an <see cref="ErrorCode"/>, or 0.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors, CancellationToken cancellationToken)
    {
        try
        {
            Arguments given = Parse(arguments);
            PartyConfig config = PartyConfig.Load(given.Config);
            RoundScoreCounts counts = await ScoreAsync(config, given, cancellationToken);
            await output.WriteLineAsync(given.Json ? Json(given, counts) : Text(given, counts));
            return 0;
        }
        catch (VertFedException exception)
        {
            await errors.WriteLineAsync($"error: {exception.Message}");
            return (int)exception.Code;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await errors.WriteLineAsync("error: interrupted; no file was written");
            return (int)ErrorCode.Cancelled;
        }
    }

    /// <summary>Finds the model, reads the rows, writes the file.</summary>
    internal static async Task<RoundScoreCounts> ScoreAsync(PartyConfig config, Arguments given, CancellationToken cancellationToken)
    {
        if (!EnvelopeCodec.IsJobId(given.Job))
        {
            throw new VertFedException(ErrorCode.Usage, "a job id is 32 lower-case hexadecimal digits");
        }

        DatasetOptions dataset = DatasetOf(config, given);
        if (File.Exists(given.Out) || Directory.Exists(given.Out))
        {
            throw new VertFedException(ErrorCode.Usage, $"{given.Out} is there already; name another file, or remove it");
        }

        cancellationToken.ThrowIfCancellationRequested();
        RoundModelFile model;
        await using (IPartyStore store = config.Database.OpenPartyReadOnly(PartyCommand.SecretsOf(config)))
        {
            model = await RoundModels.FindAsync(config, store, given.Job, given.Personal, cancellationToken);
        }

        return await Task.Run(() => RoundScorer.Run(model, dataset, given.Out, cancellationToken), cancellationToken);
    }

    /// <summary>The dataset; with another file of the same kind in its place where one is given.</summary>
    private static DatasetOptions DatasetOf(PartyConfig config, Arguments given)
    {
        if (!config.Datasets.TryGetValue(given.Dataset, out DatasetOptions? dataset))
        {
            throw new VertFedException(ErrorCode.Usage, $"there is no dataset '{given.Dataset}'; known are {string.Join(", ", config.Datasets.Keys)}");
        }

        return given.Data.Length == 0
            ? dataset
            : dataset with { Source = dataset.Source is CsvSource csv ? csv with { Path = given.Data } : new CsvSource { Path = given.Data } };
    }

    private static string Text(Arguments given, RoundScoreCounts counts)
    {
        List<string> lines = [string.Create(CultureInfo.InvariantCulture, $"{counts.Rows - counts.NotFiniteRows} of {counts.Rows} rows scored: {given.Out}")];
        if (counts.UnseenRows > 0)
        {
            string columns = string.Join(", ", counts.Unseen.OrderBy(column => column.Key, StringComparer.Ordinal).Select(column => string.Create(CultureInfo.InvariantCulture, $"{Shown(column.Key)} {column.Value}")));
            lines.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"warning: {counts.UnseenRows} rows ({RoundScorer.ScoredUnseen}) have a level or a missing value that training had not, the first on line {counts.FirstUnseen}; cells by column: {columns}"));
        }

        if (counts.NotFiniteRows > 0)
        {
            lines.Add(string.Create(
                CultureInfo.InvariantCulture, $"warning: {counts.NotFiniteRows} rows ({RoundScorer.NotFinite}) have no score, since the model comes to no finite number, the first on line {counts.FirstNotFinite}"));
        }

        return string.Join('\n', lines);
    }

    private static string Json(Arguments given, RoundScoreCounts counts)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            json.WriteString("job", given.Job);
            json.WriteBoolean("personal", given.Personal);
            json.WriteString("out", given.Out);
            json.WriteNumber("rows", counts.Rows);
            json.WriteNumber(RoundScorer.Scored, counts.Rows - counts.UnseenRows - counts.NotFiniteRows);
            json.WriteNumber(RoundScorer.ScoredUnseen, counts.UnseenRows);
            json.WriteNumber(RoundScorer.NotFinite, counts.NotFiniteRows);
            json.WriteStartObject("unseen");
            foreach ((string column, long rows) in counts.Unseen.OrderBy(column => column.Key, StringComparer.Ordinal))
            {
                json.WriteNumber(column, rows);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>A column's name without what a terminal would act on.</summary>
    private static string Shown(string name) => string.Concat(name.Select(c => char.IsControl(c) ? ' ' : c));

    private static Arguments Parse(IReadOnlyList<string> arguments)
    {
        Arguments given = new("", "", "");
        for (int i = 0; i < arguments.Count; i++)
        {
            bool hasNext = i + 1 < arguments.Count;
            given = arguments[i] switch
            {
                "--config" when given.Config.Length == 0 && hasNext => given with { Config = arguments[++i] },
                "--out" when given.Out.Length == 0 && hasNext => given with { Out = FullPath(arguments[++i]) },
                "--data" when given.Data.Length == 0 && hasNext => given with { Data = FullPath(arguments[++i]) },
                "--dataset" when hasNext => given with { Dataset = arguments[++i] },
                "--personal" => given with { Personal = true },
                "--json" => given with { Json = true },
                { } word when given.Job.Length == 0 && !word.StartsWith('-') => given with { Job = word },
                { } word => throw new VertFedException(ErrorCode.Usage, $"unexpected argument '{word}'; {Usage}"),
            };
        }

        return given.Config.Length > 0 && given.Job.Length > 0 && given.Out.Length > 0 ? given : throw new VertFedException(ErrorCode.Usage, Usage);
    }

    private static string FullPath(string path) =>
        path.Length > 0 ? Path.GetFullPath(path) : throw new VertFedException(ErrorCode.Usage, $"a file has no name; {Usage}");

    /// <summary>What is asked for.</summary>
    /// <param name="Job">The job that trained the model.</param>
    /// <param name="Out">The file to write; it must not be there.</param>
    internal sealed record Arguments(string Job, string Config, string Out)
    {
        /// <summary>A CSV file in place of the dataset's source; empty: that source.</summary>
        public string Data { get; init; } = "";

        public string Dataset { get; init; } = JobSpecification.DefaultDataset;

        public bool Personal { get; init; }

        public bool Json { get; init; }
    }
}
