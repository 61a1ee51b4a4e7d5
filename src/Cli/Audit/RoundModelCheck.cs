using System.Text.Json;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.Cli.Audit;

/// <summary>Whether a model file of a horizontal job is the FinalModel of its transcript, number for number, and is bound to that transcript's root.</summary>
internal static class RoundModelCheck
{
    private const int MaxModelBytes = 64 * 1024 * 1024;

    /// <param name="transcript">A transcript that has been verified.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: the file is not a model of this job, or the job came to none.</exception>
    public static async Task<ModelCheck> OfAsync(string transcript, string file, CancellationToken cancellationToken)
    {
        (string job, string root, double[][] numbers) = Read(file);
        (FinalModel? final, string? found, string foundRoot) = await FindAsync(transcript, cancellationToken);
        if (!string.Equals(found, job, StringComparison.Ordinal))
        {
            throw Error.Job(ErrorCode.BadInput, $"{file} is a model of job {job}; the transcript is of job {found}.");
        }

        if (final is null)
        {
            throw Error.Job(ErrorCode.BadInput, "The transcript has no final model.");
        }

        bool isSame = root == foundRoot && numbers[0].SequenceEqual(final.Parameters) && numbers[1].SequenceEqual(final.Means) && numbers[2].SequenceEqual(final.Deviations);
        return new ModelCheck("coordinator", isSame);
    }

    private static (string Job, string Root, double[][] Numbers) Read(string file)
    {
        try
        {
            if (new FileInfo(file).Length > MaxModelBytes)
            {
                throw Error.Job(ErrorCode.BadInput, $"{file} is larger than {MaxModelBytes} bytes.");
            }

            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
            JsonElement root = document.RootElement;
            return (
                root.GetProperty("job").GetString()!, root.GetProperty("transcript_root").GetString()!,
                [.. new[] { "parameters", "means", "deviations" }.Select(name => root.GetProperty(name).EnumerateArray().Select(number => number.GetDouble()).ToArray())]);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw Error.Job(ErrorCode.BadInput, $"{file} is not a model file of a horizontal job: {Error.OneLine(e.Message)}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.Job(ErrorCode.Usage, $"{file} cannot be read: {Error.OneLine(e.Message)}");
        }
    }

    private static async Task<(FinalModel? Final, string? Job, string Root)> FindAsync(string transcript, CancellationToken cancellationToken)
    {
        await using FileStream file = new(transcript, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        using TranscriptReader reader = new(file);
        MerkleTree tree = new();
        string? job = null;
        FinalModel? final = null;
        bool isFinal = false;
        while (await reader.ReadAsync(cancellationToken) is { } record)
        {
            switch (record.Type)
            {
                case RecordType.Header:
                    job = RoundTranscriptHeader.Parser.ParseFrom(record.Body.Span).Job;
                    break;
                case RecordType.Entry:
                    TranscriptEntry entry = TranscriptEntry.Parser.ParseFrom(record.Body.Span);
                    tree.Append(entry.Core.Span);
                    isFinal = RoundHeader.Parser.ParseFrom(RoundCore.Parser.ParseFrom(entry.Core).Header).Step == RoundStep.FinalModel;
                    break;
                case RecordType.Payload when isFinal:
                    final = FinalModel.Parser.ParseFrom(record.Body.Span);
                    break;
            }
        }

        return (final, job, Convert.ToHexStringLower(tree.Root()));
    }
}
