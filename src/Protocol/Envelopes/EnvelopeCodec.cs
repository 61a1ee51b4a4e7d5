using System.Buffers.Binary;
using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>An envelope's core and attestation, parsed and range-checked, beside the very bytes that were hashed and signed.</summary>
public sealed class EnvelopeView
{
    internal EnvelopeView(ByteString coreBytes, EnvelopeCore core, EnvelopeHeader header, ByteString attestationBytes, Attestation attestation)
    {
        CoreBytes = coreBytes;
        Core = core;
        Header = header;
        AttestationBytes = attestationBytes;
        Attestation = attestation;
        CoreHash = SHA256.HashData(coreBytes.Span);
    }

    /// <summary>The serialised core as received.</summary>
    public ByteString CoreBytes { get; }

    public EnvelopeCore Core { get; }

    public EnvelopeHeader Header { get; }

    /// <summary>The serialised attestation as received.</summary>
    public ByteString AttestationBytes { get; }

    public Attestation Attestation { get; }

    /// <summary>SHA-256 of the core's bytes: the link of the sender's chain.</summary>
    public byte[] CoreHash { get; }
}

/// <summary>
/// Header → seal → core → attestation, and back. Serialised parts are kept and forwarded as they are, never written again.
/// </summary>
public static class EnvelopeCodec
{
    /// <summary>Length of a hash in bytes.</summary>
    public const int HashBytes = 32;

    private static ReadOnlySpan<byte> AttestationLabel => "vertfed/v1/attestation"u8;

    /// <summary>The core over a serialised header and the payload that will travel.</summary>
    public static ByteString BuildCore(ByteString header, ReadOnlySpan<byte> payload)
    {
        EnvelopeCore core = new()
        {
            Header = header,
            PayloadHash = ByteString.CopyFrom(SHA256.HashData(payload)),
            PayloadSize = (ulong)payload.Length,
        };
        return UnsafeByteOperations.UnsafeWrap(core.ToByteArray());
    }

    /// <summary>Signs a core's hash and the time.</summary>
    /// <param name="timeUnixMs">Milliseconds since 1970-01-01T00:00:00Z by the signer's clock.</param>
    /// <returns>A serialised <see cref="Attestation"/>.</returns>
    public static ByteString Attest(ByteString core, Identity signer, long timeUnixMs)
    {
        ArgumentNullException.ThrowIfNull(core);
        ArgumentNullException.ThrowIfNull(signer);
        Attestation attestation = new()
        {
            TimeUnixMs = timeUnixMs,
            Signature = UnsafeByteOperations.UnsafeWrap(signer.Sign(Attested(SHA256.HashData(core.Span), timeUnixMs))),
        };
        return UnsafeByteOperations.UnsafeWrap(attestation.ToByteArray());
    }

    /// <summary>Parses a whole envelope and checks its payload's size and hash. The attestation is not verified here.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: malformed, out of range, or another payload.</exception>
    public static EnvelopeView Parse(Envelope envelope)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        EnvelopeView view = Parse(envelope.Core, envelope.Attestation);
        VerifyPayload(view, envelope.Payload.Span);
        return view;
    }

    /// <summary>Parses a core and its attestation, and checks every field's range. The attestation is not verified here.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: malformed or out of range.</exception>
    public static EnvelopeView Parse(ByteString core, ByteString attestation)
    {
        ArgumentNullException.ThrowIfNull(core);
        ArgumentNullException.ThrowIfNull(attestation);
        EnvelopeCore parsedCore = StrictParser.Parse(EnvelopeCore.Parser, core.Span, Limits.MaxCoreBytes, "An envelope's core");
        EnvelopeHeader header =
            StrictParser.Parse(EnvelopeHeader.Parser, parsedCore.Header.Span, Limits.MaxCoreBytes, "An envelope's header");
        Attestation parsedAttestation =
            StrictParser.Parse(Attestation.Parser, attestation.Span, Limits.MaxCoreBytes, "An envelope's attestation");
        Check(header);
        Require(parsedCore.PayloadHash.Length == HashBytes, header, "the payload hash is not 32 bytes");
        Require(parsedCore.PayloadSize <= Limits.MaxPayloadBytes, header, $"the payload is larger than {Limits.MaxPayloadBytes} bytes");
        Require(parsedAttestation.Signature.Length == PeerIdentity.SignatureBytes, header, "the signature is not 64 bytes");
        return new EnvelopeView(core, parsedCore, header, attestation, parsedAttestation);
    }

    /// <summary>Checks that the payload is the one the core names.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: another size or hash.</exception>
    public static void VerifyPayload(EnvelopeView view, ReadOnlySpan<byte> payload)
    {
        ArgumentNullException.ThrowIfNull(view);
        if (view.Core.PayloadSize != (ulong)payload.Length)
        {
            throw Error.Violation(
                $"{Name(view.Header)}: the payload has {payload.Length} bytes, its core says {view.Core.PayloadSize}.",
                view.Header.Step);
        }

        Span<byte> hash = stackalloc byte[HashBytes];
        SHA256.HashData(payload, hash);
        Require(hash.SequenceEqual(view.Core.PayloadHash.Span), view.Header, "the payload is not the one whose hash its core holds");
    }

    /// <summary>Verifies the attestation by the key pinned for the sender.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: it does not verify.</exception>
    public static void VerifyAttestation(EnvelopeView view, PeerIdentity sender)
    {
        ArgumentNullException.ThrowIfNull(view);
        ArgumentNullException.ThrowIfNull(sender);
        Require(
            sender.Verify(Attested(view.CoreHash, view.Attestation.TimeUnixMs), view.Attestation.Signature.Span),
            view.Header,
            "the attestation does not verify with the sender's pinned key");
    }

    /// <summary>The job id's only form: 32 lower-case hexadecimal digits.</summary>
    public static bool IsJobId(string? text) => text is { Length: 32 } && text.All(char.IsAsciiHexDigitLower);

    private static byte[] Attested(ReadOnlySpan<byte> coreHash, long timeUnixMs)
    {
        byte[] data = new byte[AttestationLabel.Length + HashBytes + sizeof(long)];
        AttestationLabel.CopyTo(data);
        coreHash.CopyTo(data.AsSpan(AttestationLabel.Length));
        BinaryPrimitives.WriteInt64BigEndian(data.AsSpan(AttestationLabel.Length + HashBytes), timeUnixMs);
        return data;
    }

    private static void Check(EnvelopeHeader header)
    {
        Require(IsJobId(header.Job), header, "the job id is not 32 lower-case hexadecimal digits");
        Require(header.Attempt >= 1, header, "attempts count from 1");
        Require(header.Sender is Role.LabelParty or Role.FeatureParty, header, "the sender is no party");
        Require(header.Recipient is Role.LabelParty or Role.FeatureParty, header, "the recipient is no party");
        Require(header.Sender != header.Recipient, header, "sender and recipient are the same");
        Require(PhaseGrammar.Find(header.Step) is not null, header, "there is no such step");
        Require(header.Phase == PhaseGrammar.Rule(header.Step).Phase, header, $"the step does not belong to phase {header.Phase}");
        Require(header.PreviousCoreHash.Length == HashBytes, header, "the previous core's hash is not 32 bytes");
    }

    private static void Require(bool holds, EnvelopeHeader header, string otherwise)
    {
        if (!holds)
        {
            throw Error.Violation($"{Name(header)}: {otherwise}.", header.Step);
        }
    }

    private static string Name(EnvelopeHeader header) =>
        $"Envelope {header.Sequence} from {header.Sender} ({Error.Describe(header.Step, header.Round)})";
}
