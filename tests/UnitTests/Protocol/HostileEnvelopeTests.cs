using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>What a hostile coordinator or peer may deliver: each is refused by name, and nothing changes by it.</summary>
public sealed class HostileEnvelopeTests
{
    /// <summary>Tag of field 15, varint, value 1: no message of the envelope has it.</summary>
    private static readonly byte[] UnknownField = [0x78, 0x01];

    [Fact]
    public Task A_truncated_core_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Core(genuine, peer, genuine.Core.ToByteArray()[..^3]), "core is not well-formed");

    [Fact]
    public Task A_truncated_header_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.HeaderBytes(genuine, peer, HeaderOf(genuine)[..^3]), "header is not well-formed");

    [Fact]
    public Task A_truncated_attestation_is_refused() =>
        RefuseAltered((genuine, _) => With(genuine, e => e.Attestation = ByteString.CopyFrom(e.Attestation.Span[..^1])), "attestation is not well-formed");

    [Fact]
    public Task An_empty_envelope_is_refused() => RefuseAltered((_, _) => new Envelope(), "job id");

    [Fact]
    public Task An_unknown_field_in_the_core_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Core(genuine, peer, [.. genuine.Core.Span, .. UnknownField]), "core has an unknown field");

    [Fact]
    public Task An_unknown_field_in_the_header_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.HeaderBytes(genuine, peer, [.. HeaderOf(genuine), .. UnknownField]), "header has an unknown field");

    [Fact]
    public Task An_unknown_field_in_the_attestation_is_refused() =>
        RefuseAltered(
            (genuine, _) => With(genuine, e => e.Attestation = ByteString.CopyFrom([.. e.Attestation.Span, .. UnknownField])),
            "attestation has an unknown field");

    [Fact]
    public Task A_varint_longer_than_it_need_be_is_refused() =>
        RefuseAltered(
            (genuine, peer) =>
            {
                // The attempt, field 2 (tag 0x10), follows the job (tag, length, 32 characters): 1 written as 81 00.
                byte[] header = HeaderOf(genuine);
                Assert.Equal([0x10, 0x01], header[34..36]);
                return Forge.HeaderBytes(genuine, peer, [.. header[..35], 0x81, 0x00, .. header[36..]]);
            },
            "not in canonical encoding");

    [Fact]
    public Task A_repeated_field_is_refused() =>
        RefuseAltered(
            (genuine, peer) => Forge.HeaderBytes(genuine, peer, [.. HeaderOf(genuine)[..36], .. HeaderOf(genuine)[34..]]),
            "not in canonical encoding");

    [Fact]
    public Task A_default_written_out_is_refused() =>
        RefuseAltered(
            (genuine, peer) =>
            {
                // Round 0 (field 6) written between phase (5) and step (7).
                byte[] header = HeaderOf(genuine);
                int step = header.AsSpan().IndexOf([(byte)0x38, (byte)Step.BlindedIds]);
                return Forge.HeaderBytes(genuine, peer, [.. header[..step], 0x30, 0x00, .. header[step..]]);
            },
            "not in canonical encoding");

    [Fact]
    public Task An_oversize_core_is_refused() =>
        RefuseAltered(
            (genuine, peer) => Forge.Core(genuine, peer, [.. genuine.Core.Span, .. new byte[Limits.MaxCoreBytes]]), $"at most {Limits.MaxCoreBytes}");

    [Fact]
    public Task An_oversize_payload_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Payload(genuine, peer, new byte[Limits.MaxPayloadBytes + 1]), "larger than");

    [Fact]
    public Task Another_job_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Header(genuine, peer, h => h.Job = new string('a', 32)), "names job");

    [Fact]
    public Task A_job_id_of_another_form_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Header(genuine, peer, h => h.Job = "../../etc/passwd"), "job id");

    [Fact]
    public Task Another_attempt_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Header(genuine, peer, h => h.Attempt = 2), "names attempt 2; 1 was expected");

    [Fact]
    public Task The_wrong_sender_is_refused() =>
        RefuseAltered(
            (genuine, peer) => Forge.Header(genuine, peer, h => (h.Sender, h.Recipient) = (h.Recipient, h.Sender)), "names sender LabelParty");

    [Fact]
    public Task The_wrong_recipient_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Header(genuine, peer, h => h.Recipient = Role.FeatureParty), "sender and recipient are the same");

    [Fact]
    public Task An_undefined_role_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Header(genuine, peer, h => h.Recipient = (Role)7), "the recipient is no party");

    [Fact]
    public Task A_step_that_the_grammar_does_not_allow_is_refused() =>
        RefuseAltered(
            (genuine, peer) => Forge.Header(genuine, peer, h => (h.Step, h.Phase) = (Step.JobClose, Phase.Close)),
            "sent JobClose where the protocol allows BlindedIds");

    [Fact]
    public Task A_step_of_the_other_role_is_refused() =>
        RefuseAltered(
            (genuine, peer) => Forge.Header(genuine, peer, h => (h.Step, h.Phase) = (Step.LossResponse, Phase.Train)), "sent LossResponse where");

    [Fact]
    public Task A_step_that_does_not_exist_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Header(genuine, peer, h => h.Step = (Step)99), "there is no such step");

    [Fact]
    public Task A_step_in_another_phase_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Header(genuine, peer, h => h.Phase = Phase.Train), "does not belong to phase Train");

    [Fact]
    public Task A_wrong_round_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Header(genuine, peer, h => h.Round = 1), "sent BlindedIds of round 1 where");

    [Fact]
    public async Task A_step_that_is_allowed_but_not_awaited_is_refused()
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        Envelope genuine = await bench.CaptureIdsAsync();

        await bench.RefusedAsync(genuine, "sent BlindedIds; EvaluatedIds was awaited", Step.EvaluatedIds);
        await bench.AcceptedAsync(genuine);
    }

    [Fact]
    public Task A_skipped_sequence_number_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Header(genuine, peer, h => h.Sequence++), "envelope 4 (BlindedIds) came where 3 (BlindedIds) was due");

    [Fact]
    public async Task A_dropped_envelope_is_noticed_at_the_next_one()
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        Envelope first = await bench.CaptureIdsAsync();
        Envelope second = await bench.CaptureIdsAsync();

        await bench.RefusedAsync(second, "dropped or they are out of order");
        await bench.AcceptedAsync(first);
        await bench.AcceptedAsync(second);
    }

    [Fact]
    public async Task Reordered_envelopes_are_refused()
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        Envelope ids = await bench.CaptureIdsAsync();
        Envelope evaluated = await bench.CaptureAsync(Step.EvaluatedIds, new EvaluatedIds { Offset = 1 });
        Envelope digest = await bench.CaptureAsync(Step.AlignmentDigest, new AlignmentDigest { Rows = 1 });
        await bench.AcceptedAsync(ids);

        await bench.RefusedAsync(digest, "out of order", Step.EvaluatedIds);
        await bench.AcceptedAsync(evaluated, Step.EvaluatedIds);
        await bench.AcceptedAsync(digest, Step.AlignmentDigest);
    }

    [Fact]
    public async Task An_exact_repetition_is_dropped_and_counted()
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        Envelope first = await bench.CaptureIdsAsync();
        Envelope second = await bench.CaptureIdsAsync();
        await bench.AcceptedAsync(first);
        int acknowledged = (await bench.SnapshotAsync()).Acknowledged;

        bench.Deliver(first);
        bench.Deliver(first);
        await bench.AcceptedAsync(second);

        Assert.Equal(2, bench.Label.Statistics.DuplicatesDropped);
        Assert.Equal(acknowledged + 3, (await bench.SnapshotAsync()).Acknowledged);
        Assert.Equal(bench.Feature.LastSentCoreHash.ToArray(), bench.Label.LastReceivedCoreHash.ToArray());
    }

    [Fact]
    public async Task Another_envelope_under_an_old_number_is_refused()
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        Envelope first = await bench.CaptureIdsAsync();
        Envelope second = await bench.CaptureIdsAsync();
        await bench.AcceptedAsync(first);
        Envelope fork = Forge.Payload(first, bench.Parties.Identity(Role.FeatureParty), new byte[60]);

        await bench.RefusedAsync(fork, "not the one that was accepted under that number");
        await bench.AcceptedAsync(second);
    }

    [Fact]
    public async Task An_envelope_of_this_partys_own_sent_back_is_refused()
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        Envelope genuine = await bench.CaptureIdsAsync();
        await bench.Label.SendAsync(Step.BlindedIds, 0, new BlindedIds { Total = 1 }, default);
        Envelope? own = await bench.Parties.LabelJournal.ReadOutboundAsync(bench.Parties.Job.Specification.Job, 1, 2, default);

        await bench.RefusedAsync(own!, "names sender LabelParty");
        await bench.AcceptedAsync(genuine);
    }

    [Fact]
    public Task A_broken_chain_is_refused() =>
        RefuseAltered(
            (genuine, peer) => Forge.Header(genuine, peer, h => h.PreviousCoreHash = ByteString.CopyFrom(new byte[32])), "does not continue the chain after envelope 2");

    [Fact]
    public Task A_previous_hash_of_another_length_is_refused() =>
        RefuseAltered((genuine, peer) => Forge.Header(genuine, peer, h => h.PreviousCoreHash = ByteString.CopyFrom(new byte[31])), "not 32 bytes");

    [Fact]
    public Task An_altered_header_is_refused() =>
        RefuseAltered(
            (genuine, peer) =>
            {
                // The relay alters the core but cannot sign: the old attestation stays.
                Envelope altered = Forge.Header(genuine, peer, h => h.Round = 3);
                altered.Attestation = genuine.Attestation;
                return altered;
            },
            "attestation does not verify");

    [Fact]
    public Task An_altered_payload_is_refused() =>
        RefuseAltered((genuine, _) => With(genuine, e => e.Payload = Flip(e.Payload, 20)), "not the one whose hash its core holds");

    [Fact]
    public Task A_payload_of_another_length_is_refused() =>
        RefuseAltered((genuine, _) => With(genuine, e => e.Payload = ByteString.CopyFrom(e.Payload.Span[..^1])), "its core says");

    [Fact]
    public Task An_altered_time_is_refused() =>
        RefuseAltered(
            (genuine, _) => With(genuine, e =>
            {
                Attestation attestation = Attestation.Parser.ParseFrom(e.Attestation);
                attestation.TimeUnixMs++;
                e.Attestation = attestation.ToByteString();
            }),
            "attestation does not verify");

    [Fact]
    public Task An_altered_signature_is_refused() =>
        RefuseAltered((genuine, _) => With(genuine, e => e.Attestation = Flip(e.Attestation, e.Attestation.Length - 1)), "attestation does not verify");

    [Fact]
    public async Task Another_keys_signature_is_refused()
    {
        using Identity stranger = Identity.Create();
        await RefuseAltered((genuine, _) => With(genuine, e => e.Attestation = EnvelopeCodec.Attest(e.Core, stranger, 1)), "attestation does not verify");
    }

    [Fact]
    public async Task The_receivers_own_signature_is_refused()
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        Envelope genuine = await bench.CaptureIdsAsync();
        Envelope altered = With(genuine, e => e.Attestation = EnvelopeCodec.Attest(e.Core, bench.Parties.Identity(Role.LabelParty), 1));

        await bench.RefusedAsync(altered, "attestation does not verify");
        await bench.AcceptedAsync(genuine);
    }

    [Fact]
    public Task An_altered_ciphertext_that_the_peer_signed_does_not_open() =>
        RefuseAltered((genuine, peer) => Forge.Payload(genuine, peer, [.. Flip(genuine.Payload, 20).Span]), "seal does not open");

    [Fact]
    public Task A_payload_too_short_for_a_seal_does_not_open() =>
        RefuseAltered((genuine, peer) => Forge.Payload(genuine, peer, new byte[27]), "seal does not open");

    [Fact]
    public async Task A_payload_moved_under_another_header_does_not_open()
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        Envelope first = await bench.CaptureIdsAsync();
        Envelope second = await bench.CaptureIdsAsync();
        Envelope moved = Forge.Payload(second, bench.Parties.Identity(Role.FeatureParty), first.Payload.ToByteArray());
        await bench.AcceptedAsync(first);

        await bench.RefusedAsync(moved, "seal does not open");
        await bench.AcceptedAsync(second);
    }

    [Theory]
    [InlineData("0a", "not well-formed")]
    [InlineData("080178", "not well-formed")]
    [InlineData("08017801", "unknown field")]
    [InlineData("088100", "canonical")]
    [InlineData("0800", "canonical")]
    public async Task A_sealed_message_that_is_not_canonical_is_refused(string hex, string says)
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        Envelope hostile = await bench.CaptureAsync(Step.BlindedIds, new RawMessage(BlindedIds.Descriptor, Convert.FromHexString(hex)));

        await bench.RefusedAsync(hostile, says);
    }

    private static async Task RefuseAltered(Func<Envelope, Identity, Envelope> alter, string says)
    {
        using HostileBench bench = await HostileBench.OpenAsync();
        Envelope genuine = await bench.CaptureIdsAsync();

        await bench.RefusedAsync(alter(genuine, bench.Parties.Identity(Role.FeatureParty)), says);

        // The genuine one is accepted afterwards: nothing was used up.
        await bench.AcceptedAsync(genuine);
    }

    private static byte[] HeaderOf(Envelope envelope) => EnvelopeCore.Parser.ParseFrom(envelope.Core).Header.ToByteArray();

    private static Envelope With(Envelope envelope, Action<Envelope> change)
    {
        Envelope copy = envelope.Clone();
        change(copy);
        return copy;
    }

    private static ByteString Flip(ByteString bytes, int index)
    {
        byte[] copy = bytes.ToByteArray();
        copy[index] ^= 1;
        return ByteString.CopyFrom(copy);
    }
}
