using Google.Protobuf;
using VertFed.Horizontal.SecureAggregation;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Rounds;

/// <summary>
/// This party's part of one secure sum. Keys of others are taken only as their owners signed them, with the identity that the job spec names, and
/// for this round and attempt: the coordinator cannot put keys of its own between.
/// </summary>
/// <param name="invited">Places, ascending: the roster, in which a client's number is its index.</param>
internal sealed class SecureSumPart(JobSpecification job, SecureSumPlan plan, IReadOnlyList<uint> invited, uint place, RoundHeader order, ulong[] vector, RandomStream stream) : IDisposable
{
    private readonly SecureSumClient _client = new(plan, IndexOf(invited, place), stream);

    public uint Round => order.Round;

    public uint Attempt => order.Attempt;

    /// <summary>Own keys.</summary>
    public SumKeys Keys(Identity identity) => new()
    {
        SealingKey = ByteString.CopyFrom(_client.Announcement.SealingKey),
        MaskKey = ByteString.CopyFrom(_client.Announcement.MaskKey),
        SelfMaskHash = ByteString.CopyFrom(_client.Announcement.SelfMaskHash),
        IdentityKey = ByteString.CopyFrom(identity.Public.SubjectPublicKeyInfo),
    };

    /// <summary>Shares for those whose keys are in the list.</summary>
    public SumShares Share(SumKeyList list) => new()
    {
        Shares =
        {
            _client.Share([.. list.Keys.Select(Verified)])
                .Select(share => new SealedShare { Party = invited[share.To], Sealed = ByteString.CopyFrom(share.Sealed) }),
        },
    };

    /// <summary>The own numbers under masks.</summary>
    public SumMasked Mask(SumShareBundle bundle)
    {
        int own = IndexOf(invited, place);
        MaskedVector masked = _client.Mask(
            [.. bundle.Shares.Select(share => new SealedShares(IndexOf(invited, share.Party), own, share.Sealed.ToByteArray()))], vector);
        return new SumMasked { Values = { masked.Values } };
    }

    /// <summary>One share of a secret of each that shared.</summary>
    public SumUnmasking Unmask(SumSurvivors survivors)
    {
        UnmaskingShares shares = _client.Unmask(new SurvivorList([.. survivors.Parties.Select(party => IndexOf(invited, party))]));
        return new SumUnmasking { SelfMasks = { shares.SelfMasks.Select(Opened) }, MaskKeys = { shares.MaskKeys.Select(Opened) } };
    }

    public void Dispose() => _client.Dispose();

    private KeyAnnouncement Verified(SignedSumKeys message)
    {
        RoundEnvelope envelope = RoundCodec.Parse(new Envelope { Core = message.Core, Attestation = message.Attestation, Payload = message.Payload });
        RoundHeader header = envelope.Header;
        if (header.Job != job.Job || header.Step != RoundStep.SumKeys || header.Round != order.Round || header.Attempt != order.Attempt
            || header.Sender is 0 || header.Sender > job.Parties.Count)
        {
            throw new VertFedException(ErrorCode.ProtocolViolation, "Keys in the list are of another sum.") { Step = nameof(RoundStep.SumKeyList) };
        }

        SumKeys keys = RoundCodec.Payload(envelope, SumKeys.Parser);
        PeerIdentity owner = PeerIdentity.Parse(keys.IdentityKey.Span);
        PartyReference named = job.Parties[(int)header.Sender - 1];
        if (owner.Fingerprint != named.Fingerprint)
        {
            throw new VertFedException(ErrorCode.DoesNotVerify, $"Keys in the name of '{named.Name}' are signed by another identity.") { Step = nameof(RoundStep.SumKeyList) };
        }

        RoundCodec.Verify(envelope, owner);
        return new KeyAnnouncement(
            IndexOf(invited, header.Sender), keys.SealingKey.ToByteArray(), keys.MaskKey.ToByteArray(), keys.SelfMaskHash.ToByteArray());
    }

    private OpenShare Opened(KeyValuePair<int, SecretShare> share) =>
        new() { Party = invited[share.Key], Point = (uint)share.Value.X, Values = { share.Value.Values } };

    private static int IndexOf(IReadOnlyList<uint> invited, uint place)
    {
        for (int i = 0; i < invited.Count; i++)
        {
            if (invited[i] == place)
            {
                return i;
            }
        }

        throw new VertFedException(ErrorCode.ProtocolViolation, $"Party {place} was not invited to this secure sum.");
    }
}
