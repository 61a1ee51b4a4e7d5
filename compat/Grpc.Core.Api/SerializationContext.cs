using System.Buffers;

namespace Grpc.Core;

/// <summary>Where a marshaller puts the bytes of one message; the transport provides it.</summary>
public abstract class SerializationContext
{
    /// <summary>Hands over the whole message as one array.</summary>
    public virtual void Complete(byte[] payload) =>
        throw new NotSupportedException($"{GetType()} does not take a message as an array.");

    /// <summary>A buffer to write the message to; <see cref="Complete()"/> ends it.</summary>
    public virtual IBufferWriter<byte> GetBufferWriter() =>
        throw new NotSupportedException($"{GetType()} has no buffer writer.");

    /// <summary>Announces the length in bytes before anything is written.</summary>
    public virtual void SetPayloadLength(int payloadLength)
    {
    }

    /// <summary>Ends a message written through <see cref="GetBufferWriter"/>.</summary>
    public virtual void Complete() =>
        throw new NotSupportedException($"{GetType()} has no buffer writer.");
}

/// <summary>Where a marshaller finds the bytes of one message; the transport provides it.</summary>
public abstract class DeserializationContext
{
    /// <summary>Length in bytes.</summary>
    public abstract int PayloadLength { get; }

    /// <summary>The message as an array that the caller may keep.</summary>
    public virtual byte[] PayloadAsNewBuffer() =>
        throw new NotSupportedException($"{GetType()} does not give a message as an array.");

    /// <summary>The message as a sequence that is valid only while the deserialiser runs.</summary>
    public virtual ReadOnlySequence<byte> PayloadAsReadOnlySequence() =>
        throw new NotSupportedException($"{GetType()} does not give a message as a sequence.");
}
