using Google.Protobuf;
using VertFed.Horizontal.SecureAggregation;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Rounds;

/// <summary>
/// One secure sum over a conversation (docs/horizontal-service.md): order and keys, shares, masked numbers, unmasking. Goes on at every step
/// with those who answered, as long as the threshold does.
/// </summary>
/// <param name="invited">Places, ascending: the roster, in which a client's number is its index.</param>
internal sealed class SecureSumRun(RoundConversation conversation, SecureSumPlan plan, IReadOnlyList<uint> invited, uint round, uint attempt, TimeSpan deadline)
{
    private readonly SecureSumServer _server = new(plan);

    /// <summary>Runs from the order to the sum.</summary>
    /// <param name="step">The order's step.</param>
    /// <param name="order">What it says; its threshold is the plan's.</param>
    /// <returns>The sum modulo 2^64, and whose numbers are in it, by place.</returns>
    public async Task<(ulong[] Sum, uint[] Places)> RunAsync(RoundStep step, IMessage order, CancellationToken cancellationToken)
    {
        SortedDictionary<int, SignedSumKeys> keys = [];
        IReadOnlyList<uint> announced = await AskAllAsync(step, order, RoundStep.SumKeys, invited, envelope =>
        {
            SumKeys own = RoundCodec.Payload(envelope, SumKeys.Parser);
            conversation.RequireIdentity(envelope.Header.Sender, own.IdentityKey.Span);
            int client = ClientOf(envelope.Header.Sender);
            _server.Take(new KeyAnnouncement(client, own.SealingKey.ToByteArray(), own.MaskKey.ToByteArray(), own.SelfMaskHash.ToByteArray()));
            keys[client] = new SignedSumKeys { Core = envelope.Message.Core, Attestation = envelope.Message.Attestation, Payload = envelope.Message.Payload };
        }, cancellationToken);
        _ = _server.CloseAnnouncements();

        IReadOnlyList<uint> shared = await AskAllAsync(
            RoundStep.SumKeyList, new SumKeyList { Keys = { keys.Values } }, RoundStep.SumShares, announced,
            envelope => _server.Take([.. RoundCodec.Payload(envelope, SumShares.Parser).Shares.Select(
                share => new SealedShares(ClientOf(envelope.Header.Sender), ClientOf(share.Party), share.Sealed.ToByteArray()))]),
            cancellationToken);
        IReadOnlyDictionary<int, IReadOnlyList<SealedShares>> bundles = _server.CloseShares();

        Question masking = new(
            RoundStep.SumShareBundle, round, attempt, shared,
            place => new SumShareBundle
            {
                Shares = { bundles[ClientOf(place)].Select(share => new SealedShare { Party = invited[share.From], Sealed = ByteString.CopyFrom(share.Sealed) }) },
            },
            IsForAll: false, RoundStep.SumMasked, shared.Count, plan.Threshold, deadline);
        IReadOnlyList<uint> masked = await conversation.AskAsync(
            masking,
            envelope => _server.Take(new MaskedVector(ClientOf(envelope.Header.Sender), [.. RoundCodec.Payload(envelope, SumMasked.Parser).Values])),
            cancellationToken);
        _ = _server.CloseVectors();

        await AskAllAsync(
            RoundStep.SumSurvivors, new SumSurvivors { Parties = { masked } }, RoundStep.SumUnmasking, masked,
            envelope =>
            {
                SumUnmasking shares = RoundCodec.Payload(envelope, SumUnmasking.Parser);
                _server.Take(new UnmaskingShares(ClientOf(envelope.Header.Sender), Open(shares.SelfMasks), Open(shares.MaskKeys)));
            },
            cancellationToken);
        (ulong[] sum, int[] clients) = _server.CloseUnmasking();
        return (sum, [.. clients.Select(client => invited[client])]);
    }

    private Task<IReadOnlyList<uint>> AskAllAsync(
        RoundStep step, IMessage payload, RoundStep answer, IReadOnlyList<uint> places, Action<RoundEnvelope> take, CancellationToken cancellationToken) =>
        conversation.AskAsync(
            new Question(step, round, attempt, places, _ => payload, IsForAll: true, answer, places.Count, plan.Threshold, deadline), take, cancellationToken);

    private Dictionary<int, SecretShare> Open(IEnumerable<OpenShare> shares)
    {
        Dictionary<int, SecretShare> open = [];
        foreach (OpenShare share in shares)
        {
            bool fits = share.Values.Count == ShamirField.Parts && share.Point <= (uint)invited.Count && open.TryAdd(
                ClientOf(share.Party), new SecretShare((int)share.Point, [.. share.Values]));
            if (!fits)
                throw new VertFedException(ErrorCode.ProtocolViolation, "a share has not its form, or its owner is named twice");
        }

        return open;
    }

    private int ClientOf(uint place)
    {
        for (int i = 0; i < invited.Count; i++)
        {
            if (invited[i] == place)
                return i;
        }

        throw new VertFedException(ErrorCode.ProtocolViolation, $"party {place} was not invited to this secure sum");
    }
}
