using Google.Protobuf;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

public sealed class RelayTests : IDisposable
{
    private static readonly string Job = new('a', 32);
    private readonly Identity _identity = Identity.Create();

    public void Dispose() => _identity.Dispose();

    [Fact]
    public void Chunks_make_the_envelope_that_was_announced()
    {
        EnvelopeAssembler assembler = new();
        Envelope envelope = Make(0, 3000);
        Assert.Null(assembler.Begin(new EnvelopeBegin { Core = envelope.Core, Attestation = envelope.Attestation }));
        Assert.Null(assembler.Add(Chunk(envelope, 0, 2000)));
        (EnvelopeView View, Envelope Envelope)? complete = assembler.Add(Chunk(envelope, 2000, 1000));
        Assert.Equal(envelope, complete!.Value.Envelope);
        Assert.Equal(Job, complete.Value.View.Header.Job);
    }

    [Fact]
    public void An_empty_payload_is_complete_at_once()
    {
        Envelope envelope = Make(0, 0);
        Assert.NotNull(new EnvelopeAssembler().Begin(new EnvelopeBegin { Core = envelope.Core, Attestation = envelope.Attestation }));
    }

    [Fact]
    public void A_chunk_without_announcement_too_many_bytes_and_a_second_announcement_are_refused()
    {
        Envelope envelope = Make(0, 10);
        EnvelopeBegin begin = new() { Core = envelope.Core, Attestation = envelope.Attestation };
        Refused(() => new EnvelopeAssembler().Add(Chunk(envelope, 0, 5)));
        Refused(() => Begun().Add(new PayloadChunk { Data = ByteString.CopyFrom(new byte[11]) }));
        Refused(() => Begun().Add(new PayloadChunk()));
        Refused(() => Begun().Begin(begin));
        Refused(() => new EnvelopeAssembler().Begin(new EnvelopeBegin { Core = ByteString.CopyFromUtf8("?"), Attestation = envelope.Attestation }));

        EnvelopeAssembler Begun()
        {
            EnvelopeAssembler assembler = new();
            assembler.Begin(begin);
            return assembler;
        }

        static void Refused(Action action) => Assert.Equal(ErrorCode.ProtocolViolation, Assert.Throws<VertFedException>(action).Code);
    }

