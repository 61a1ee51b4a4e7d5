using System.Globalization;
using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Control;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Scoring;

/// <summary>
/// What an operator says of models to the running node of a configuration: <c>models --config FILE [--json]</c> lists them,
/// <c>model show|archive|delete JOB --config FILE [--json]</c> shows or changes one. Exit codes are those of <see cref="ErrorCode"/>.
/// </summary>
internal static class ModelCommand
{
    private const string Usage = "usage: party models --config FILE [--json], party model show|archive|delete JOB --config FILE [--json]";
    private const int LongestTitle = 200;

    /// <summary>The words that lead here instead of to a running node.</summary>
    public static IReadOnlyList<string> Verbs { get; } = ["models", "model"];

    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors, CancellationToken cancellationToken)
    {
        try
        {
            Arguments given = Parse(arguments);
            using ControlClient client = new(PartyConfig.Load(given.Config));
            if (given.Verb == "models")
            {
                NodeModels models = await client.CallAsync((node, options) => node.ListModelsAsync(new NodeListRequest(), options), cancellationToken);
                Print(models, [.. models.Models], given.Json, output);
                return 0;
            }

            NodeModel model = await client.CallAsync(
                (node, options) => given.Verb switch
                {
                    "show" => node.ShowModelAsync(new NodeJobRequest { Job = given.Job }, options),
                    "archive" => node.ArchiveModelAsync(new NodeJobRequest { Job = given.Job }, options),
                    _ => node.DeleteModelAsync(new NodeJobRequest { Job = given.Job }, options),
                },
                cancellationToken);
            Print(model, [model], given.Json, output);
            if (!given.Json)
            {
                Explain(model, given.Verb, output);
            }

            return 0;
        }
        catch (VertFedException exception)
        {
            await errors.WriteLineAsync($"error: {exception.Message}");
            return (int)exception.Code;
        }
    }

    private static void Print(IMessage message, NodeModel[] models, bool json, TextWriter output)
    {
        if (json)
        {
            output.WriteLine(JsonFormatter.Default.Format(message));
            return;
        }

        if (models.Length == 0)
        {
            output.WriteLine("No models.");
        }

        foreach (NodeModel model in models)
        {
            string kind = model.Kind == JobKind.Horizontal ? "horizontal" : "half";
            string what = model.Kind == JobKind.Horizontal ? Shown(model.Model) : model.Family.ToString().ToLowerInvariant();
            string trained = DateTimeOffset.FromUnixTimeMilliseconds(model.TrainedUnixMs).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{model.Job}  {model.State.ToString().ToLowerInvariant(),-8}  {what,-8}  {model.Coefficients,4} coefficients  {model.Features,4} features  {kind}  {trained}  {model.Peer}  {Shown(model.Title)}").TrimEnd());
        }
    }

    /// <summary>What the line of a model does not say.</summary>
    private static void Explain(NodeModel model, string verb, TextWriter output)
    {
        if (verb == "show")
        {
            output.WriteLine($"transcript root  {Convert.ToHexStringLower(model.TranscriptRoot.Span)}");
            output.WriteLine($"reads            {string.Join(", ", model.Sources.Select(Shown))}");
            if (model.Personal.Length > 0)
            {
                output.WriteLine($"own model        {Shown(model.Personal)} (personal.json)");
            }
        }
        else if (verb == "delete" && model.Kind == JobKind.Horizontal)
        {
            output.WriteLine("Erased here: model.json, personal.json, what rounds carried, and the models in the job's envelopes. The coordinator and the other parties keep theirs.");
        }
    }

    /// <summary>Text from outside, without what a terminal would act on.</summary>
    private static string Shown(string text) => string.Concat(text.Take(LongestTitle).Select(c => char.IsControl(c) ? ' ' : c));

    private static Arguments Parse(IReadOnlyList<string> arguments)
    {
        bool lists = arguments[0] == "models";
        Arguments given = new(lists ? "models" : "", "", "", Json: false);
        for (int i = 1; i < arguments.Count; i++)
        {
            given = arguments[i] switch
            {
                "--config" when given.Config.Length == 0 && i + 1 < arguments.Count => given with { Config = arguments[++i] },
                "--json" => given with { Json = true },
                "show" or "archive" or "delete" when given.Verb.Length == 0 => given with { Verb = arguments[i] },
                { } word when !lists && given.Verb.Length > 0 && given.Job.Length == 0 && !word.StartsWith('-') => given with { Job = word },
                { } word => throw new VertFedException(ErrorCode.Usage, $"unexpected argument '{word}'; {Usage}"),
            };
        }

        return given.Config.Length > 0 && (lists || given.Job.Length > 0) ? given : throw new VertFedException(ErrorCode.Usage, Usage);
    }

    private sealed record Arguments(string Verb, string Config, string Job, bool Json);
}
