using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>The last record: which bytes the file has, signed by the coordinator.</summary>
internal static class TrailerCheck
{
    /// <exception cref="RuleBrokenException">The file has other bytes, or the signature is not the coordinator's.</exception>
    public static void Require(ReadOnlySpan<byte> body, byte[] fileHash, PeerIdentity coordinator)
    {
        TranscriptTrailer trailer = Parsing.Strictly(
            TranscriptTrailer.Parser, body, TranscriptFormat.MaxTrailerBytes, Rules.Format, "The trailer");
        if (!trailer.FileHash.Span.SequenceEqual(fileHash))
        {
            throw new RuleBrokenException(
                Rules.FileHash,
                $"The file's bytes have the hash {Convert.ToHexStringLower(fileHash)}; its trailer says {Convert.ToHexStringLower(trailer.FileHash.Span)}.",
                TranscriptContext.CoordinatorName);
        }

        if (!LowSignature.IsLow(trailer.Signature.Span)
            || !coordinator.Verify(TranscriptFormat.Signed(fileHash), trailer.Signature.Span))
        {
            throw new RuleBrokenException(
                Rules.FileSignature, "The trailer's signature is not the coordinator's, or not the one of its two forms that is accepted.", TranscriptContext.CoordinatorName);
        }
    }
}
