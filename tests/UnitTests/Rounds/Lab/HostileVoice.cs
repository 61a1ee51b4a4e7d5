using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.UnitTests.Rounds.Lab;

/// <summary>Signs, with a party's own key, what an honest node would not say; its chain is whole unless a test breaks it.</summary>
internal sealed class HostileVoice(uint place, Identity identity)
{
    private readonly RoundTrail _trail = new(RoundCase.JobId, place);

    /// <summary>The next envelope of its chain.</summary>
    /// <param name="change">Of the header, after the chain has put it together.</param>
    public Envelope Say(RoundStep step, uint round, uint attempt, IMessage payload, Action<RoundHeader>? change = null)
    {
        RoundHeader header = _trail.Header(RoundCodec.Coordinator, step, round, attempt);
        change?.Invoke(header);
        RoundEnvelope envelope = RoundCodec.Build(header, payload, identity, 1);
        if (change is null)
        {
            _trail.Add(envelope);
        }

        return envelope.Message;
    }

    /// <summary>What the honest node says, in this voice's chain.</summary>
    public Envelope Repeat(RoundEnvelope honest) => Say(honest, honest.Message.Payload);

    /// <summary>An answer in place of the honest one, with the same header but for the chain.</summary>
    public Envelope Say(RoundEnvelope honest, IMessage payload) => Say(honest.Header.Step, honest.Header.Round, honest.Header.Attempt, payload);

    /// <summary>The same with bytes that need be no message.</summary>
    public Envelope Say(RoundEnvelope honest, ByteString payload)
    {
        RoundHeader header = _trail.Header(RoundCodec.Coordinator, honest.Header.Step, honest.Header.Round, honest.Header.Attempt);
        RoundEnvelope envelope = RoundCodec.Build(header, new Bytes(payload), identity, 1);
        _trail.Add(envelope);
        return envelope.Message;
    }

    /// <summary>Bytes in the place of a message.</summary>
    private sealed class Bytes(ByteString content) : IMessage
    {
        public Google.Protobuf.Reflection.MessageDescriptor Descriptor => throw new NotSupportedException();

        public int CalculateSize() => content.Length;

        public void MergeFrom(CodedInputStream input) => throw new NotSupportedException();

        public void WriteTo(CodedOutputStream output)
        {
            foreach (byte value in content)
            {
                output.WriteRawTag(value);
            }
        }
    }
}
