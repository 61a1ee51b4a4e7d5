using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Recovery;

/// <summary>Every sealed payload that a test saw, by sender and nonce; two ciphertexts under one nonce fail it.</summary>
/// <remarks>Keys are not told apart: with fresh keys the same nonce of 12 bytes comes by chance once in 2^96.</remarks>
internal sealed class NonceBook
{
    private const int NonceBytes = 12;
    private readonly Dictionary<string, string> _ciphertexts = new(StringComparer.Ordinal);

    /// <summary>Different sealed payloads.</summary>
    public int Count => _ciphertexts.Count;

    public void Note(Envelope envelope)
    {
        EnvelopeHeader header = EnvelopeCodec.Parse(envelope).Header;
        if (!PhaseGrammar.Rule(header.Step).Sealed)
        {
            return;
        }

        string nonce = $"{header.Sender} {Convert.ToHexString(envelope.Payload.Span[..NonceBytes])}";
        string ciphertext = Convert.ToHexString(envelope.Payload.Span[NonceBytes..]);
        lock (_ciphertexts)
        {
            Assert.True(
                _ciphertexts.TryAdd(nonce, ciphertext) || _ciphertexts[nonce] == ciphertext,
                $"a nonce of the {header.Sender} stands over two ciphertexts ({header.Step})");
        }
    }
}
