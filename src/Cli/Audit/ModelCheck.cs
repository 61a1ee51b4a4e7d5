using System.Text.Json;
using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.Cli.Audit;

/// <summary>Whether a model file is the one that a party committed to in a transcript's ResultCommitment.</summary>
/// <param name="Party">The party that the file names.</param>
/// <param name="IsCommitted">Whether salt and coefficients open that party's commitment.</param>
internal sealed record ModelCheck(string Party, bool IsCommitted)
{
    private const int MaxModelBytes = 64 * 1024 * 1024;

    /// <param name="transcript">A transcript that has been verified.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: the file is not a model of this job.</exception>
    public static async Task<ModelCheck> OfAsync(string transcript, string file, CancellationToken cancellationToken)
    {
        if (TranscriptFormat.IsHorizontal(transcript))
        {
            return await RoundModelCheck.OfAsync(transcript, file, cancellationToken);
        }

        (string job, string party, byte[] salt, byte[] value) = Read(file);
        (ByteString? committed, string? found) = await FindAsync(transcript, party, cancellationToken);
        if (!string.Equals(found, job, StringComparison.Ordinal))
        {
            throw Error.Job(ErrorCode.BadInput, $"{file} is a model of job {job}; the transcript is of job {found}.");
        }

        return committed is null
            ? throw Error.Job(ErrorCode.BadInput, $"The transcript has no result of '{party}'.")
            : new ModelCheck(party, ResultSalts.Commit("coefficients", salt, value).AsSpan().SequenceEqual(committed.Span));
    }

    private static (string Job, string Party, byte[] Salt, byte[] Value) Read(string file)
    {
        try
        {
            if (new FileInfo(file).Length > MaxModelBytes)
            {
                throw Error.Job(ErrorCode.BadInput, $"{file} is larger than {MaxModelBytes} bytes.");
            }

            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
            JsonElement root = document.RootElement;
            List<(string, double)> coefficients = [];
            foreach (JsonElement coefficient in root.GetProperty("coefficients").EnumerateArray())
            {
                coefficients.Add((coefficient.GetProperty("name").GetString()!, coefficient.GetProperty("value").GetDouble()));
            }

            return (
                root.GetProperty("job").GetString()!,
                root.GetProperty("party").GetString()!,
                Convert.FromHexString(root.GetProperty("commitment_salt").GetString()!),
                ResultValues.Encode(coefficients));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentNullException)
        {
            throw Error.Job(ErrorCode.BadInput, $"{file} is not a model file: {Error.OneLine(e.Message)}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.Job(ErrorCode.Usage, $"{file} cannot be read: {Error.OneLine(e.Message)}");
        }
    }

    private static async Task<(ByteString? Committed, string? Job)> FindAsync(string transcript, string party, CancellationToken cancellationToken)
    {
        await using FileStream file = new(transcript, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        using TranscriptReader reader = new(file);
        JobSpecification? job = null;
        bool isNext = false;
        while (await reader.ReadAsync(cancellationToken) is { } record)
        {
            switch (record.Type)
            {
                case RecordType.Header:
                    job = SignedJob.Verify(TranscriptHeader.Parser.ParseFrom(record.Body.Span).SignedSpec).Specification;
                    break;
                case RecordType.Entry:
                    TranscriptEntry entry = TranscriptEntry.Parser.ParseFrom(record.Body.Span);
                    EnvelopeHeader header = EnvelopeCodec.Parse(entry.Core, entry.Attestation).Header;
                    isNext = header.Step == Step.ResultCommitment && job!.Party(header.Sender).Name == party;
                    break;
                case RecordType.Payload when isNext:
                    return (ResultCommitment.Parser.ParseFrom(record.Body.Span).Coefficients, job!.Job);
            }
        }

        return (null, job?.Job);
    }
}
