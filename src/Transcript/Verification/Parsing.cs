using Google.Protobuf;
using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>Strict parsing whose refusals are broken rules.</summary>
internal static class Parsing
{
    /// <summary>As <see cref="StrictParser.Parse"/>.</summary>
    /// <exception cref="RuleBrokenException">The bytes are not the message's one encoding.</exception>
    public static T Strictly<T>(
        MessageParser<T> parser, ReadOnlySpan<byte> bytes, int limit, string rule, string what, string party = TranscriptContext.CoordinatorName)
        where T : class, IMessage<T>
    {
        try
        {
            return StrictParser.Parse(parser, bytes, limit, what);
        }
        catch (VertFedException e)
        {
            throw new RuleBrokenException(rule, e.Message, party, e);
        }
    }
}
