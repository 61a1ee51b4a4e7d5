using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Relay;

/// <summary>
/// Takes one envelope off a stream and checks all that can be checked of it alone: the core parses strictly, it is of this
/// party's role and the job's attempt, the attestation verifies with the party's key (before any payload is read), the chunks add
/// up to the size and hash to the hash of the core. Its place in the chain is the store's business.
/// </summary>
internal sealed class EnvelopeReceiver(FrameReader frames, TimeSpan chunkDeadline)
{
    /// <exception cref="VertFedException">ProtocolViolation: it fails a check. PeerUnavailable: it stopped in the middle.</exception>
    public async Task<EnvelopeDeposit> ReceiveAsync(EnvelopeView view, CancellationToken cancellationToken)
    {
        int size = checked((int)view.Core.PayloadSize);
        var parts = new List<byte[]>((size + Limits.MaxChunkBytes - 1) / Limits.MaxChunkBytes);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[]? part = null;
        int filled = 0;
        for (int left = size; left > 0;)
        {
            PartyFrame frame = await frames.ReadDueAsync(chunkDeadline, "the next chunk of a payload", cancellationToken);
            if (frame.FrameCase != PartyFrame.FrameOneofCase.Chunk)
                throw Violation(view, $"a frame of kind {frame.FrameCase} came in the middle of its payload");
            ByteString data = frame.Chunk.Data;
            if (data.Length is 0 or > Limits.MaxChunkBytes || data.Length > left)
                throw Violation(view, "a chunk is empty, larger than 1 MiB, or beyond the payload's size");
            hash.AppendData(data.Span);
            if (part is null && data.Length == Math.Min(left, Limits.MaxChunkBytes) && TryTakeArray(data, out byte[]? whole))
            {
                // The usual case: the sender's chunks are the store's parts, no copy.
                parts.Add(whole!);
                left -= data.Length;
                continue;
            }

            for (int from = 0; from < data.Length;)
            {
                part ??= new byte[Math.Min(left, Limits.MaxChunkBytes)];
                int count = Math.Min(part.Length - filled, data.Length - from);
                data.Span.Slice(from, count).CopyTo(part.AsSpan(filled));
                from += count;
                filled += count;
                left -= count;
                if (filled == part.Length)
                {
                    parts.Add(part);
                    part = null;
                    filled = 0;
                }
            }
        }

        if (!hash.GetHashAndReset().AsSpan().SequenceEqual(view.Core.PayloadHash.Span))
            throw Violation(view, "the payload is not the one whose hash its core holds");
        EnvelopeHeader header = view.Header;
        return new EnvelopeDeposit(
            new EnvelopeKey(header.Job, header.Attempt, header.Sender, checked((long)header.Sequence)),
            view.CoreBytes.ToByteArray(),
            view.CoreHash,
            header.PreviousCoreHash.ToByteArray(),
            view.AttestationBytes.ToByteArray(),
            header.Phase,
            header.Step,
            header.Round,
            size,
            parts);
    }

    public static VertFedException Violation(EnvelopeView view, string what) =>
        new(ErrorCode.ProtocolViolation,
            string.Create(System.Globalization.CultureInfo.InvariantCulture, $"job {view.Header.Job}, envelope {view.Header.Sequence}, {view.Header.Step}: {what}"))
        {
            Step = view.Header.Step.ToString(),
        };

    private static bool TryTakeArray(ByteString data, out byte[]? array)
    {
        array = MemoryMarshal.TryGetArray(data.Memory, out ArraySegment<byte> segment) && segment.Offset == 0 && segment.Count == segment.Array!.Length
            ? segment.Array
            : null;
        return array is not null;
    }
}
