using System.Text.Json;
using VertFed.PartyNode.Data;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;

namespace VertFed.PartyNode.Scoring;

/// <summary>A model.json as read: the own half, and what binds it to the transcript of the job that trained it.</summary>
/// <param name="Party">The party whose half it is, by name.</param>
/// <param name="Encoder">Turns a source's columns into those that the coefficients are of.</param>
/// <param name="Salt">Opens the own commitment in <paramref name="Identity"/>, 32 bytes.</param>
internal sealed record ModelFile(string Party, ModelHalf Half, ColumnEncoder Encoder, ModelIdentity Identity, byte[] Salt)
{
    /// <summary>The version that this software writes and scores with; version 1 had no transcript and no label scale.</summary>
    public const int Format = 2;

    private const int MaxBytes = 64 * 1024 * 1024;

    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: not a model file, or of another format.</exception>
    public static ModelFile Parse(ReadOnlyMemory<byte> json)
    {
        if (json.Length > MaxBytes)
        {
            throw Wrong($"it has more than {MaxBytes} bytes");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            JsonElement root = document.RootElement;
            int format = root.GetProperty("schema").GetInt32();
            return format == Format
                ? Read(root)
                : throw Wrong($"its format is {format}, this software scores with {Format}: train the model again");
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or OverflowException)
        {
            // The message of the inner exception could quote a number of the model.
            throw Wrong($"it is not a whole model file ({error.GetType().Name})");
        }
    }

    private static ModelFile Read(JsonElement root)
    {
        List<string> columns = [];
        List<double> weights = [];
        List<double> means = [];
        List<double> deviations = [];
        double intercept = 0;
        foreach (JsonElement coefficient in root.GetProperty("coefficients").EnumerateArray())
        {
            string name = Text(coefficient, "name");
            double value = coefficient.GetProperty("value").GetDouble();
            if (name == VerticalResult.InterceptName)
            {
                intercept = value;
                continue;
            }

            columns.Add(name);
            weights.Add(value);
            means.Add(coefficient.GetProperty("mean").GetDouble());
            deviations.Add(coefficient.GetProperty("standard_deviation").GetDouble());
        }

        Family family = Text(root, "family") switch
        {
            "logistic" => Family.Logistic,
            "linear" => Family.Linear,
            _ => throw Wrong("it is of no family that scores"),
        };
        ColumnEncoder encoder = root.TryGetProperty("encoding", out JsonElement encoding) ? EncodingJson.Read(encoding) : ColumnEncoder.Plain(columns);
        if (!encoder.Names.SequenceEqual(columns, StringComparer.Ordinal))
        {
            throw Wrong("its encoding and its coefficients are not of the same columns");
        }

        return new ModelFile(
            Text(root, "party"),
            new ModelHalf(family, columns, [.. weights], [.. means], [.. deviations], intercept, root.GetProperty("label_scale").GetDouble()),
            encoder,
            new ModelIdentity(Text(root, "job"), Hash(root, "transcript_root"), Hash(root, "commitment"), Hash(root, "peer_commitment")),
            Hash(root, "commitment_salt"));
    }

    private static string Text(JsonElement json, string name) => json.GetProperty(name).GetString() ?? throw Wrong($"its '{name}' is null");

    private static byte[] Hash(JsonElement json, string name)
    {
        byte[] hash = Convert.FromHexString(Text(json, name));
        return hash.Length == EnvelopeCodec.HashBytes ? hash : throw Wrong($"its '{name}' is not {EnvelopeCodec.HashBytes} bytes");
    }

    private static VertFedException Wrong(string what) => new(ErrorCode.BadInput, $"model.json: {what}");
}
