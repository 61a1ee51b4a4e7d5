using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>What a record of a transcript file is.</summary>
public enum RecordType
{
    /// <summary>A TranscriptHeader; first.</summary>
    Header = 1,

    /// <summary>A TranscriptEntry.</summary>
    Entry = 2,

    /// <summary>Bytes of the payload of the entry before it.</summary>
    Payload = 3,

    /// <summary>A TranscriptCheckpoint; after all entries.</summary>
    Checkpoint = 4,

    /// <summary>A DeliveryLog; after all checkpoints.</summary>
    Deliveries = 5,

    /// <summary>A TranscriptTrailer; last.</summary>
    Trailer = 6,
}

/// <summary>Constants of the file format; docs/transcript-format.md says what they mean.</summary>
public static class TranscriptFormat
{
    /// <summary>The only version.</summary>
    public const uint Version = 1;

    /// <summary>Type (1 byte) and length (8 bytes, big-endian) before every body.</summary>
    public const int RecordHeadBytes = 1 + sizeof(ulong);

    /// <summary>Every payload record but a payload's last has exactly this length.</summary>
    public const int PayloadPartBytes = Limits.MaxChunkBytes;

    /// <summary>Longest header: spec, keys, an error's text.</summary>
    public const int MaxHeaderBytes = Limits.MaxSpecBytes + (32 * 1024);

    /// <summary>Longest entry: two serialised messages with their tags.</summary>
    public const int MaxEntryBytes = (2 * Limits.MaxCoreBytes) + 16;

    /// <summary>Longest checkpoint.</summary>
    public const int MaxCheckpointBytes = SignedNote.MaxBytes + 16;

    /// <summary>Longest part of the delivery log.</summary>
    public const int MaxDeliveriesBytes = Limits.MaxChunkBytes;

    /// <summary>Longest trailer.</summary>
    public const int MaxTrailerBytes = 256;

    /// <summary>
    /// The first eight bytes of a file. The first one is no text, the rest is damaged by programs that treat line ends or that strip a bit.
    /// </summary>
    public static ReadOnlySpan<byte> Magic => [0x89, (byte)'V', (byte)'F', (byte)'T', 0x0d, 0x0a, 0x1a, 0x0a];

    /// <summary>The first eight bytes of the file of a horizontal job.</summary>
    public static ReadOnlySpan<byte> HorizontalMagic => [0x89, (byte)'V', (byte)'F', (byte)'H', 0x0d, 0x0a, 0x1a, 0x0a];

    private static ReadOnlySpan<byte> SignatureLabel => "vertfed/v1/transcript-file"u8;

    /// <summary>Longest body of a record in bytes; 0: there is no such record.</summary>
    public static int LongestBody(RecordType type) => type switch
    {
        RecordType.Header => MaxHeaderBytes,
        RecordType.Entry => MaxEntryBytes,
        RecordType.Payload => PayloadPartBytes,
        RecordType.Checkpoint => MaxCheckpointBytes,
        RecordType.Deliveries => MaxDeliveriesBytes,
        RecordType.Trailer => MaxTrailerBytes,
        _ => 0,
    };

    /// <summary>Whether a record may follow another; null stands for the magic.</summary>
    public static bool MayFollow(RecordType? before, RecordType next) => next switch
    {
        RecordType.Header => before is null,
        RecordType.Entry => before is RecordType.Header or RecordType.Entry or RecordType.Payload,
        RecordType.Payload => before is RecordType.Entry or RecordType.Payload,
        RecordType.Checkpoint => before is not (null or RecordType.Deliveries or RecordType.Trailer),
        RecordType.Deliveries => before is not (null or RecordType.Trailer),
        RecordType.Trailer => before is not (null or RecordType.Trailer),
        _ => false,
    };

    /// <summary>Whether a file is that of a horizontal job; one that cannot be read or is too short is not. Nothing in it is verified.</summary>
    public static bool IsHorizontal(string path)
    {
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            byte[] magic = new byte[HorizontalMagic.Length];
            return file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.AsSpan().SequenceEqual(HorizontalMagic);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>What the coordinator signs of a file.</summary>
    internal static byte[] Signed(ReadOnlySpan<byte> fileHash) => [.. SignatureLabel, .. fileHash];
}
