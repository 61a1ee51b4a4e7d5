using System.Buffers.Binary;
using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>An envelope of a horizontal job whose parts were parsed and whose fields are in range. Its attestation is not verified yet.</summary>
/// <param name="Message">As received; not to be changed.</param>
/// <param name="CoreHash">SHA-256 of the core's bytes: the link of the sender's chain.</param>
public sealed record RoundEnvelope(Envelope Message, RoundHeader Header, Attestation Attestation, byte[] CoreHash);

/// <summary>Header → core → attestation between the coordinator and the parties of a horizontal job, and back.</summary>
public static class RoundCodec
{
    /// <summary>The coordinator's place among the senders and recipients.</summary>
    public const uint Coordinator = 0;

    /// <summary>The recipient of what is meant for every party.</summary>
    public const uint Everyone = uint.MaxValue;

    /// <summary>Largest payload in bytes: an envelope travels in one frame.</summary>
    public const int MaxPayloadBytes = 1024 * 1024;

    private static ReadOnlySpan<byte> Label => "vertfed/v1/round-attestation"u8;

    /// <summary>Builds and signs an envelope.</summary>
    /// <param name="timeUnixMs">Milliseconds since 1970-01-01T00:00:00Z by the signer's clock.</param>
    public static RoundEnvelope Build(RoundHeader header, IMessage payload, Identity signer, long timeUnixMs)
    {
        byte[] bytes = payload.ToByteArray();
        if (bytes.Length > MaxPayloadBytes)
        {
            throw Error.Fault($"{Name(header)} has {bytes.Length} bytes; at most {MaxPayloadBytes} fit an envelope.");
        }

        byte[] core = new RoundCore
        {
            Header = header.ToByteString(),
            PayloadHash = UnsafeByteOperations.UnsafeWrap(SHA256.HashData(bytes)),
            PayloadSize = (ulong)bytes.Length,
        }.ToByteArray();
        byte[] hash = SHA256.HashData(core);
        Attestation attestation = new() { TimeUnixMs = timeUnixMs, Signature = UnsafeByteOperations.UnsafeWrap(signer.Sign(Attested(hash, timeUnixMs))) };
        Envelope message = new()
        {
            Core = UnsafeByteOperations.UnsafeWrap(core),
            Attestation = attestation.ToByteString(),
            Payload = UnsafeByteOperations.UnsafeWrap(bytes),
        };
        return new RoundEnvelope(message, header, attestation, hash);
    }

    /// <summary>Parses an envelope and checks its fields, and its payload's size and hash. The attestation is not verified here.</summary>
    /// <param name="withPayload">False for the entry of a record that keeps the payload's hash alone.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: malformed, out of range, or another payload.</exception>
    public static RoundEnvelope Parse(Envelope envelope, bool withPayload = true)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        RoundCore core = StrictParser.Parse(RoundCore.Parser, envelope.Core.Span, Limits.MaxCoreBytes, "A round's core");
        RoundHeader header = StrictParser.Parse(RoundHeader.Parser, core.Header.Span, Limits.MaxCoreBytes, "A round's header");
        Attestation attestation = StrictParser.Parse(Attestation.Parser, envelope.Attestation.Span, Limits.MaxCoreBytes, "A round's attestation");
        Require(EnvelopeCodec.IsJobId(header.Job), header, "the job id is not 32 lower-case hexadecimal digits");
        Require(header.Step is not RoundStep.Unspecified && Enum.IsDefined(header.Step), header, "there is no such step");
        Require(header.Sender <= HorizontalSpecification.MostParties, header, "there is no such sender");
        Require(
            header.Sender == Coordinator
                ? header.Recipient == Everyone || header.Recipient is >= 1 and <= HorizontalSpecification.MostParties
                : header.Recipient == Coordinator,
            header,
            "parties and the coordinator speak to each other, and to nobody else");
        Require(IsFromCoordinator(header.Step) == (header.Sender == Coordinator), header, "its sender does not say this step");
        Require(header.Attempt >= 1, header, "attempts count from 1");
        Require(header.PreviousCoreHash.Length == EnvelopeCodec.HashBytes, header, "the previous core's hash is not 32 bytes");
        Require(core.PayloadHash.Length == EnvelopeCodec.HashBytes, header, "the payload hash is not 32 bytes");
        Require(core.PayloadSize <= MaxPayloadBytes, header, $"the payload is larger than {MaxPayloadBytes} bytes");
        Require(attestation.Signature.Length == PeerIdentity.SignatureBytes, header, "the signature is not 64 bytes");
        if (withPayload)
        {
            Require(core.PayloadSize == (ulong)envelope.Payload.Length, header, "the payload has another size than its core says");
            Require(
                SHA256.HashData(envelope.Payload.Span).AsSpan().SequenceEqual(core.PayloadHash.Span), header, "the payload is not the one whose hash its core holds");
        }

        return new RoundEnvelope(envelope, header, attestation, SHA256.HashData(envelope.Core.Span));
    }

    /// <summary>Verifies the attestation by the key pinned for the sender.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: it does not verify.</exception>
    public static void Verify(RoundEnvelope envelope, PeerIdentity sender)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        ArgumentNullException.ThrowIfNull(sender);
        Require(
            sender.Verify(Attested(envelope.CoreHash, envelope.Attestation.TimeUnixMs), envelope.Attestation.Signature.Span),
            envelope.Header,
            "the attestation does not verify with the sender's pinned key");
    }

    /// <summary>Parses an envelope's payload.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: malformed.</exception>
    public static T Payload<T>(RoundEnvelope envelope, MessageParser<T> parser)
        where T : class, IMessage<T>
    {
        ArgumentNullException.ThrowIfNull(envelope);
        return StrictParser.Parse(parser, envelope.Message.Payload.Span, MaxPayloadBytes, Name(envelope.Header));
    }

    /// <summary>Whether the coordinator is who says a step.</summary>
    public static bool IsFromCoordinator(RoundStep step) => step is RoundStep.SchemaOrder or RoundStep.ScalingOrder or RoundStep.ModelOrder or RoundStep.SumKeyList
        or RoundStep.SumShareBundle or RoundStep.SumSurvivors or RoundStep.FinalModel;

    private static byte[] Attested(ReadOnlySpan<byte> coreHash, long timeUnixMs)
    {
        byte[] data = new byte[Label.Length + EnvelopeCodec.HashBytes + sizeof(long)];
        Label.CopyTo(data);
        coreHash.CopyTo(data.AsSpan(Label.Length));
        BinaryPrimitives.WriteInt64BigEndian(data.AsSpan(Label.Length + EnvelopeCodec.HashBytes), timeUnixMs);
        return data;
    }

    private static void Require(bool holds, RoundHeader header, string otherwise)
    {
        if (!holds)
        {
            throw Error.Violation($"{Name(header)}: {otherwise}.");
        }
    }

    private static string Name(RoundHeader header) =>
        $"Envelope {header.Sequence} from {(header.Sender == Coordinator ? "the coordinator" : $"party {header.Sender}")} ({header.Step} of round {header.Round})";
}
