using Google.Protobuf;
using VertFed.PartyNode.Relay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Rounds;

/// <summary>This party's side of a horizontal job's envelopes: signs and chains what it says, and keeps it before it is sent.</summary>
internal sealed class RoundVoice(string job, uint place, Identity identity, IPartyStore store, RoundRecord record, RelayClient relay, TimeProvider time) : IRoundVoice
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

    public Task<Hearing> HearAsync(RoundEnvelope question, CancellationToken cancellationToken) => record.HearAsync(question, cancellationToken);

    public void Say(RoundWord word) => relay.SendWord(word);

    public bool TryRepeat(RoundHeader question, RoundStep answer)
    {
        if (!HasSaid(question, answer))
        {
            return false;
        }

        relay.SendRound(_last!.Message);
        return true;
    }

    public async Task RepeatAsync(RoundHeader question, IReadOnlyList<RoundStep> answers, CancellationToken cancellationToken)
    {
        if (answers.Select(step => record.AnswerTo(question, step)).FirstOrDefault(sequence => sequence is not null) is { } said)
        {
            await SendAgainAsync(said, cancellationToken);
        }
    }

    public bool HasSaid(RoundHeader question, RoundStep answer) =>
        _last is { } last && last.Header.Round == question.Round && last.Header.Attempt == question.Attempt && last.Header.Step == answer;

    public async Task ResendAsync(ulong from, CancellationToken cancellationToken)
    {
        for (ulong sequence = from; sequence < _trail.Next; sequence++)
        {
            await SendAgainAsync(sequence, cancellationToken);
        }
    }

    public async Task AnswerAsync(RoundHeader question, RoundStep step, IMessage payload, CancellationToken cancellationToken)
    {
        RoundHeader header = _trail.Header(RoundCodec.Coordinator, step, question.Round, question.Attempt);
        RoundEnvelope envelope = RoundCodec.Build(header, payload, identity, time.GetUtcNow().ToUnixTimeMilliseconds());
        await record.SayAsync(envelope, cancellationToken);
        _trail.Add(envelope);
        _last = envelope;
        relay.SendRound(envelope.Message);
    }

    private async Task SendAgainAsync(ulong sequence, CancellationToken cancellationToken)
    {
        if (await store.ReadOutboundAsync(job, JobAttempt, sequence, cancellationToken) is { } envelope)
        {
            // All of a job can be asked for, again and again.
            await relay.WaitForRoomAsync(cancellationToken);
            relay.SendRound(envelope);
        }
    }
}
