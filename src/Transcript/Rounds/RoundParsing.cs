using Google.Protobuf;
using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>What the checks of a horizontal job's entries share.</summary>
internal static class RoundParsing
{
    /// <summary>Parses a broadcast's payload.</summary>
    /// <exception cref="RuleBrokenException">It is malformed.</exception>
    public static T Payload<T>(MessageParser<T> parser, RoundEntryView entry, ReadOnlyMemory<byte> payload)
        where T : class, IMessage<T>
    {
        try
        {
            return StrictParser.Parse(parser, payload.Span, RoundCodec.MaxPayloadBytes, entry.Name);
        }
        catch (VertFedException e)
        {
            throw entry.Broken(Rules.EntryFormat, e.Message, inner: e);
        }
    }

    public static bool AreAscending(IReadOnlyList<uint> places)
    {
        for (int i = 1; i < places.Count; i++)
        {
            if (places[i] <= places[i - 1])
            {
                return false;
            }
        }

        return true;
    }
}
