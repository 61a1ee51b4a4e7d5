namespace Grpc.Core;

/// <summary>Hints for a write.</summary>
[Flags]
public enum WriteFlags
{
    /// <summary>The message may wait in a buffer for more to be written with it.</summary>
    BufferHint = 0x1,

    /// <summary>This message is not compressed, even on a call that compresses.</summary>
    NoCompress = 0x2,
}

/// <summary>Options of the writes that follow.</summary>
public class WriteOptions(WriteFlags flags = default)
{
    /// <summary>No flags.</summary>
    public static readonly WriteOptions Default = new();

    public WriteFlags Flags { get; } = flags;
}
