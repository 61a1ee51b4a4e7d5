using Google.Protobuf;
using VertFed.PartyNode.Rounds;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Replay;

/// <summary>What a session says in a replay: each answer is built as it would be on the wire and held to the recorded one, byte for byte of its core, in which the
/// payload's hash stands. Nothing leaves.</summary>
internal sealed class RoundReplayVoice(string job, uint place, Identity identity, IReadOnlyList<RoundIndex.Entry> recorded, Action<long> reached) : IRoundVoice
{
    private readonly RoundTrail _trail = new(job, place);

    /// <summary>Answers that came out as recorded.</summary>
    public int Matched { get; private set; }

    public Task<Hearing> HearAsync(RoundEnvelope question, CancellationToken cancellationToken) => Task.FromResult(Hearing.New);

    public bool TryRepeat(RoundHeader question, RoundStep answer) => false;

    public Task RepeatAsync(RoundHeader question, IReadOnlyList<RoundStep> answers, CancellationToken cancellationToken) => Task.CompletedTask;

    public bool HasSaid(RoundHeader question, RoundStep answer) => false;

    public Task ResendAsync(ulong from, CancellationToken cancellationToken) => Task.CompletedTask;

    public void Say(RoundWord word)
    {
        // A replay is asked for no co-signature.
    }

    public Task AnswerAsync(RoundHeader question, RoundStep step, IMessage payload, CancellationToken cancellationToken)
    {
        RoundIndex.Entry entry = recorded[Matched];
        RoundHeader header = _trail.Header(RoundCodec.Coordinator, step, question.Round, question.Attempt);
        RoundEnvelope envelope = RoundCodec.Build(header, payload, identity, timeUnixMs: 0);
        if (!envelope.Message.Core.Equals(entry.Message.Core))
        {
            throw new RoundDivergedException(entry, envelope.Header.Equals(entry.Header) ? "payload" : "header");
        }

        _trail.Add(envelope);
        Matched++;
        reached(Matched);
        return Task.CompletedTask;
    }
}

/// <summary>The replay came to another envelope than the recorded one, or to none.</summary>
/// <param name="field">payload or header; empty: there is no answer.</param>
internal sealed class RoundDivergedException(RoundIndex.Entry entry, string field) : Exception("The replay differs from the record.")
{
    public RoundIndex.Entry Entry { get; } = entry;

    public string Field { get; } = field;
}
