using System.Buffers;
using Google.Protobuf;

namespace VertFed.Protocol;

/// <summary>
/// Parses protobuf from outside. A message has exactly one accepted encoding: the one this library would write. So unknown
/// fields, fields out of order or repeated, defaults written out, overlong varints and unpacked numbers are all refused, and
/// what is hashed or signed has no second reading.
/// </summary>
public static class StrictParser
{
    /// <summary>Parses one message.</summary>
    /// <param name="limit">Most bytes that this kind of message may have.</param>
    /// <param name="what">The message's name, for the error.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: too long, malformed, an unknown field, or not
    /// the canonical encoding.</exception>
    public static T Parse<T>(MessageParser<T> parser, ReadOnlySpan<byte> bytes, int limit, string what)
        where T : class, IMessage<T>
    {
        ArgumentNullException.ThrowIfNull(parser);
        if (bytes.Length > limit)
        {
            throw Error.Violation($"{what} has {bytes.Length} bytes; at most {limit} are allowed.");
        }

        T message;
        try
        {
            // Unknown fields are dropped here so that their absence shows when the message is written again.
            message = parser.WithDiscardUnknownFields(discardUnknownFields: true).ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw Error.Violation($"{what} is not well-formed: {e.Message}", inner: e);
        }

        return IsCanonical(message, bytes)
            ? message
            : throw Error.Violation($"{what} has an unknown field or is not in canonical encoding.");
    }

    private static bool IsCanonical(IMessage message, ReadOnlySpan<byte> bytes)
    {
        if (message.CalculateSize() != bytes.Length)
        {
            return false;
        }

        byte[] again = ArrayPool<byte>.Shared.Rent(Math.Max(bytes.Length, 1));
        try
        {
            Span<byte> written = again.AsSpan(0, bytes.Length);
            message.WriteTo(written);
            return written.SequenceEqual(bytes);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(again, clearArray: true);
        }
    }
}
