using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>A model for programs: the fields of V1.Model with words for enums, hexadecimal digits and ISO 8601 times.</summary>
internal sealed record ModelView(
    string Job, string Title, string Family, string LabelParty, string FeatureParty, string? Trained, string TranscriptRoot, string LabelPartyState, string FeaturePartyState)
{
    public static ModelView Of(Model model) => new(
        model.Job, model.Title, model.Family.ToString().ToLowerInvariant(), model.LabelParty, model.FeatureParty, JobStatusView.Time(model.TrainedUnixMs),
        Convert.ToHexStringLower(model.TranscriptRoot.Span), Word(model.LabelPartyState), Word(model.FeaturePartyState));

    private static string Word(ModelState state) => state.ToString().ToLowerInvariant();
}

internal sealed record ModelListView(IReadOnlyList<ModelView> Models);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ModelListView))]
internal sealed partial class ModelJson : JsonSerializerContext;

/// <summary>`job models`: the models that finished jobs left at the parties.</summary>
internal static class ModelsCommand
{
    public static Command Create(Terminal terminal)
    {
        AccessOptions access = new();
        Option<int> limit = Numbers.Between("--limit", "How many of the newest models.", 100, 1, 100_000);
        Option<bool> json = CommandLine.Json();
        Command command = new("models", "List the models that finished jobs left at the parties, newest first.") { limit, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using CoordinatorAccess caller = access.Open(result);
            using JobClient client = new(caller);
            List<ModelView> models = [.. (await client.ListModelsAsync(result.GetValue(limit), cancellationToken)).Select(ModelView.Of)];
            if (result.GetValue(json))
            {
                terminal.Output.WriteLine(JsonSerializer.Serialize(new ModelListView(models), ModelJson.Default.ModelListView));
            }
            else
            {
                terminal.OutputConsole().Write(Table(models));
            }

            return 0;
        });
        return command;
    }

    private static Table Table(IEnumerable<ModelView> models)
    {
        Table table = new Table().Border(TableBorder.Simple);
        table.AddColumns("Job", "Trained (UTC)", "Family", "Halves", "Title");
        foreach (ModelView model in models)
        {
            table.AddRow(
                Escaped(model.Job), Escaped(model.Trained ?? ""), Escaped(model.Family),
                Escaped(string.Create(CultureInfo.InvariantCulture, $"{model.LabelParty} {model.LabelPartyState}, {model.FeatureParty} {model.FeaturePartyState}")),
                Escaped(model.Title));
        }

        return table;
    }

    private static string Escaped(string text) => Markup.Escape(Error.OneLine(text));
}
