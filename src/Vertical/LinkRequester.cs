using Google.Protobuf;
using VertFed.Lattice;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using PublicKey = VertFed.Lattice.PublicKey;

namespace VertFed.Vertical;

/// <summary>
/// The feature party's half of the separable link: LinkRequest out, LinkResponse in. Sends Enc(φ_k(u)) slot-encoded at the link level and
/// ends with Σ_k φ_k(u_i) ψ_k(v_i) + m_i modulo t for every row, m known to the label party alone (docs/protocol.md, section 6).
/// </summary>
internal sealed class LinkRequester(IChannel channel)
{
    /// <summary>Blocks that are encrypted or decrypted side by side; bounds memory, not the result.</summary>
    private const int Wave = 8;

    private readonly SlotEncoder _encoder = new(LatticeParameters.Link);

    /// <summary>Writes a block's values of the k-th function, one a row.</summary>
    public delegate void BlockValues(int pair, int startRow, Span<long> values);

    /// <summary>Runs both steps over n rows.</summary>
    /// <param name="phi">Fills φ_k(u) for rows of a block; called from several threads.</param>
    public async Task<ulong[]> RunAsync(uint round, int rows, int pairs, BlockValues phi, CancellationToken cancellationToken)
    {
        using RandomStream keyStream = channel.DeriveSecret("link-key", Step.LinkRequest, round);
        using SecretKey secretKey = SecretKey.Generate(LatticeParameters.Link, keyStream);
        PublicKey publicKey = PublicKey.Generate(secretKey, channel.DerivePublic("link-public-key", channel.Self, round), keyStream);
        await foreach ((int block, byte[][] ciphertexts) in EncryptAsync(Step.LinkRequest, round, rows, pairs, phi, secretKey))
        {
            LinkRequest message = new() { Block = (uint)block };
            if (block == 0)
            {
                message.PublicKey = UnsafeByteOperations.UnsafeWrap(publicKey.Serialize());
            }

            message.Ciphertexts.AddRange(ciphertexts.Select(bytes => UnsafeByteOperations.UnsafeWrap(bytes)));
            await channel.SendAsync(Step.LinkRequest, round, message, cancellationToken);
        }

        return await ReceiveAsync(round, rows, secretKey, cancellationToken);
    }

    /// <summary>LossRequest out, LossResponse in: the sum over all rows of Σ_k φ_k(u_i) ψ_k(v_i), masked, modulo t.</summary>
    public async Task<ulong> RunLossAsync(uint round, int rows, int pairs, BlockValues phi, CancellationToken cancellationToken)
    {
        using RandomStream keyStream = channel.DeriveSecret("loss-key", Step.LossRequest, round);
        using SecretKey secretKey = SecretKey.Generate(LatticeParameters.Link, keyStream);
        PublicKey publicKey = PublicKey.Generate(secretKey, channel.DerivePublic("loss-public-key", channel.Self, round), keyStream);
        await foreach ((int block, byte[][] ciphertexts) in EncryptAsync(Step.LossRequest, round, rows, pairs, phi, secretKey))
        {
            LossRequest message = new() { Block = (uint)block };
            if (block == 0)
            {
                message.PublicKey = UnsafeByteOperations.UnsafeWrap(publicKey.Serialize());
            }

            message.Ciphertexts.AddRange(ciphertexts.Select(bytes => UnsafeByteOperations.UnsafeWrap(bytes)));
            await channel.SendAsync(Step.LossRequest, round, message, cancellationToken);
        }

        LossResponse response = await channel.ReceiveAsync(Step.LossResponse, round, LossResponse.Parser, cancellationToken);
        int[] constant = [0];
        ulong[] scalar = StepCheck.Parse(Step.LossResponse, () => SwitchedCiphertext
            .Deserialize(LatticeParameters.Link, response.Ciphertext.Span, 1).DecryptCoefficients(secretKey, constant));

        return _encoder.SumOfSlots(scalar[0]);
    }

    private async IAsyncEnumerable<(int Block, byte[][] Ciphertexts)> EncryptAsync(
        Step step, uint round, int rows, int pairs, BlockValues phi, SecretKey secretKey)
    {
        int blocks = Blocks.Count(rows);
        for (int first = 0; first < blocks; first += Wave)
        {
            int count = Math.Min(Wave, blocks - first);
            byte[][] wave = await Task.Run(() => ParallelStreams.Map(
                channel, "link-request", step, round, first * pairs, count * pairs, (index, secret) =>
                {
                    int block = index / pairs;
                    (int start, int length) = Blocks.RowsOf(block, rows);
                    long[] values = new long[length];
                    phi(index % pairs, start, values);
                    Plaintext plaintext = new(LatticeParameters.Link);
                    _encoder.Encode(values, plaintext);
                    byte[] uniform = channel.DerivePublic("link-request-uniform", channel.Self, round, index);
                    return SeededCiphertext.Encrypt(secretKey, plaintext, uniform, secret).Serialize();
                }));
            for (int k = 0; k < count; k++)
            {
                yield return (first + k, wave[(k * pairs)..((k + 1) * pairs)]);
            }
        }
    }

    private async Task<ulong[]> ReceiveAsync(uint round, int rows, SecretKey secretKey, CancellationToken cancellationToken)
    {
        ulong[] shares = new ulong[rows];
        int blocks = Blocks.Count(rows);
        for (int first = 0; first < blocks; first += Wave)
        {
            int count = Math.Min(Wave, blocks - first);
            LinkResponse[] wave = new LinkResponse[count];
            for (int k = 0; k < count; k++)
            {
                wave[k] = await channel.ReceiveAsync(Step.LinkResponse, round, LinkResponse.Parser, cancellationToken);
                StepCheck.Equal(Step.LinkResponse, "block", (uint)(first + k), wave[k].Block);
            }

            ParallelStreams.For(count, k =>
            {
                (int start, int length) = Blocks.RowsOf(first + k, rows);
                Plaintext plaintext = StepCheck.Parse(Step.LinkResponse, () => SwitchedCiphertext
                    .Deserialize(LatticeParameters.Link, wave[k].Ciphertext.Span, LatticeParameters.Link.Degree).Decrypt(secretKey));
                _encoder.Decode(plaintext, shares.AsSpan(start, length));
            });
        }

        return shares;
    }
}
