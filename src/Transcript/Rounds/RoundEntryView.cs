using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>An entry of a horizontal job at its place, parsed.</summary>
/// <param name="Index">In the record's order, from 0.</param>
/// <param name="Party">Its sender's name.</param>
internal sealed record RoundEntryView(long Index, RoundEnvelope Envelope, RoundCore Core, string Party)
{
    public RoundHeader Header => Envelope.Header;

    /// <summary>Whether all parties get it.</summary>
    public bool IsBroadcast => Header.Recipient == RoundCodec.Everyone;

    /// <summary>Whether its payload stands in the file: of what the coordinator says all but shares that are sealed for one party.</summary>
    public bool HasPayload => Header.Sender == RoundCodec.Coordinator && Header.Step != RoundStep.SumShareBundle;

    /// <summary>The step with its round and attempt.</summary>
    public string Name => Header.Round == 0 ? $"{Header.Step}" : $"{Header.Step} of round {Header.Round}, attempt {Header.Attempt}";

    /// <summary>A rule that this entry breaks.</summary>
    /// <param name="party">Who is responsible; null: the sender.</param>
    public RuleBrokenException Broken(string rule, string message, string? party = null, Exception? inner = null) =>
        new(rule, message, party ?? Party, inner) { EntryIndex = Index, RoundStep = Header.Step, Round = Header.Round, Sequence = Header.Sequence };

    /// <summary>Throws unless a rule holds of this entry.</summary>
    public void Require(bool holds, string rule, string otherwise, string? party = null)
    {
        if (!holds)
        {
            throw Broken(rule, otherwise, party);
        }
    }
}
