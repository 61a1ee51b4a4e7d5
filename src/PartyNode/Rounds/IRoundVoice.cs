using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Rounds;

/// <summary>Whether a question was heard before.</summary>
internal enum Hearing
{
    /// <summary>It was not.</summary>
    New,

    /// <summary>It is the one that was heard last, byte for byte.</summary>
    Again,

    /// <summary>It is an earlier one, byte for byte.</summary>
    Earlier,
}

/// <summary>What a party's session hears and says through: the connection and the store, or a transcript that is replayed.</summary>
internal interface IRoundVoice
{
    /// <summary>Keeps a question before it is answered.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: another one was heard under its number, or others after its number was passed over; or
    /// there are more than the job's rounds can come to.</exception>
    Task<Hearing> HearAsync(RoundEnvelope question, CancellationToken cancellationToken);

    /// <summary>Says again what answered a question that comes again, also where an earlier run of this node kept it and was killed before it was sent.</summary>
    /// <returns>False: it is not what was answered last.</returns>
    bool TryRepeat(RoundHeader question, RoundStep answer);

    /// <summary>Says again, from the record, what answered an earlier question: by the first of these steps that did, or nothing.</summary>
    Task RepeatAsync(RoundHeader question, IReadOnlyList<RoundStep> answers, CancellationToken cancellationToken);

    /// <summary>Whether this is what was answered last.</summary>
    bool HasSaid(RoundHeader question, RoundStep answer);

    /// <summary>Sends again what was lost, from the record.</summary>
    Task ResendAsync(ulong from, CancellationToken cancellationToken);

    /// <summary>Answers a question.</summary>
    Task AnswerAsync(RoundHeader question, RoundStep step, IMessage payload, CancellationToken cancellationToken);

    /// <summary>Says the word on a checkpoint. One that is lost with the connection is asked for again.</summary>
    void Say(RoundWord word);
}
