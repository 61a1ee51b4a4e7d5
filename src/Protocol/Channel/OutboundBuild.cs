using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>Makes the next envelope of a sender, all but its attestation. It changes nothing: the channel commits.</summary>
internal static class OutboundBuild
{
    /// <param name="seal">The sender's seal; null before the key exchange.</param>
    public static (EnvelopeHeader Header, ByteString Core, ByteString Payload) Build(
        SealedChannelOptions options, SenderTrail trail, SealKey? seal, Step step, uint round, IMessage payload)
    {
        StepRule rule = PhaseGrammar.Rule(step);
        int size = payload.CalculateSize();
        if (size > Limits.MaxPayloadBytes - SealKey.OverheadBytes)
        {
            throw Error.Fault(
                $"A payload of {size} bytes is more than one envelope takes ({Limits.MaxPayloadBytes - SealKey.OverheadBytes}); it must go in parts.",
                step);
        }

        EnvelopeHeader header = new()
        {
            Job = options.Specification.Job,
            Attempt = options.Attempt,
            Sender = options.Self,
            Recipient = options.PeerRole,
            Phase = rule.Phase,
            Round = round,
            Step = step,
            Sequence = trail.NextSequence,
            PreviousCoreHash = ByteString.CopyFrom(trail.LastCoreHash),
        };
        byte[] headerBytes = header.ToByteArray();
        byte[] body = payload.ToByteArray();
        if (rule.Sealed)
        {
            SealKey key = seal ?? throw Error.Fault("A sealed step was sent before the key exchange.", step);
            byte[] plaintext = body;
            body = key.Seal(headerBytes, plaintext);
            CryptographicOperations.ZeroMemory(plaintext);
        }

        ByteString core = EnvelopeCodec.BuildCore(UnsafeByteOperations.UnsafeWrap(headerBytes), body);
        return (header, core, UnsafeByteOperations.UnsafeWrap(body));
    }
}
