using Google.Protobuf;
using VertFed.PartyNode.Relay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Rounds;

/// <summary>This party's side of a horizontal job's envelopes: signs and chains what it says, and keeps it before it is sent.</summary>
internal sealed class RoundVoice(string job, uint place, Identity identity, IPartyStore store, RelayClient relay, TimeProvider time)
{
    private const uint JobAttempt = 1;
    private readonly RoundTrail _trail = new(job, place);
    private RoundEnvelope? _last;

    /// <summary>Takes the chain up where the record ends.</summary>
    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        if (await store.FindLastEntryAsync(job, JobAttempt, inbound: false, cancellationToken) is { } entry)
        {
            Envelope envelope = new() { Core = ByteString.CopyFrom(entry.Core), Attestation = ByteString.CopyFrom(entry.Attestation) };
            RoundEnvelope last = RoundCodec.Parse(envelope, withPayload: false);
            _trail.Restore(last);
            if (await store.ReadOutboundAsync(job, JobAttempt, last.Header.Sequence, cancellationToken) is { } whole)
            {
                _last = RoundCodec.Parse(whole);
            }
        }
    }

    /// <summary>Says again what answered a question that comes again, also where an earlier run of this node said it or was killed before.</summary>
    /// <returns>False: it is not what was answered last.</returns>
    public bool TryRepeat(RoundHeader question, RoundStep answer)
    {
        if (!HasSaid(question, answer))
        {
            return false;
        }

        relay.SendRound(_last!.Message);
        return true;
    }

    /// <summary>Whether a question is the one that was answered last.</summary>
    public bool HasSaid(RoundHeader question, RoundStep answer) =>
        _last is { } last && last.Header.Round == question.Round && last.Header.Attempt == question.Attempt && last.Header.Step == answer;

    /// <summary>Sends again what was lost, from the record.</summary>
    public async Task ResendAsync(ulong from, CancellationToken cancellationToken)
    {
        for (ulong sequence = from; sequence < _trail.Next; sequence++)
        {
            if (await store.ReadOutboundAsync(job, JobAttempt, sequence, cancellationToken) is { } envelope)
            {
                relay.SendRound(envelope);
            }
        }
    }

    /// <summary>Answers a question.</summary>
    public async Task AnswerAsync(RoundHeader question, RoundStep step, IMessage payload, CancellationToken cancellationToken)
    {
        RoundHeader header = _trail.Header(RoundCodec.Coordinator, step, question.Round, question.Attempt);
        RoundEnvelope envelope = RoundCodec.Build(header, payload, identity, time.GetUtcNow().ToUnixTimeMilliseconds());
        await store.AppendOutboundAsync(job, JobAttempt, header.Sequence, envelope.Message, cancellationToken);
        _trail.Add(envelope);
        _last = envelope;
        relay.SendRound(envelope.Message);
    }
}
