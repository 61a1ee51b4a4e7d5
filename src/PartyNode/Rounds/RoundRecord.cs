using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.PartyNode.Rounds;

/// <summary>
/// What this party said and heard in a horizontal job, in the store and as leaf hashes of the coordinator's tree. What it heard is numbered in the order of
/// hearing: the coordinator's own numbers have gaps, where it spoke to others.
/// </summary>
internal sealed class RoundRecord
{
    private const uint JobAttempt = 1;
    private const int Page = 512;
    private readonly string _job;
    private readonly IPartyStore _store;
    private readonly Dictionary<ulong, int> _places = [];
    private readonly List<byte[]> _said = [];
    private readonly List<byte[]> _heard = [];
    private ulong _last;

    private RoundRecord(string job, IPartyStore store) => (_job, _store) = (job, store);

    /// <summary>Leaf hashes of the own envelopes, by sequence.</summary>
    public IReadOnlyList<byte[]> Said => _said;

    /// <summary>Leaf hashes of the coordinator's, ascending by its sequence.</summary>
    public IReadOnlyList<byte[]> Heard => _heard;

    /// <summary>Reads what an earlier run of the node left.</summary>
    public static async Task<RoundRecord> LoadAsync(string job, IPartyStore store, CancellationToken cancellationToken)
    {
        RoundRecord record = new(job, store);
        foreach (bool inbound in new[] { false, true })
        {
            for (ulong from = 0; ; from += Page)
            {
                IReadOnlyList<JournalEntry> page = await store.ReadEntriesAsync(job, JobAttempt, inbound, from, Page, cancellationToken);
                foreach (JournalEntry entry in page)
                {
                    if (inbound)
                    {
                        Envelope envelope = new() { Core = ByteString.CopyFrom(entry.Core), Attestation = ByteString.CopyFrom(entry.Attestation) };
                        record.AddHeard(RoundCodec.Parse(envelope, withPayload: false));
                    }
                    else
                    {
                        record._said.Add(MerkleTree.HashLeaf(entry.Core));
                    }
                }

                if (page.Count < Page)
                {
                    break;
                }
            }
        }

        return record;
    }

    /// <summary>Keeps an own envelope.</summary>
    public async Task SayAsync(RoundEnvelope envelope, CancellationToken cancellationToken)
    {
        await _store.AppendOutboundAsync(_job, JobAttempt, envelope.Header.Sequence, envelope.Message, cancellationToken);
        _said.Add(LeafOf(envelope));
    }

    /// <summary>As <see cref="IRoundVoice.HearAsync"/>.</summary>
    public async Task<bool> HearAsync(RoundEnvelope envelope, CancellationToken cancellationToken)
    {
        ulong sequence = envelope.Header.Sequence;
        if (_places.TryGetValue(sequence, out int place))
        {
            return _heard[place].AsSpan().SequenceEqual(LeafOf(envelope)) ? false : throw new VertFedException(
                ErrorCode.ProtocolViolation, $"The coordinator sent two envelopes with the number {sequence}: {envelope.Header.Step} of round {envelope.Header.Round} is the second.")
            {
                Party = "coordinator", Step = envelope.Header.Step.ToString(),
            };
        }

        if (_heard.Count > 0 && sequence < _last)
        {
            // It was overtaken by a later one before it came.
            return false;
        }

        await _store.AppendInboundAsync(_job, JobAttempt, (ulong)_heard.Count, envelope.Message, cancellationToken);
        AddHeard(envelope);
        return true;
    }

    private void AddHeard(RoundEnvelope envelope)
    {
        _places[envelope.Header.Sequence] = _heard.Count;
        _heard.Add(LeafOf(envelope));
        _last = envelope.Header.Sequence;
    }

    private static byte[] LeafOf(RoundEnvelope envelope) => MerkleTree.HashLeaf(envelope.Message.Core.Span);
}
