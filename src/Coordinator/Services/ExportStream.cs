using Google.Protobuf;
using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Services;

/// <summary>What is written to it goes to the caller in pieces of at most 1 MiB; a caller that reads slowly is waited for.</summary>
internal sealed class ExportStream(IServerStreamWriter<ExportChunk> writer) : Stream
{
    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        for (ReadOnlyMemory<byte> left = buffer; left.Length > 0; left = left[Math.Min(left.Length, Limits.MaxChunkBytes)..])
        {
            // Copied: the caller's buffer is used again while the message may still be on its way.
            ReadOnlySpan<byte> piece = left.Span[..Math.Min(left.Length, Limits.MaxChunkBytes)];
            await writer.WriteAsync(new ExportChunk { Data = ByteString.CopyFrom(piece) }, cancellationToken);
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
