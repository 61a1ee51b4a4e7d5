using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>An entry at its place, parsed.</summary>
/// <param name="Index">In canonical order, from 0.</param>
/// <param name="Party">Its sender's name.</param>
internal sealed record EntryView(long Index, EnvelopeView Envelope, string Party)
{
    public EnvelopeHeader Header => Envelope.Header;

    /// <summary>The step with its round.</summary>
    public string Name => Header.Round == 0 ? $"{Header.Step}" : $"{Header.Step} of round {Header.Round}";

    /// <summary>A rule that this entry breaks.</summary>
    /// <param name="party">Who is responsible; null: the sender.</param>
    public RuleBrokenException Broken(string rule, string message, string? party = null, Exception? inner = null) =>
        new(rule, message, party ?? Party, inner) { EntryIndex = Index, Step = Header.Step, Round = Header.Round };

    /// <summary>Throws unless a rule holds of this entry.</summary>
    public void Require(bool holds, string rule, string otherwise, string? party = null)
    {
        if (!holds)
        {
            throw Broken(rule, otherwise, party);
        }
    }
}
