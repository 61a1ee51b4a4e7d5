using Google.Protobuf;
using VertFed.Lattice;
using VertFed.Models;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using PublicKey = VertFed.Lattice.PublicKey;

namespace VertFed.Vertical;

/// <summary>
/// The steps ResidualShare, GradientResponse and MaskedScalars of one iteration, the same at both parties: own columns times
/// the shared residual, Σ_i x_ij (r1_i + r2_i), without either party seeing the other's share (docs/protocol.md, section 6;
/// coefficient packing after Cheetah, Huang et al. 2022, section 3).
/// </summary>
internal sealed class GradientExchange : IDisposable
{
    /// <summary>Ciphertexts of a residual share in one envelope: about 2.4 MB.</summary>
    private const int SharesPerEnvelope = 16;

    /// <summary>Responses in one envelope: about 2.5 MB.</summary>
    private const int ResponsesPerEnvelope = 32;

    private readonly IChannel _channel;
    private readonly QuantisedColumns _columns;
    private readonly PackingPlan _own;
    private readonly PackingPlan _peer;
    private readonly FloodingBound _flooding;
    private readonly PreparedColumns _prepared;

    /// <param name="columns">Own quantised columns, n values each; at the label party with the intercept.</param>
    /// <param name="own">How the peer's share arrives and own columns are answered.</param>
    /// <param name="peer">The same for the peer's columns: the layout of the share that is sent.</param>
    public GradientExchange(IChannel channel, QuantisedColumns columns, PackingPlan own, PackingPlan peer, FloodingBound flooding)
    {
        _channel = channel;
        _columns = columns;
        _own = own;
        _peer = peer;
        _flooding = flooding;
        _prepared = new PreparedColumns(columns, own);
    }

    /// <summary>Runs the three steps.</summary>
    /// <param name="share">Own additive share of the residuals modulo t, n values.</param>
    /// <returns>Σ_i x_ij r_i for each own column, centred in (−t/2, t/2].</returns>
    public async Task<long[]> RunAsync(uint round, ulong[] share, CancellationToken cancellationToken)
    {
        using RandomStream keyStream = _channel.DeriveSecret("gradient-key", Step.ResidualShare, round);
        using SecretKey secretKey = SecretKey.Generate(LatticeParameters.Gradient, keyStream);
        await SendShareAsync(round, share, secretKey, keyStream, cancellationToken);

        (ResponseBuilder[] sums, PublicKey peerKey) = await ReceiveShareAsync(round, cancellationToken);
        ulong[] masks = await SendResponsesAsync(round, sums, peerKey, cancellationToken);

        await AnswerScalarsAsync(round, secretKey, cancellationToken);
        return await UnmaskAsync(round, share, masks, cancellationToken);
    }

    public void Dispose() => _prepared.Dispose();

    private async Task SendShareAsync(uint round, ulong[] share, SecretKey secretKey, RandomStream keyStream, CancellationToken cancellationToken)
    {
        PublicKey publicKey = PublicKey.Generate(
            secretKey, _channel.DerivePublic("gradient-public-key", _channel.Self, round), keyStream);
        for (int first = 0; first < _peer.Ciphertexts; first += SharesPerEnvelope)
        {
            int count = Math.Min(SharesPerEnvelope, _peer.Ciphertexts - first);
            byte[][] serialised = ParallelStreams.Map(
                _channel, "residual-share", Step.ResidualShare, round, first, count, (index, secret) =>
                {
                    (int start, int rows) = _peer.RowsOf(index);
                    Plaintext plaintext = new(LatticeParameters.Gradient);
                    CoefficientEncoder.Encode(share.AsSpan(start, rows), plaintext);
                    return SeededCiphertext.Encrypt(secretKey, plaintext, PublicSeed(round, index), secret).Serialize();
                });
            ResidualShare message = new() { Block = (uint)(first / SharesPerEnvelope) };
            if (first == 0)
            {
                message.PublicKey = UnsafeByteOperations.UnsafeWrap(publicKey.Serialize());
            }

            message.Ciphertexts.AddRange(serialised.Select(bytes => UnsafeByteOperations.UnsafeWrap(bytes)));
            await _channel.SendAsync(Step.ResidualShare, round, message, cancellationToken);
        }
    }

    private byte[] PublicSeed(uint round, int index) =>
        _channel.DerivePublic("residual-share-uniform", _channel.Self, round, index);

