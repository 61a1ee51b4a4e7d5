using Grpc.Core;
using VertFed.Cli.Jobs;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.Cli.Audit;

/// <summary>The auditor's side of AuditService.</summary>
internal sealed class AuditClient : IDisposable
{
    private readonly CoordinatorConnection _connection;
    private readonly AuditService.AuditServiceClient _client;

    /// <param name="access">Stays the caller's to dispose.</param>
    public AuditClient(CoordinatorAccess access)
    {
        _connection = new CoordinatorConnection(access);
        _client = new AuditService.AuditServiceClient(_connection.Channel);
    }

    /// <summary>The newest transcripts, at most so many.</summary>
    public async Task<List<TranscriptSummary>> ListAsync(int limit, CancellationToken cancellationToken)
    {
        List<TranscriptSummary> all = [];
        string token = "";
        do
        {
            ListTranscriptsRequest request = new() { PageSize = (uint)Math.Min(limit - all.Count, 1000), PageToken = token };
            ListTranscriptsResponse page = await _connection.CallAsync(options => _client.ListAsync(request, options).ResponseAsync, cancellationToken);
            all.AddRange(page.Transcripts);
            token = page.NextPageToken;
        }
        while (token.Length > 0 && all.Count < limit);
        return all;
    }

    /// <summary>Lines of the access log.</summary>
    public async Task<IReadOnlyList<AccessLine>> AccessAsync(long first, int limit, CancellationToken cancellationToken) =>
        (await _connection.CallAsync(
            options => _client.AccessAsync(new AccessRequest { First = (ulong)first, Limit = (uint)limit }, options).ResponseAsync, cancellationToken)).Lines;

    /// <summary>
    /// Writes a job's transcript to a file: whole or not at all, and only if it has the bytes that its own trailer names.
    /// </summary>
    /// <param name="onBytes">Told the bytes received so far.</param>
    /// <returns>The file's size in bytes.</returns>
    public async Task<long> ExportAsync(string job, string path, Action<long> onBytes, CancellationToken cancellationToken)
    {
        string temporary = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            await using FileStream file = new(temporary, FileMode.Create, FileAccess.ReadWrite, FileShare.None);
            await ReceiveAsync(job, file, onBytes, cancellationToken);
            file.Flush(flushToDisk: true);
            long size = file.Length;
            file.Position = 0;
            await RequireWholeAsync(file, cancellationToken);
            File.Move(temporary, path, overwrite: false);
            return size;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.CannotWrite(path, e);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    public void Dispose() => _connection.Dispose();

    private async Task ReceiveAsync(string job, FileStream file, Action<long> onBytes, CancellationToken cancellationToken)
    {
        try
        {
            using AsyncServerStreamingCall<ExportChunk> call =
                _client.Export(new TranscriptRequest { Job = job }, new CallOptions(cancellationToken: cancellationToken));
            while (await call.ResponseStream.MoveNext(cancellationToken))
            {
                await file.WriteAsync(call.ResponseStream.Current.Data.Memory, cancellationToken);
                onBytes(file.Length);
            }
        }
        catch (RpcException e)
        {
            throw _connection.Translate(e, cancellationToken);
        }
    }

    private static async Task RequireWholeAsync(FileStream file, CancellationToken cancellationToken)
    {
        using TranscriptReader reader = new(file);
        TranscriptTrailer? trailer = null;
        while (await reader.ReadAsync(cancellationToken) is { } record)
        {
            if (record.Type == RecordType.Trailer)
            {
                trailer = StrictParser.Parse(TranscriptTrailer.Parser, record.Body.Span, TranscriptFormat.MaxTrailerBytes, "The trailer");
            }
        }

        if (!(trailer?.FileHash.Span.SequenceEqual(reader.FileHash) ?? false))
        {
            throw new VertFedException(ErrorCode.DoesNotVerify, "The transcript arrived with other bytes than its trailer names; export it again.");
        }
    }
}
