using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Vertical;

/// <summary>Which model a party would score with, in terms that the transcript of the training job fixes.</summary>
/// <param name="Job">The job that trained it.</param>
/// <param name="TranscriptRoot">Root over all entries of that job, 32 bytes.</param>
/// <param name="OwnCoefficients">The own commitment to coefficients in its ResultCommitment, 32 bytes.</param>
/// <param name="PeerCoefficients">The peer's, as it was received then, 32 bytes.</param>
public sealed record ModelIdentity(string Job, byte[] TranscriptRoot, byte[] OwnCoefficients, byte[] PeerCoefficients)
{
    /// <summary>The name that a refusal states.</summary>
    public const string Rule = "model-binding";

    /// <summary>
    /// The step ModelBinding: each party says which halves it takes the model to be, and holds the peer to what the transcript of the
    /// training job has. Returns when both agree.
    /// </summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>, naming what differs. <see cref="ErrorCode.ProtocolViolation"/>: a
    /// field is malformed.</exception>
    public async Task AgreeAsync(IChannel channel, CancellationToken cancellationToken)
    {
        ModelBinding own = new()
        {
            Model = Job,
            TranscriptRoot = ByteString.CopyFrom(TranscriptRoot),
            OwnCoefficients = ByteString.CopyFrom(OwnCoefficients),
            PeerCoefficients = ByteString.CopyFrom(PeerCoefficients),
        };
        await channel.SendAsync(Step.ModelBinding, 0, own, cancellationToken);
        ModelBinding peer = await channel.ReceiveAsync(Step.ModelBinding, 0, ModelBinding.Parser, cancellationToken);
        StepCheck.Equal(Step.ModelBinding, "model", Job, peer.Model);
        foreach ((ByteString hash, string field) in new[]
        {
            (peer.TranscriptRoot, "transcript_root"), (peer.OwnCoefficients, "own_coefficients"), (peer.PeerCoefficients, "peer_coefficients"),
        })
        {
            if (hash.Length != EnvelopeCodec.HashBytes)
            {
                throw StepCheck.Violation(Step.ModelBinding, $"field '{field}' is not {EnvelopeCodec.HashBytes} bytes");
            }
        }

        Require(own.TranscriptRoot, peer.TranscriptRoot, "the two parties hold models of different records of that job");
        Require(own.PeerCoefficients, peer.OwnCoefficients, "the peer would use another half than the one that it committed to at the end of that job");
        Require(own.OwnCoefficients, peer.PeerCoefficients, "the peer takes this party's half to be another one than it committed to at the end of that job");
    }

    private void Require(ByteString expected, ByteString found, string otherwise)
    {
        if (!expected.Span.SequenceEqual(found.Span))
        {
            throw new VertFedException(ErrorCode.Refused, $"rule '{Rule}': model {Job}: {otherwise}") { Step = nameof(Step.ModelBinding) };
        }
    }
}
