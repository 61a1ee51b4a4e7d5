using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// Every check that an envelope must pass before it is acted on, in the order of docs/protocol.md. It changes nothing (a key that
/// hashes to the pinned fingerprint is remembered): the caller commits what came out, or does not.
/// </summary>
internal sealed class InboundCheck(SealedChannelOptions options, SenderTrail trail)
{
    private readonly Role _peer = options.PeerRole;
    private readonly string _name = options.PeerName;
    private PeerIdentity? _key;

    /// <summary>Checks the envelope's outside.</summary>
    /// <param name="awaited">The step that the role code waits for.</param>
    /// <param name="next">Where the peer's sequence stands after it.</param>
    /// <returns>The envelope's parts, or null if it is a repetition of one that was accepted.</returns>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>.</exception>
    public EnvelopeView? Outside(Envelope envelope, Step awaited, uint round, out SenderPosition next)
    {
        next = trail.Position;
        EnvelopeView view = EnvelopeCodec.Parse(envelope.Core, envelope.Attestation);
        EnvelopeHeader header = view.Header;
        Same(options.Specification.Job, header.Job, "job", awaited);
        Same(options.Attempt, header.Attempt, "attempt", awaited);
        Same(_peer, header.Sender, "sender", awaited);
        Same(options.Self, header.Recipient, "recipient", awaited);
        if (trail.Has(header.Sequence, view.CoreHash))
        {
            return null;
        }

        CheckChain(header, awaited, round);
        EnvelopeCodec.VerifyPayload(view, envelope.Payload.Span);
        EnvelopeCodec.VerifyAttestation(view, PinnedKey(view, envelope.Payload));
        if (!PhaseGrammar.TryAdvance(_peer, trail.Position, header.Step, header.Round, out next, out string allowed))
        {
            throw Violation(awaited, $"sent {Error.Describe(header.Step, header.Round)} where the protocol allows {allowed}");
        }

        if (header.Step != awaited || header.Round != round)
        {
            throw Violation(
                awaited, $"sent {Error.Describe(header.Step, header.Round)}; {Error.Describe(awaited, round)} was awaited");
        }

        return view;
    }

    /// <summary>The peer's identity key: given, or from its KeyExchange, which comes first and in the clear.</summary>
    private PeerIdentity PinnedKey(EnvelopeView view, ByteString payload)
    {
        if (options.Peer is { } given)
        {
            return given;
        }

        if (view.Header.Step == Step.KeyExchange)
        {
            KeyExchange message = StrictParser.Parse(
                KeyExchange.Parser, payload.Span, Limits.MaxCoreBytes, $"{nameof(Step.KeyExchange)} from '{_name}'");
            _key = Handshake.IdentityOf(message, options.PeerFingerprint, _name);
        }

        return _key ?? throw Violation(view.Header.Step, $"sent {view.Header.Step} before KeyExchange");
    }

    /// <summary>Opens the seal, if the step has one, and parses the message.</summary>
    public T Inside<T>(EnvelopeView view, ByteString payload, SealKey? seal, MessageParser<T> parser)
        where T : class, IMessage<T>
    {
        Step step = view.Header.Step;
        if (!PhaseGrammar.Rule(step).Sealed)
        {
            return StrictParser.Parse(parser, payload.Span, Limits.MaxPayloadBytes, $"{step} from '{_name}'");
        }

        byte[] plaintext = seal?.Open(view.Core.Header.Span, payload.Span)
            ?? throw Violation(step, $"sent {Error.Describe(step, view.Header.Round)} whose seal does not open");
        return StrictParser.Parse(parser, plaintext, Limits.MaxPayloadBytes, $"{step} from '{_name}'");
    }

    private void CheckChain(EnvelopeHeader header, Step awaited, uint round)
    {
        ulong expected = trail.NextSequence;
        if (header.Sequence > expected)
        {
            throw Violation(
                awaited,
                $"envelope {header.Sequence} ({Error.Describe(header.Step, header.Round)}) came where {expected} "
                + $"({Error.Describe(awaited, round)}) was due: one before it was dropped or they are out of order");
        }

        if (header.Sequence < expected)
        {
            throw Violation(
                awaited,
                $"envelope {header.Sequence} ({Error.Describe(header.Step, header.Round)}) came where {expected} "
                + $"({Error.Describe(awaited, round)}) was due, and it is not the one that was accepted under that number");
        }

        if (!header.PreviousCoreHash.Span.SequenceEqual(trail.LastCoreHash))
        {
            throw Violation(awaited, $"envelope {header.Sequence} does not continue the chain after envelope {expected - 1}");
        }
    }

    private void Same<TValue>(TValue expected, TValue got, string field, Step awaited)
        where TValue : notnull
    {
        if (!expected.Equals(got))
        {
            throw Violation(awaited, $"an envelope names {field} {got}; {expected} was expected");
        }
    }

    private VertFedException Violation(Step step, string what) => Error.ViolationBy(_name, $"From '{_name}': {what}.", step);
}