    [Fact]
    public async Task Sending_waits_for_room_and_names_the_coordinator_when_none_comes()
    {
        RelayTransport transport = Client().Open(Job, 1, TimeSpan.FromMilliseconds(50));
        for (uint i = 0; i < RelayTransport.MaxWaiting; i++)
        {
            await transport.SendAsync(Make(i, 1), CancellationToken.None);
        }

        VertFedException error = await Assert.ThrowsAsync<VertFedException>(
            async () => await transport.SendAsync(Make(RelayTransport.MaxWaiting, 1), CancellationToken.None));
        Assert.Equal(ErrorCode.PeerUnavailable, error.Code);
        Assert.Equal("coordinator", error.Party);

        transport.Deadline = TimeSpan.FromMinutes(1);
        Task sending = transport.SendAsync(Make(RelayTransport.MaxWaiting, 1), CancellationToken.None).AsTask();
        Assert.False(sending.IsCompleted);
        transport.Deposited(new EnvelopeRef { Job = Job, Attempt = 1, Sender = Role.LabelParty, Sequence = 0 });
        await sending.WaitAsync(TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task What_is_not_acknowledged_is_sent_again_after_a_reconnect()
    {
        RelayTransport transport = Client().Open(Job, 1, TimeSpan.FromMinutes(1));
        Envelope[] envelopes = [Make(0, 1), Make(1, 1), Make(2, 1)];
        foreach (Envelope envelope in envelopes)
        {
            await transport.SendAsync(envelope, CancellationToken.None);
        }

        Assert.Equal(envelopes, Drain());
        transport.Deposited(new EnvelopeRef { Job = Job, Attempt = 1, Sender = Role.LabelParty, Sequence = 0 });
        transport.Rewind();
        Assert.Equal(envelopes[1..], Drain());
        Task flushed = transport.FlushAsync(CancellationToken.None);
        transport.Deposited(new EnvelopeRef { Job = Job, Attempt = 1, Sender = Role.LabelParty, Sequence = 1 });
        Assert.False(flushed.IsCompleted);
        transport.Deposited(new EnvelopeRef { Job = Job, Attempt = 1, Sender = Role.LabelParty, Sequence = 2 });
        await flushed.WaitAsync(TimeSpan.FromMinutes(1));

        Envelope[] Drain()
        {
            List<Envelope> sent = [];
            while (transport.NextToSend() is { } next)
            {
                sent.Add(next);
            }

            return [.. sent];
        }
    }

    [Fact]
    public async Task A_repeated_delivery_is_dropped_and_acknowledged_once_it_is_durable()
    {
        RelayClient client = Client();
        RelayTransport transport = client.Open(Job, 1, TimeSpan.FromMinutes(1));
        Envelope envelope = Make(0, 10);
        EnvelopeView view = EnvelopeCodec.Parse(envelope);
        await transport.DeliverAsync(view, envelope, CancellationToken.None);
        transport.Rewind();
        await transport.DeliverAsync(view, envelope, CancellationToken.None);
        Assert.Same(envelope, await transport.ReceiveAsync(CancellationToken.None));
        Assert.False(client.TryTakeControl(out _));
        await transport.AcknowledgeAsync(envelope, CancellationToken.None);
        Assert.True(client.TryTakeControl(out PartyFrame? acknowledgement));
        Assert.Equal(0UL, acknowledgement!.Delivered.Sequence);

        transport.Rewind();
        await transport.DeliverAsync(view, envelope, CancellationToken.None);
        Assert.True(client.TryTakeControl(out _));
        using CancellationTokenSource soon = new(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await transport.ReceiveAsync(soon.Token));
    }

    [Fact]
    public async Task What_came_on_another_connection_is_acknowledged_only_when_it_is_repeated()
    {
        RelayClient client = Client();
        RelayTransport transport = client.Open(Job, 1, TimeSpan.FromMinutes(1));
        Envelope envelope = Make(0, 10);
        await transport.AcknowledgeAsync(envelope, CancellationToken.None);
        Assert.False(client.TryTakeControl(out _));
        await transport.DeliverAsync(EnvelopeCodec.Parse(envelope), envelope, CancellationToken.None);
        Assert.True(client.TryTakeControl(out PartyFrame? frame));
        Assert.NotNull(frame!.Delivered);
    }

    [Fact]
    public void Envelopes_of_jobs_that_nobody_expects_are_not_kept()
    {
        RelayClient client = Client();
        Assert.Null(client.Expect(Job, 1));
        client.Answer(new JobAnswer { Job = Job, Attempt = 1, Accepted = true });
        RelayTransport kept = client.Expect(Job, 1)!;
        Assert.Same(kept, client.Open(Job, 1, TimeSpan.FromSeconds(1)));
        Assert.Null(client.Expect(Job, 2));
        client.Forget(Job);
        Assert.Null(client.Expect(Job, 1));
    }

    [Fact]
    public async Task A_coordinator_that_does_not_read_the_answers_is_not_read_either()
    {
        RelayClient client = Client();
        for (int i = 0; i < RelayClient.MaxControl; i++)
        {
            Assert.True(client.WaitForRoomAsync(CancellationToken.None).AsTask().IsCompletedSuccessfully);
            client.Acknowledge(new EnvelopeRef { Job = Job });
        }

        Task room = client.WaitForRoomAsync(CancellationToken.None).AsTask();
        Assert.False(room.IsCompleted);
        Assert.True(client.TryTakeControl(out _));
        await room.WaitAsync(TimeSpan.FromMinutes(1));
    }

    [Fact]
    public void Last_words_are_bounded_and_an_acceptance_is_not_forgotten()
    {
        RelayClient client = Client();
        client.Answer(new JobAnswer { Job = Id(0), Accepted = true });
        for (int i = 1; i <= RelayClient.MaxLastWords; i++)
        {
            client.Answer(new JobAnswer { Job = Id(i) });
        }

        Assert.Equal([true, false, true, true], new[] { 0, 1, 2, RelayClient.MaxLastWords }.Select(i => client.Repeats(Id(i))));
    }

    [Fact]
    public void Envelopes_are_kept_for_few_jobs_that_only_the_coordinator_says_run()
    {
        RelayClient client = Client();
        client.Rewind([.. Enumerable.Range(0, RelayClient.MaxExpected + 1).Select(Id)]);
        Assert.NotNull(client.Expect(Id(RelayClient.MaxExpected - 1), 1));
        Assert.Null(client.Expect(Id(RelayClient.MaxExpected), 1));
        client.Rewind([Id(7)]);
        Assert.Null(client.Expect(Id(6), 1));
        Assert.NotNull(client.Expect(Id(7), 1));
        client.Close(Id(7));
        Assert.Null(client.Expect(Id(7), 1));
    }

    [Fact]
    public void The_words_of_an_end_are_outside_input()
    {
        JobFault fault = JobFault.From(
            new JobEnd { State = JobState.Done, Error = new JobError { Code = "red", Party = new string('p', 100), Step = "a\tb", Message = "x\u001b[2J" + new string('y', 5000) } }, "bank");
        Assert.Equal((JobState.Failed, "Internal", 64, "a b"), (fault.State, fault.Error.Code, fault.Error.Party.Length, fault.Error.Step));
        Assert.StartsWith("x [2Jy", fault.Error.Message, StringComparison.Ordinal);
        Assert.Equal(1000, fault.Error.Message.Length);
    }

    private static string Id(int number) => number.ToString("x32", System.Globalization.CultureInfo.InvariantCulture);

    [Fact]
    public void Waits_double_up_to_the_longest_and_start_over()
    {
        Backoff backoff = new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(8));
        foreach (double whole in new double[] { 1, 2, 4, 8, 8, 8 })
        {
            Assert.InRange(backoff.Next().TotalSeconds, whole / 2, whole);
        }

        backoff.Reset();
        Assert.InRange(backoff.Next().TotalSeconds, 0.5, 1);
    }

    [Fact]
    public async Task A_coordinator_that_is_away_is_tried_again_until_told_to_stop()
    {
        RelayClient client = new(
            new RelayOptions
            {
                Coordinator = new Uri("https://127.0.0.1:1"),
                CoordinatorFingerprints = [new string('a', 64)],
                Party = "bank",
                FirstWait = TimeSpan.FromMilliseconds(5),
                LongestWait = TimeSpan.FromMilliseconds(20),
            },
            new NodeKeys(new NodeKey(TestTls.CredentialOf(_identity), CheckpointSigner.Create(_identity))));
        using CancellationTokenSource stop = new();
        Task running = client.RunAsync(stop.Token);
        for (int i = 0; i < 3; i++)
        {
            Assert.IsType<DisconnectedEvent>(await client.Events.ReadAsync().AsTask().WaitAsync(TimeSpan.FromMinutes(1)));
        }

        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromMinutes(1));
    }

