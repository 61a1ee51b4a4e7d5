using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator;

/// <summary>A party that breaks a rule gets a typed status and its stream closed; nothing of it is kept, and the others go on.</summary>
public sealed class HostilePartyTests
{
    [Fact]
    public Task An_envelope_in_the_peers_name_is_refused() =>
        RefusesAsync((job, party) => party.Next(job, [1], header => (header.Sender, header.Recipient) = (header.Recipient, header.Sender)), "sender");

    [Fact]
    public Task An_envelope_signed_by_another_key_is_refused() =>
        RefusesAsync(
            (job, party) =>
            {
                using Identity other = Identity.Create();
                return party.Next(job, [1], signedBy: other);
            },
            "attestation does not verify");

    [Fact]
    public Task Another_payload_than_the_cores_is_refused() =>
        RefusesAsync((job, party) => With(party.Next(job, [1, 2, 3]), envelope => envelope.Payload = ByteString.CopyFrom(1, 2, 4)), "payload is not the one");

    [Fact]
    public Task A_payload_longer_than_the_core_says_is_refused() =>
        RefusesAsync((job, party) => With(party.Next(job, [1, 2, 3]), envelope => envelope.Payload = ByteString.CopyFrom(1, 2, 3, 4)), "beyond the payload's size");

    [Fact]
    public Task An_envelope_larger_than_the_limit_is_refused_before_its_payload() =>
        RefusesAsync(
            (job, party) =>
            {
                Envelope envelope = party.Next(job, []);
                EnvelopeCore core = EnvelopeCore.Parser.ParseFrom(envelope.Core);
                core.PayloadSize = Limits.MaxPayloadBytes + 1;
                return Resigned(core, party);
            },
            "larger than");

    [Fact]
    public Task A_gap_in_the_sequence_is_refused() =>
        RefusesAsync((job, party) => party.Next(job, [1], header => header.Sequence = 1), "sequence 0 was expected");