    private async Task<(ResponseBuilder[] Sums, PublicKey PeerKey)> ReceiveShareAsync(uint round, CancellationToken cancellationToken)
    {
        ResponseBuilder[] sums = new ResponseBuilder[_own.Responses];
        for (int g = 0; g < sums.Length; g++)
        {
            sums[g] = new ResponseBuilder(LatticeParameters.Gradient);
        }

        PublicKey? peerKey = null;
        for (int first = 0; first < _own.Ciphertexts; first += SharesPerEnvelope)
        {
            int count = Math.Min(SharesPerEnvelope, _own.Ciphertexts - first);
            ResidualShare message = await _channel.ReceiveAsync(Step.ResidualShare, round, ResidualShare.Parser, cancellationToken);
            StepCheck.Equal(Step.ResidualShare, "block", (uint)(first / SharesPerEnvelope), message.Block);
            StepCheck.Count(Step.ResidualShare, "ciphertexts", count, message.Ciphertexts.Count);
            if (first == 0)
            {
                byte[] uniform = _channel.DerivePublic("gradient-public-key", _channel.Peer, round);
                peerKey = StepCheck.Parse(
                    Step.ResidualShare, () => PublicKey.Deserialize(LatticeParameters.Gradient, uniform, message.PublicKey.Span));
            }
            else
            {
                StepCheck.Empty(Step.ResidualShare, "public_key", message.PublicKey);
            }

            Ciphertext[] ciphertexts = new Ciphertext[count];
            ParallelStreams.For(count, k => ciphertexts[k] = StepCheck.Parse(
                Step.ResidualShare, () => SeededCiphertext.Deserialize(LatticeParameters.Gradient, message.Ciphertexts[k].Span).Expand()));
            ParallelStreams.For(sums.Length, g =>
            {
                for (int k = 0; k < count; k++)
                {
                    _prepared.MultiplyInto(sums[g], ciphertexts[k], first + k, g);
                }
            });
        }

        return (sums, peerKey!);
    }

    private async Task<ulong[]> SendResponsesAsync(uint round, ResponseBuilder[] sums, PublicKey peerKey, CancellationToken cancellationToken)
    {
        ulong[] masks = new ulong[_columns.Count];
        using (RandomStream maskStream = _channel.DeriveSecret("gradient-mask", Step.GradientResponse, round))
        {
            PlainField.FillRandom(maskStream, masks);
        }

        for (int first = 0; first < sums.Length; first += ResponsesPerEnvelope)
        {
            int count = Math.Min(ResponsesPerEnvelope, sums.Length - first);
            byte[][] serialised = ParallelStreams.Map(
                _channel, "gradient-response", Step.GradientResponse, round, first, count, (g, secret) =>
                {
                    int[] positions = _own.PositionsOf(g);
                    int firstColumn = _own.ColumnsOf(g).Start;
                    for (int k = 0; k < positions.Length; k++)
                    {
                        sums[g].AddPlain(positions[k], masks[firstColumn + k]);
                    }

                    return sums[g].Finish(peerKey, _flooding, secret, positions).Serialize();
                });
            GradientResponse message = new() { Part = (uint)(first / ResponsesPerEnvelope) };
            message.Ciphertexts.AddRange(serialised.Select(bytes => UnsafeByteOperations.UnsafeWrap(bytes)));
            await _channel.SendAsync(Step.GradientResponse, round, message, cancellationToken);
        }

        return masks;
    }

    private async Task AnswerScalarsAsync(uint round, SecretKey secretKey, CancellationToken cancellationToken)
    {
        ulong[] values = new ulong[_peer.Columns];
        for (int first = 0; first < _peer.Responses; first += ResponsesPerEnvelope)
        {
            int count = Math.Min(ResponsesPerEnvelope, _peer.Responses - first);
            GradientResponse message = await _channel.ReceiveAsync(
                Step.GradientResponse, round, GradientResponse.Parser, cancellationToken);
            StepCheck.Equal(Step.GradientResponse, "part", (uint)(first / ResponsesPerEnvelope), message.Part);
            StepCheck.Count(Step.GradientResponse, "ciphertexts", count, message.Ciphertexts.Count);
            ParallelStreams.For(count, k =>
            {
                int[] positions = _peer.PositionsOf(first + k);
                ulong[] scalars = StepCheck.Parse(Step.GradientResponse, () => SwitchedCiphertext
                    .Deserialize(LatticeParameters.Gradient, message.Ciphertexts[k].Span, positions.Length)
                    .DecryptCoefficients(secretKey, positions));
                scalars.CopyTo(values, _peer.ColumnsOf(first + k).Start);
            });
        }

        MaskedScalars answer = new();
        answer.Values.AddRange(values);
        await _channel.SendAsync(Step.MaskedScalars, round, answer, cancellationToken);
    }

    private async Task<long[]> UnmaskAsync(uint round, ulong[] share, ulong[] masks, CancellationToken cancellationToken)
    {
        // The local part needs nothing from the peer, so it is computed while the peer decrypts.
        ulong[] local = new ulong[_columns.Count];
        ParallelStreams.For(local.Length, j => local[j] = PlainField.InnerProduct(_columns[j], share));

        MaskedScalars message = await _channel.ReceiveAsync(Step.MaskedScalars, round, MaskedScalars.Parser, cancellationToken);
        StepCheck.Count(Step.MaskedScalars, "values", _columns.Count, message.Values.Count);
        long[] sums = new long[_columns.Count];
        for (int j = 0; j < sums.Length; j++)
        {
            StepCheck.FieldElement(Step.MaskedScalars, "values", message.Values[j]);
            ulong crossed = PlainField.Subtract(message.Values[j], masks[j]);
            sums[j] = PlainField.Centre(PlainField.Add(crossed, local[j]));
        }

        return sums;
    }
}
