using System.Globalization;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.Protocol;

namespace VertFed.PartyNode.Profiling;

/// <summary>
/// <c>profile --config FILE [--dataset NAME] [--json] [--show-rare]</c>: reads a data source and shows its operator what is in it. Nothing is
/// sent or kept. With <c>--public NAME</c>: how a job spec names the public rows of that name, with the columns of the dataset.
/// </summary>
public static class ProfileCommand
{
    /// <summary>The word that leads here instead of to a running node.</summary>
    public const string Name = "profile";

    private const string Usage = "usage: party profile --config FILE [--dataset NAME] [--json] [--show-rare] | party profile --config FILE --public NAME [--dataset NAME]";

    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors, CancellationToken cancellationToken)
    {
        try
        {
            (string file, string dataset, string? shared, bool json, bool showRare) = Parse(arguments);
            PartyConfig config = PartyConfig.Load(file);
            if (!config.Datasets.TryGetValue(dataset, out DatasetOptions? options))
            {
                throw new VertFedException(ErrorCode.Usage, $"there is no dataset '{dataset}'; known are {string.Join(", ", config.Datasets.Keys)}");
            }

            if (shared is not null)
            {
                await output.WriteLineAsync(await Task.Run(() => SpecOf(config, shared, options, cancellationToken), cancellationToken));
                return 0;
            }

            SourceProfile profile = await Task.Run(() => Profiler.Run(dataset, options, showRare, cancellationToken), cancellationToken);
            await output.WriteLineAsync(json ? ProfileWriter.Json(profile) : ProfileWriter.Text(profile).TrimEnd());
            return 0;
        }
        catch (VertFedException exception)
        {
            await errors.WriteLineAsync($"error: {exception.Message}");

            // A job's error keeps the database's words to itself; here the operator may see them. A driver's own words could name a password.
            if (exception.InnerException is Npgsql.PostgresException or Microsoft.Data.Sqlite.SqliteException)
            {
                string words = (exception.InnerException as Npgsql.PostgresException)?.MessageText ?? exception.InnerException.Message;
                await errors.WriteLineAsync($"the database says: {words.ReplaceLineEndings(" ")}");
            }

            return (int)exception.Code;
        }
    }

    // As it goes into a job spec.
    private static string SpecOf(PartyConfig config, string shared, DatasetOptions dataset, CancellationToken cancellationToken)
    {
        if (!config.PublicData.TryGetValue(shared, out SourceOptions? source))
        {
            throw new VertFedException(ErrorCode.Usage, $"there is no public data '{shared}'; known are {string.Join(", ", config.PublicData.Keys)}");
        }

        PublicRows rows = PublicRows.Load(source, dataset, PublicRows.FeaturesOf(dataset, cancellationToken), cancellationToken);
        return $"public_rows: {{ name: {shared}, rows: {rows.Table.Rows.ToString(CultureInfo.InvariantCulture)}, sha256: {Convert.ToHexStringLower(rows.Sha256)} }}";
    }

    private static (string Config, string Dataset, string? Public, bool Json, bool ShowRare) Parse(IReadOnlyList<string> arguments)
    {
        string? config = null;
        string? dataset = null;
        string? shared = null;
        bool json = false;
        bool showRare = false;
        for (int i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--config" when config is null && i + 1 < arguments.Count:
                    config = arguments[++i];
                    break;
                case "--dataset" when dataset is null && i + 1 < arguments.Count:
                    dataset = arguments[++i];
                    break;
                case "--public" when shared is null && i + 1 < arguments.Count:
                    shared = arguments[++i];
                    break;
                case "--json" when !json:
                    json = true;
                    break;
                case "--show-rare" when !showRare:
                    showRare = true;
                    break;
                default:
                    throw new VertFedException(ErrorCode.Usage, $"unexpected argument '{arguments[i]}'; {Usage}");
            }
        }

        return config is null || (shared is not null && (json || showRare))
            ? throw new VertFedException(ErrorCode.Usage, Usage)
            : (config, dataset ?? JobSpecification.DefaultDataset, shared, json, showRare);
    }
}