    [Fact]
    public Task A_broken_chain_is_refused() =>
        RefusesAsync((job, party) => party.Next(job, [1], header => header.PreviousCoreHash = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32))), "previous core");

    [Fact]
    public Task Another_attempt_is_refused() =>
        RefusesAsync((job, party) => party.Next(job, [1], header => header.Attempt = 2), "attempt 2 is not the current attempt 1");

    [Fact]
    public Task An_unknown_job_is_refused() =>
        RefusesAsync((_, party) => party.Next(new string('e', 32), [1]), "no part in");

    [Fact]
    public Task A_step_of_another_phase_is_refused() =>
        RefusesAsync((job, party) => party.Next(job, [1], header => header.Phase = Phase.Train), "phase");

    [Fact]
    public Task A_truncated_core_is_refused() =>
        RefusesAsync((job, party) => With(party.Next(job, [1]), envelope => envelope.Core = envelope.Core.Span[..20].ToArray().Bytes()), "core");

    [Fact]
    public Task An_unknown_field_in_the_core_is_refused() =>
        RefusesAsync((job, party) => With(party.Next(job, [1]), envelope => envelope.Core = envelope.Core.Span.ToArray().Append((byte)0x78).Append((byte)1).ToArray().Bytes()), "unknown field");

    [Fact]
    public async Task A_second_envelope_at_one_sequence_number_is_refused_and_the_first_stays()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        Envelope other = bank.Next(job, [2]);
        Envelope first = await bank.DepositAsync(job, [1]);
        await QuietlyAsync(bank.SendEnvelopeAsync(other));
        await AssertClosedAsync(bank, StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation), "another envelope holds");
        Assert.Equal(first, await retailer.ReceiveAsync());
    }

    [Fact]
    public async Task A_frame_in_the_middle_of_a_payload_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        Envelope envelope = bank.Next(job, new byte[100]);
        await bank.SendAsync(new PartyFrame { Begin = new EnvelopeBegin { Core = envelope.Core, Attestation = envelope.Attestation } });
        await bank.OutcomeAsync(job, JobState.Done);
        await AssertClosedAsync(bank, StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation), "in the middle of its payload");
        Assert.Equal(JobState.Running, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);
    }

    [Fact]
    public async Task A_chunk_above_one_mebibyte_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        await QuietlyAsync(bank.SendEnvelopeAsync(bank.Next(job, new byte[Limits.MaxChunkBytes + 1]), chunk: Limits.MaxChunkBytes + 1));
        await AssertClosedAsync(bank, StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation), "larger than 1 MiB");
    }

    [Fact]
    public async Task A_message_above_the_frame_limit_never_gets_in()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        FakeParty bank = await fixture.ConnectAsync("bank");
        await QuietlyAsync(bank.SendAsync(new PartyFrame { Chunk = new PayloadChunk { Data = ByteString.CopyFrom(new byte[5 * Limits.MaxChunkBytes]) } }));
        Assert.Equal(StatusCode.ResourceExhausted, (await bank.ExpectStatusAsync()).StatusCode);
    }

    [Fact]
    public async Task A_sender_that_stops_in_the_middle_of_a_payload_is_timed_out()
    {
        JumpingTime time = new();
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(time: time);
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        Envelope envelope = bank.Next(job, new byte[100]);
        await bank.SendAsync(new PartyFrame { Begin = new EnvelopeBegin { Core = envelope.Core, Attestation = envelope.Attestation } });
        Task closed = AssertClosedAsync(bank, StatusCode.DeadlineExceeded, nameof(ErrorCode.PeerUnavailable), "the next chunk");
        await time.JumpUntilAsync(closed, TimeSpan.FromSeconds(fixture.Config.Limits.FrameSeconds));
    }

    [Fact]
    public async Task An_acknowledgement_of_what_was_never_sent_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, _, FakeParty retailer) = await fixture.RunningJobAsync();
        await retailer.SendAsync(new PartyFrame { Delivered = new EnvelopeRef { Job = job, Attempt = 1, Sender = Role.LabelParty, Sequence = 5 } });
        await AssertClosedAsync(retailer, StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation), "never sent");
    }

    [Fact]
    public async Task An_acknowledgement_of_own_envelopes_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        await bank.DepositAsync(job, [1]);
        await bank.SendAsync(new PartyFrame { Delivered = new EnvelopeRef { Job = job, Attempt = 1, Sender = Role.LabelParty, Sequence = 0 } });
        await AssertClosedAsync(bank, StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation), "not of the peer's");
    }

    [Fact]
    public async Task A_party_without_a_part_in_a_job_learns_nothing_and_changes_nothing()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        FakeParty insurer = await fixture.ConnectAsync("insurer");
        Assert.Empty(insurer.Registered!.RunningJobs);
        await insurer.OutcomeAsync(job, JobState.Cancelled, new JobError { Code = nameof(ErrorCode.Cancelled) });
        await AssertClosedAsync(insurer, StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation), "no part in");
        Envelope envelope = await bank.DepositAsync(job, [1]);
        Assert.Equal(envelope, await retailer.ReceiveAsync());
    }

    [Fact]
    public async Task An_envelope_after_the_outcome_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        await bank.OutcomeAsync(job, JobState.Done);
        await QuietlyAsync(bank.SendEnvelopeAsync(bank.Next(job, [1])));
        await AssertClosedAsync(bank, StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation), "after the party's outcome");
    }

    [Theory]
    [InlineData("retailer")]
    [InlineData("nobody")]
    [InlineData("UPPER CASE")]
    public async Task A_registration_under_another_name_is_refused(string name)
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        await using var party = fixture.Stranger();
        RpcException exception = await Assert.ThrowsAsync<RpcException>(() => party.RegisterAsync(asName: name));
        Assert.Contains(exception.StatusCode, new[] { StatusCode.Unauthenticated, StatusCode.InvalidArgument });
    }

    [Fact]
    public async Task A_registration_that_the_key_did_not_sign_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        await using var party = fixture.Stranger();
        RpcException exception = await Assert.ThrowsAsync<RpcException>(() => party.RegisterAsync(signedBy: fixture.Retailer));
        Assert.Equal((StatusCode.Unauthenticated, nameof(ErrorCode.DoesNotVerify)), (exception.StatusCode, exception.Trailers.GetValue("vertfed-code")));
    }

    [Fact]
    public async Task A_frame_before_the_registration_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        await using var party = fixture.Stranger();
        await party.ExpectAsync(CoordinatorFrame.FrameOneofCase.Challenge);
        await party.OutcomeAsync(new string('0', 32), JobState.Done);
        await AssertClosedAsync(party, StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation), "must be the registration");
    }

    [Fact]
    public async Task A_connection_that_does_not_register_is_timed_out_and_too_many_are_turned_away()
    {
        JumpingTime time = new();
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(
            config => config with { Limits = config.Limits with { MaxUnregistered = 1 } }, time: time);
        await using var silent = fixture.Stranger();
        await silent.ExpectAsync(CoordinatorFrame.FrameOneofCase.Challenge);
        await using var second = fixture.Stranger();
        await AssertClosedAsync(second, StatusCode.ResourceExhausted, nameof(ErrorCode.Refused), "not registered");
        Task closed = AssertClosedAsync(silent, StatusCode.DeadlineExceeded, nameof(ErrorCode.PeerUnavailable), "the registration");
        await time.JumpUntilAsync(closed, TimeSpan.FromSeconds(fixture.Config.Limits.FrameSeconds));
        await fixture.ConnectAsync("bank");
    }

    [Fact]
    public async Task A_report_of_another_party_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        await bank.OutcomeAsync(job, JobState.Done, report: ReportSeal.Seal(job, "retailer", fixture.Bank, fixture.Submitter.Public, "{}"u8));
        await AssertClosedAsync(bank, StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation), "another party's");
        Assert.Empty((await fixture.Jobs.ReportAsync(new GetJobRequest { Job = job })).Parts);
    }

    [Fact]
    public async Task A_failure_without_a_known_code_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        await bank.OutcomeAsync(job, JobState.Failed, new JobError { Code = "Whatever" });
        await AssertClosedAsync(bank, StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation), "known code");
        Assert.Equal(JobState.Running, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);
    }

    private static async Task RefusesAsync(Func<string, FakeParty, Envelope> make, string reason)
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        await QuietlyAsync(bank.SendEnvelopeAsync(make(job, bank)));
        await AssertClosedAsync(bank, StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation), reason);
        JobStatus status = await fixture.Jobs.GetAsync(new GetJobRequest { Job = job });
        Assert.Equal((JobState.Running, 0UL, 0UL), (status.State, status.Envelopes, status.Bytes));

        // The peer goes on, and so does the party once it connects again and keeps to the rules.
        FakeParty again = await fixture.ConnectAsync("bank");
        await again.ExpectAsync(CoordinatorFrame.FrameOneofCase.Start);
        Envelope good = await again.DepositAsync(job, [7]);
        Assert.Equal(good, await retailer.ReceiveAsync());
    }

    /// <summary>The stream may be closed by the other side while chunks are still being written.</summary>
    internal static async Task QuietlyAsync(Task send)
    {
        try
        {
            await send;
        }
        catch (Exception exception) when (exception is RpcException or InvalidOperationException)
        {
            // The status that the test asks for next tells why.
        }
    }

    private static async Task AssertClosedAsync(FakeParty party, StatusCode status, string code, string reason)
    {
        RpcException exception = await party.ExpectStatusAsync();
        Assert.Equal((status, code), (exception.StatusCode, exception.Trailers.GetValue("vertfed-code")));
        Assert.Contains(reason, exception.Status.Detail, StringComparison.Ordinal);
    }

    private static Envelope With(Envelope envelope, Action<Envelope> change)
    {
        change(envelope);
        return envelope;
    }

    private static Envelope Resigned(EnvelopeCore core, FakeParty party)
    {
        ByteString bytes = core.ToByteString();
        return new Envelope { Core = bytes, Attestation = EnvelopeCodec.Attest(bytes, party.Identity, 1) };
    }
}

internal static class ByteExtensions
{
    public static ByteString Bytes(this byte[] bytes) => ByteString.CopyFrom(bytes);
}
