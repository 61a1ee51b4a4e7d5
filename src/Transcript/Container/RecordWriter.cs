using System.Buffers.Binary;
using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>The frame of a transcript file: magic, records, and the trailer over all of them. What the records hold is the caller's. Not thread-safe; the
/// stream stays the caller's.</summary>
internal sealed class RecordWriter(Stream output) : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private RecordType? _last;

    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: the stream cannot be written.</exception>
    public Task MagicAsync(byte[] magic, CancellationToken cancellationToken) => WriteAsync(magic, cancellationToken);

    /// <exception cref="VertFedException"><see cref="ErrorCode.Internal"/>: out of place or too long. <see cref="ErrorCode.Storage"/>.</exception>
    public async Task RecordAsync(RecordType type, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        if (!TranscriptFormat.MayFollow(_last, type) || body.Length > TranscriptFormat.LongestBody(type))
        {
            throw Error.Fault($"A {type} record of {body.Length} bytes may not stand after {_last}.");
        }

        byte[] head = new byte[TranscriptFormat.RecordHeadBytes];
        head[0] = (byte)type;
        BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(1), body.Length);
        await WriteAsync(head, cancellationToken);
        await WriteAsync(body, cancellationToken);
        _last = type;
    }

    /// <summary>Ends the file with its hash and the coordinator's signature, and flushes the stream.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>.</exception>
    public async Task FinishAsync(Func<byte[], byte[]> sign, CancellationToken cancellationToken)
    {
        byte[] fileHash = _hash.GetCurrentHash();
        TranscriptTrailer trailer = new()
        {
            FileHash = UnsafeByteOperations.UnsafeWrap(fileHash),
            Signature = UnsafeByteOperations.UnsafeWrap(LowSignature.Normalise(sign(TranscriptFormat.Signed(fileHash)))),
        };
        await RecordAsync(RecordType.Trailer, trailer.ToByteArray(), cancellationToken);
        try
        {
            await output.FlushAsync(cancellationToken);
        }
        catch (IOException e)
        {
            throw CannotWrite(e);
        }
    }

    public void Dispose() => _hash.Dispose();

    private async Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        _hash.AppendData(bytes.Span);
        try
        {
            await output.WriteAsync(bytes, cancellationToken);
        }
        catch (IOException e)
        {
            throw CannotWrite(e);
        }
    }

    private static VertFedException CannotWrite(IOException e) => Error.Storage($"The transcript cannot be written: {e.Message}", e);
}
