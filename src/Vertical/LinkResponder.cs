using Google.Protobuf;
using VertFed.Lattice;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using PublicKey = VertFed.Lattice.PublicKey;

namespace VertFed.Vertical;

/// <summary>
/// The label party's half of the separable link: LinkRequest in, LinkResponse out. Multiplies what it cannot read by ψ_k(v), adds a
/// uniform mask, and re-randomises, so that neither side learns a residual (docs/protocol.md, section 6).
/// </summary>
internal sealed class LinkResponder(IChannel channel)
{
    /// <summary>Blocks that are answered side by side. Part of the protocol: it fixes which inbound messages a block's randomness depends on.</summary>
    private const int Wave = 4;

    private readonly SlotEncoder _encoder = new(LatticeParameters.Link);

    /// <summary>Runs both steps over n rows.</summary>
    /// <param name="psi">Fills ψ_k(v) for rows of a block; called from several threads.</param>
    /// <returns>The masks m modulo t, one a row: the label party's share is β(v) − y − m.</returns>
    public async Task<ulong[]> RunAsync(
        uint round, int rows, int pairs, LinkRequester.BlockValues psi, FloodingBound flooding, CancellationToken cancellationToken)
    {
        ulong[] masks = new ulong[rows];
        int blocks = Blocks.Count(rows);
        PublicKey? peerKey = null;
        for (int first = 0; first < blocks; first += Wave)
        {
            int count = Math.Min(Wave, blocks - first);
            LinkRequest[] wave = new LinkRequest[count];
            for (int k = 0; k < count; k++)
            {
                wave[k] = await channel.ReceiveAsync(Step.LinkRequest, round, LinkRequest.Parser, cancellationToken);
                peerKey = Check(Step.LinkRequest, "link-public-key", round, first + k, pairs, wave[k].Block, wave[k].PublicKey, wave[k].Ciphertexts.Count, peerKey);
            }

            byte[][] responses = ParallelStreams.Map(channel, "link-response", Step.LinkResponse, round, first, count, (block, secret) =>
            {
                ResponseBuilder sum = new(LatticeParameters.Link);
                Accumulate(sum, Step.LinkRequest, wave[block - first].Ciphertexts, block, rows, psi);
                (int start, int length) = Blocks.RowsOf(block, rows);
                ulong[] mask = new ulong[LatticeParameters.Link.Degree];

                // Padding slots are masked too: what B adds there must not tell where the rows end within a block.
                PlainField.FillRandom(secret, mask);

                mask.AsSpan(0, length).CopyTo(masks.AsSpan(start, length));
                Plaintext masked = new(LatticeParameters.Link);
                _encoder.Encode(mask, masked);
                sum.AddPlain(masked);
                return sum.Finish(peerKey!, flooding, secret).Serialize();
            });
            for (int k = 0; k < count; k++)
            {
                LinkResponse message = new() { Block = (uint)(first + k), Ciphertext = UnsafeByteOperations.UnsafeWrap(responses[k]) };
                await channel.SendAsync(Step.LinkResponse, round, message, cancellationToken);
            }
        }

        return masks;
    }

    /// <summary>LossRequest in, LossResponse out.</summary>
    /// <returns>The mask of the sum over all slots, modulo t.</returns>
    public async Task<ulong> RunLossAsync(
        uint round, int rows, int pairs, LinkRequester.BlockValues psi, FloodingBound flooding, CancellationToken cancellationToken)
    {
        int blocks = Blocks.Count(rows);
        PublicKey? peerKey = null;
        ResponseBuilder sum = new(LatticeParameters.Link);
        for (int block = 0; block < blocks; block++)
        {
            LossRequest request = await channel.ReceiveAsync(Step.LossRequest, round, LossRequest.Parser, cancellationToken);
            peerKey = Check(Step.LossRequest, "loss-public-key", round, block, pairs, request.Block, request.PublicKey, request.Ciphertexts.Count, peerKey);
            Accumulate(sum, Step.LossRequest, request.Ciphertexts, block, rows, psi);
        }

        using RandomStream secret = channel.DeriveSecret("loss-response", Step.LossResponse, round);
        ulong mask = PlainField.Random(secret);
        sum.AddPlain(0, mask);
        int[] constant = [0];
        byte[] response = sum.Finish(peerKey!, flooding, secret, constant).Serialize();
        await channel.SendAsync(
            Step.LossResponse, round, new LossResponse { Ciphertext = UnsafeByteOperations.UnsafeWrap(response) }, cancellationToken);
        return _encoder.SumOfSlots(mask);
    }

    private PublicKey Check(
        Step step, string keyLabel, uint round, int block, int pairs, uint actualBlock, ByteString publicKey, int ciphertexts, PublicKey? known)
    {
        StepCheck.Equal(step, "block", (uint)block, actualBlock);
        StepCheck.Count(step, "ciphertexts", pairs, ciphertexts);
        if (block > 0)
        {
            StepCheck.Empty(step, "public_key", publicKey);
            return known!;
        }

        byte[] uniform = channel.DerivePublic(keyLabel, channel.Peer, round);
        return StepCheck.Parse(step, () => PublicKey.Deserialize(LatticeParameters.Link, uniform, publicKey.Span));
    }

    private void Accumulate(
        ResponseBuilder sum, Step step, Google.Protobuf.Collections.RepeatedField<ByteString> ciphertexts, int block, int rows, LinkRequester.BlockValues psi)
    {
        (int start, int length) = Blocks.RowsOf(block, rows);
        long[] values = new long[length];
        for (int k = 0; k < ciphertexts.Count; k++)
        {
            psi(k, start, values);
            Plaintext plaintext = new(LatticeParameters.Link);
            _encoder.Encode(values, plaintext);
            using PreparedPlaintext operand = PreparedPlaintext.FromPlaintext(LatticeParameters.Link, plaintext);
            Ciphertext ciphertext = StepCheck.Parse(
                step, () => SeededCiphertext.Deserialize(LatticeParameters.Link, ciphertexts[k].Span).Expand());
            sum.MultiplyAdd(ciphertext, operand);
        }
    }
}
