using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Rounds;

/// <summary>
/// Takes the models of a horizontal job out of the party's record of it: the payloads of orders, of the final model and of the own updates, all of which are in the clear
/// there, and of the own masked numbers, which this party could unmask. What was signed stays, and so do the shares of secure sums, which a replay takes from here.
/// </summary>
internal static class RoundErasure
{
    private const uint JobAttempt = 1;
    private const int Page = 512;

    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: the store cannot do it; asking again goes on.</exception>
    public static async Task RunAsync(IPartyStore store, string job, CancellationToken cancellationToken)
    {
        foreach (bool inbound in new[] { false, true })
        {
            for (ulong from = 0; ; from += Page)
            {
                IReadOnlyList<JournalEntry> page = await store.ReadEntriesAsync(job, JobAttempt, inbound, from, Page, cancellationToken);
                ulong[] holding = [.. page.Where(HoldsModel).Select(entry => entry.Sequence)];
                if (holding.Length > 0)
                {
                    await store.ErasePayloadsAsync(job, JobAttempt, inbound, holding, cancellationToken);
                }

                if (page.Count < Page)
                {
                    break;
                }
            }
        }
    }

    private static bool HoldsModel(JournalEntry entry)
    {
        Envelope envelope = new() { Core = ByteString.CopyFrom(entry.Core), Attestation = ByteString.CopyFrom(entry.Attestation) };
        return RoundCodec.Parse(envelope, withPayload: false).Header.Step is RoundStep.ModelOrder or RoundStep.FinalModel or RoundStep.ModelUpdate or RoundStep.SumMasked;
    }
}
