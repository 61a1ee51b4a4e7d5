using System.Globalization;
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
    private readonly long _mostHeard;
    private readonly Dictionary<ulong, int> _places = [];
    private readonly Dictionary<(uint Round, uint Attempt, RoundStep Step), ulong> _answers = [];
    private readonly List<byte[]> _said = [];
    private readonly List<byte[]> _heard = [];
    private ulong _last;

    private RoundRecord(string job, IPartyStore store, long mostHeard) => (_job, _store, _mostHeard) = (job, store, mostHeard);

    /// <summary>Leaf hashes of the own envelopes, by sequence.</summary>
    public IReadOnlyList<byte[]> Said => _said;

    /// <summary>Leaf hashes of the coordinator's, ascending by its sequence.</summary>
    public IReadOnlyList<byte[]> Heard => _heard;

    /// <summary>Reads what an earlier run of the node left.</summary>
    /// <param name="mostHeard">Envelopes of the coordinator that are kept; a further one is refused.</param>
    public static async Task<RoundRecord> LoadAsync(string job, IPartyStore store, long mostHeard, CancellationToken cancellationToken)
    {
        RoundRecord record = new(job, store, mostHeard);
        foreach (bool inbound in new[] { false, true })
        {
            for (ulong from = 0; ; from += Page)
            {
                IReadOnlyList<JournalEntry> page = await store.ReadEntriesAsync(job, JobAttempt, inbound, from, Page, cancellationToken);
                foreach (JournalEntry entry in page)
                {
                    Envelope message = new() { Core = ByteString.CopyFrom(entry.Core), Attestation = ByteString.CopyFrom(entry.Attestation) };
                    RoundEnvelope envelope = RoundCodec.Parse(message, withPayload: false);
                    if (inbound)
                    {
                        record.AddHeard(envelope);
                    }
                    else
                    {
                        record.AddSaid(envelope);
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
        AddSaid(envelope);
    }

    /// <summary>The number of the own envelope that answered a question by this step; null where there is none.</summary>
    public ulong? AnswerTo(RoundHeader question, RoundStep step) => _answers.TryGetValue((question.Round, question.Attempt, step), out ulong sequence) ? sequence : null;

    /// <summary>As <see cref="IRoundVoice.HearAsync"/>.</summary>
    public async Task<Hearing> HearAsync(RoundEnvelope envelope, CancellationToken cancellationToken)
    {
        RoundHeader header = envelope.Header;
        if (_places.TryGetValue(header.Sequence, out int place))
        {
            return !_heard[place].AsSpan().SequenceEqual(LeafOf(envelope)) ? throw Broken(header, $"The coordinator sent two envelopes with the number {header.Sequence}: {header.Step} of round {header.Round} is the second.")
                : header.Sequence == _last ? Hearing.Again
                : Hearing.Earlier;
        }

        if (_heard.Count > 0 && header.Sequence < _last)
        {
            // It numbers what it says to a party in the order in which it says it, on one connection: there is nothing that could be overtaken.
            throw Broken(header, $"The coordinator's {header.Step} of round {header.Round} has the number {header.Sequence}, after number {_last} was heard.");
        }

        if (_heard.Count >= _mostHeard)
        {
            throw Broken(header, $"The coordinator's {header.Step} of round {header.Round} is one question more than the {_mostHeard} that the job spec's rounds can come to.");
        }

        await _store.AppendInboundAsync(_job, JobAttempt, (ulong)_heard.Count, envelope.Message, cancellationToken);
        AddHeard(envelope);
        return Hearing.New;
    }

    private void AddSaid(RoundEnvelope envelope)
    {
        _said.Add(LeafOf(envelope));
        _answers[(envelope.Header.Round, envelope.Header.Attempt, envelope.Header.Step)] = envelope.Header.Sequence;
    }

    private void AddHeard(RoundEnvelope envelope)
    {
        _places[envelope.Header.Sequence] = _heard.Count;
        _heard.Add(LeafOf(envelope));
        _last = envelope.Header.Sequence;
    }

    private static VertFedException Broken(RoundHeader header, FormattableString what) =>
        new(ErrorCode.ProtocolViolation, what.ToString(CultureInfo.InvariantCulture)) { Party = "coordinator", Step = header.Step.ToString() };

    private static byte[] LeafOf(RoundEnvelope envelope) => MerkleTree.HashLeaf(envelope.Message.Core.Span);
}
