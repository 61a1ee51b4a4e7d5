using System.Text.Json;

namespace VertFed.PartyNode.Scoring;

/// <summary>What a list of models tells of a model file, of either kind of job.</summary>
/// <param name="Coefficients">Numbers that were trained, intercepts included.</param>
/// <param name="Features">Encoded columns.</param>
/// <param name="Sources">Names of the columns of a source that it reads.</param>
internal sealed record ModelSummary(int Coefficients, int Features, IReadOnlyList<string> Sources)
{
    private static readonly ModelSummary Nothing = new(0, 0, []);

    /// <summary>Of a stored model; zeros where it is deleted, and where nothing can be made of it: a list is no place to fail.</summary>
    public static ModelSummary Of(byte[]? model)
    {
        if (model is null)
        {
            return Nothing;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(model);
            JsonElement root = document.RootElement;
            string[] columns = root.TryGetProperty("columns", out JsonElement names)
                ? Texts(names.EnumerateArray())
                : [.. Texts(root.GetProperty("coefficients").EnumerateArray().Select(one => one.GetProperty("name"))).Where(name => name != Vertical.VerticalResult.InterceptName)];
            int coefficients = root.GetProperty(root.TryGetProperty("parameters", out _) ? "parameters" : "coefficients").GetArrayLength();
            return new ModelSummary(
                coefficients,
                columns.Length,
                root.TryGetProperty("encoding", out JsonElement encoding)
                    ? Texts(encoding.GetProperty("columns").EnumerateArray().Select(column => column.GetProperty("source")))
                    : columns);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return Nothing;
        }
    }

    private static string[] Texts(IEnumerable<JsonElement> elements) => [.. elements.Select(element => element.GetString() ?? "")];
}