    private RelayClient Client() => new(
        new RelayOptions { Coordinator = new Uri("https://127.0.0.1:1"), CoordinatorFingerprints = [new string('a', 64)], Party = "bank" },
        new NodeKeys(new NodeKey(TestTls.CredentialOf(_identity), CheckpointSigner.Create(_identity))));

    private Envelope Make(ulong sequence, int bytes)
    {
        byte[] payload = new byte[bytes];
        payload.AsSpan().Fill((byte)sequence);
        EnvelopeHeader header = new()
        {
            Job = Job,
            Attempt = 1,
            Sender = Role.LabelParty,
            Recipient = Role.FeatureParty,
            Phase = Phase.Session,
            Step = Step.KeyExchange,
            Sequence = sequence,
            PreviousCoreHash = ByteString.CopyFrom(new byte[32]),
        };
        ByteString core = EnvelopeCodec.BuildCore(header.ToByteString(), payload);
        return new Envelope
        {
            Core = core,
            Attestation = EnvelopeCodec.Attest(core, _identity, 0),
            Payload = ByteString.CopyFrom(payload),
        };
    }

    private static PayloadChunk Chunk(Envelope envelope, int at, int length) =>
        new() { Data = ByteString.CopyFrom(envelope.Payload.Span.Slice(at, length)) };
}
