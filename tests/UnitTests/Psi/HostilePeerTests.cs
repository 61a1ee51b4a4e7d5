using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.DiffieHellman;
using Xunit;

namespace VertFed.UnitTests.Psi;

/// <summary>What a party does when its peer departs from the protocol: it names the step and what is wrong, and goes no further.</summary>
public sealed class HostilePeerTests
{
    private static readonly byte[] s_identity = new byte[32];

    private static readonly byte[] s_invalid = Convert.FromHexString(RistrettoVectors.Invalid[14]);

    private static readonly byte[] s_nonCanonical = Convert.FromHexString(RistrettoVectors.Invalid[2]);

    [Fact]
    public Task An_element_off_the_group_is_refused() =>
        RefusesBlinded("element 2 is not", message => message.Elements = Replaced(message.Elements, 2, s_invalid));

    [Fact]
    public Task An_element_in_another_encoding_is_refused() =>
        RefusesBlinded("element 0 is not", message => message.Elements = Replaced(message.Elements, 0, s_nonCanonical));

    [Fact]
    public Task The_identity_is_refused() =>
        RefusesBlinded("element 4 is not", message => message.Elements = Replaced(message.Elements, 4, s_identity));

    [Fact]
    public Task An_element_sent_twice_is_refused() =>
        RefusesBlinded("element 4 was there", message =>
            message.Elements = Replaced(message.Elements, 4, message.Elements.Span.Slice(32, 32).ToArray()));

    [Fact]
    public Task A_part_that_is_too_short_is_refused() =>
        RefusesBlinded("has 128 bytes, not 160", message => message.Elements = ByteString.CopyFrom(message.Elements.Span[..128]));

    [Fact]
    public Task A_part_with_a_broken_element_is_refused() =>
        RefusesBlinded("has 159 bytes, not 160", message => message.Elements = ByteString.CopyFrom(message.Elements.Span[..159]));

    [Fact]
    public Task A_part_that_is_too_long_is_refused() =>
        RefusesBlinded("has 160 bytes, not 128", message => message.Total = 4);

    [Fact]
    public Task An_empty_part_of_a_list_that_is_not_is_refused() =>
        RefusesBlinded("has 0 bytes, not 160", message => message.Elements = ByteString.Empty);

    [Fact]
    public Task A_wrong_offset_is_refused() =>
        RefusesBlinded("starts at 1, not at 0", message => message.Offset = 1);

    [Fact]
    public Task More_ids_than_the_limit_are_refused() =>
        RefusesBlinded("announces 100000001 ids", message => message.Total = (ulong)Limits.MaxRows + 1);

    [Fact]
    public Task A_total_beyond_64_bit_signed_is_refused() =>
        RefusesBlinded("at most 100000000", message => message.Total = ulong.MaxValue);

    [Fact]
    public Task A_large_total_without_the_elements_is_refused() =>
        RefusesBlinded("has 160 bytes, not 2097152", message => message.Total = (ulong)Limits.MaxRows);

    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_total_that_changes_is_refused()
    {
        VertFedException error = await Refusal(
            (step, message) =>
            {
                if (message is BlindedIds { Offset: > 0 } blinded)
                {
                    blinded.Total++;
                }

                return message;
            },
            PsiPartyTests.Numbered("peer", PsiParty.PartElements + 1),
            new PairedChannels());
        Assert.Contains("announced 65537 ids before and 65538 now", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public Task An_evaluated_element_off_the_group_is_refused() =>
        RefusesEvaluated("element 1 is not", message => message.Elements = Replaced(message.Elements, 1, s_invalid));

    [Fact]
    public Task An_evaluated_identity_is_refused() =>
        RefusesEvaluated("element 0 is not", message => message.Elements = Replaced(message.Elements, 0, s_identity));

    [Fact]
    public Task An_evaluated_element_given_twice_is_refused() =>
        RefusesEvaluated("element 2 was there", message =>
            message.Elements = Replaced(message.Elements, 2, message.Elements.Span[..32].ToArray()));

    [Fact]
    public Task An_evaluated_part_of_another_length_is_refused() =>
        RefusesEvaluated("has 64 bytes, not 96", message => message.Elements = ByteString.CopyFrom(message.Elements.Span[..64]));

    [Fact]
    public Task An_evaluated_part_at_another_offset_is_refused() =>
        RefusesEvaluated("starts at 3, not at 0", message => message.Offset = 3);

    [Fact]
    public Task Another_number_of_rows_is_refused() =>
        Refuses<AlignmentDigest>("the peer found 3 rows in common, this party 2", message => message.Rows++);

    [Fact]
    public Task Another_digest_is_refused() =>
        Refuses<AlignmentDigest>("other rows in common", message => message.Digest = ByteString.CopyFrom(new byte[32]));

    [Fact]
    public Task A_digest_of_another_length_is_refused() =>
        Refuses<AlignmentDigest>("other rows in common", message => message.Digest = ByteString.Empty);

    [Fact]
    public async Task Wrong_evaluations_are_found_out_by_the_digest()
    {
        VertFedException error = await Refusal(
            (_, message) =>
            {
                if (message is EvaluatedIds evaluated)
                {
                    for (int i = 0; i < 3; i++)
                    {
                        byte[] other = Convert.FromHexString(RistrettoVectors.Multiples[i]);
                        evaluated.Elements = Replaced(evaluated.Elements, i, other);
                    }
                }

                return message;
            },
            Peer,
            new PairedChannels());
        Assert.Equal(nameof(Step.AlignmentDigest), error.Step);
    }

    private static string[] Peer => ["p", "q", "r", "id0", "id1"];

    private static async Task RefusesBlinded(string expected, Action<BlindedIds> change)
    {
        PairedChannels channels = await Refuses(expected, change);
        // Nothing was computed for the peer from a message that was refused.
        Assert.DoesNotContain(channels.Label.Log, sent => sent.Step != Step.BlindedIds);
    }

    private static async Task RefusesEvaluated(string expected, Action<EvaluatedIds> change)
    {
        PairedChannels channels = await Refuses(expected, change);
        Assert.DoesNotContain(channels.Label.Log, sent => sent.Step == Step.AlignmentDigest);
    }

    private static async Task<PairedChannels> Refuses<T>(string expected, Action<T> change)
        where T : class, IMessage
    {
        PairedChannels channels = new();
        VertFedException error = await Refusal(
            (_, message) =>
            {
                if (message is T typed)
                {
                    change(typed);
                }

                return message;
            },
            Peer,
            channels);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(typeof(T).Name, error.Step);
        return channels;
    }

    /// <summary>Runs an honest label party, with three ids, against a feature party whose messages are changed.</summary>
    private static async Task<VertFedException> Refusal(
        Func<Step, IMessage, IMessage> tamper,
        string[] peerIds,
        PairedChannels channels)
    {
        channels.Feature.Tamper = tamper;
        using CancellationTokenSource source = new();
        Task<Alignment> peer = Task.Run(
            () => new PsiParty(channels.Feature).AlignAsync(peerIds, progress: null, source.Token));
        VertFedException error = await Assert.ThrowsAsync<VertFedException>(
            () => new PsiParty(channels.Label).AlignAsync(["id0", "id1", "id2"], progress: null, CancellationToken.None));
        Assert.Equal(ErrorCode.ProtocolViolation, error.Code);
        await source.CancelAsync();
        await Task.WhenAny(peer);
        // The peer itself fails as well, by cancellation, or finishes if the last message was the bad one.
        Assert.True(peer.IsCompleted);
        _ = peer.Exception;
        return error;
    }

    private static ByteString Replaced(ByteString elements, int index, byte[] element)
    {
        byte[] bytes = elements.ToByteArray();
        element.CopyTo(bytes, 32 * index);
        return ByteString.CopyFrom(bytes);
    }
}
