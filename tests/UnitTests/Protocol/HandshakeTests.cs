using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>Peers that disagree, hostile key exchanges, deadlines.</summary>
public sealed class HandshakeTests
{
    [Fact]
    public async Task Another_job_spec_under_the_same_job_id_refuses()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        using Identity submitter = Identity.Create();
        JobSpec other = parties.Job.Specification.ToMessage();
        other.Train.L2 = 0.5;
        SealedChannelOptions label = Change(parties.Options(Role.LabelParty), job: SignedJob.Create(JobSpecification.FromMessage(other), submitter));

        await BothRefuse(label, parties.Options(Role.FeatureParty), "differ in the job spec hash");
    }

    [Fact]
    public async Task Another_release_of_the_software_refuses()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);

        await BothRefuse(
            Change(parties.Options(Role.LabelParty), version: "9.9.9+abc"), parties.Options(Role.FeatureParty), "differ in the software release");
    }

    [Fact]
    public async Task Another_build_of_the_same_release_is_taken()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        (SealedChannel label, SealedChannel feature) = await OpenBoth(
            Change(parties.Options(Role.LabelParty), version: "1.0.0+abc"), Change(parties.Options(Role.FeatureParty), version: "1.0.0+def"));

        using (label)
        using (feature)
        {
            Assert.Equal("1.0.0+abc", feature.Peering.PeerSoftwareVersion);
        }
    }

    [Fact]
    public async Task A_policy_other_than_the_agreed_one_refuses()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        SealedChannelOptions label = Change(parties.Options(Role.LabelParty), expectedPolicy: SHA256.HashData("agreed"u8));
        (InMemoryTransport labelEnd, InMemoryTransport featureEnd) = InMemoryTransport.CreatePair();
        Task<SealedChannel> feature = SealedChannel.OpenAsync(parties.Options(Role.FeatureParty), featureEnd, new InMemoryJournal(), default);

        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(
            () => SealedChannel.OpenAsync(label, labelEnd, new InMemoryJournal(), default));

        Assert.Equal(ErrorCode.Refused, refusal.Code);
        Assert.Contains("policy hash of the peer", refusal.Message, StringComparison.Ordinal);
        (await feature).Dispose();
    }

    [Fact]
    public async Task Keys_other_than_the_specs_refuse_before_anything_is_sent()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        using Identity stranger = Identity.Create();
        (InMemoryTransport end, _) = InMemoryTransport.CreatePair();
        InMemoryJournal journal = new();

        foreach (SealedChannelOptions options in new[]
        {
            Change(parties.Options(Role.LabelParty), identity: stranger),
            Change(parties.Options(Role.LabelParty), peer: stranger.Public),
        })
        {
            VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => SealedChannel.OpenAsync(options, end, journal, default));
            Assert.Equal(ErrorCode.Refused, refusal.Code);
            Assert.Contains(stranger.Fingerprint, refusal.Message, StringComparison.Ordinal);
        }

        Assert.Null(await journal.LoadAttemptAsync(parties.Job.Specification.Job, 1, default));
    }

    [Theory]
    [InlineData("protocol version")]
    [InlineData("job spec hash")]
    [InlineData("attempt")]
    [InlineData("fingerprint of the peer")]
    [InlineData("fingerprint of this party")]
    [InlineData("policy hash is not 32 bytes")]
    [InlineData("policy salt is not 32 bytes")]
    [InlineData("not the one that was committed to")]
    public async Task Every_field_of_hello_is_checked(string says)
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        SealedChannelOptions options = parties.Options(Role.LabelParty);
        SealedChannelOptions peer = parties.Options(Role.FeatureParty);
        using SeedSchedule seeds = new(new byte[32]);
        Commitment committed = Handshake.BuildCommitment(peer, seeds);
        Hello hello = Handshake.BuildHello(peer, seeds.PolicySalt());
        Handshake.Check(hello, committed, options);
        ByteString wrong = ByteString.CopyFrom(new byte[31]);
        switch (says)
        {
            case "protocol version": hello.ProtocolVersion++; break;
            case "job spec hash": hello.SpecHash = wrong; break;
            case "attempt": hello.Attempt++; break;
            case "fingerprint of the peer": hello.OwnFingerprint = hello.PeerFingerprint; break;
            case "fingerprint of this party": hello.PeerFingerprint = hello.OwnFingerprint; break;
            case "policy hash is not 32 bytes": hello.OwnPolicyHash = wrong; break;
            case "policy salt is not 32 bytes": hello.PolicySalt = wrong; break;
            default: hello.OwnPolicyHash = SHA256.HashData("another policy"u8).ToByteString(); break;
        }

        VertFedException refusal = Assert.Throws<VertFedException>(() => Handshake.Check(hello, committed, options));

        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        Assert.Equal("Hello", refusal.Step);
        Assert.True(refusal.Code is ErrorCode.Refused or ErrorCode.ProtocolViolation);
    }

    [Theory]
    [InlineData("differ in the job spec hash")]
    [InlineData("software release")]
    [InlineData("job spec hash is not 32 bytes")]
    [InlineData("policy commitment is not 32 bytes")]
    [InlineData("seed commitment is not 32 bytes")]
    [InlineData("root of the rows is not 32 bytes")]
    [InlineData("printable ASCII")]
    public async Task Every_field_of_a_commitment_is_checked(string says)
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        SealedChannelOptions options = parties.Options(Role.LabelParty);
        using SeedSchedule seeds = new(new byte[32]);
        Commitment commitment = Handshake.BuildCommitment(parties.Options(Role.FeatureParty), seeds);
        Handshake.Check(commitment, options);
        ByteString wrong = ByteString.CopyFrom(new byte[31]);
        switch (says)
        {
            case "differ in the job spec hash": commitment.SpecHash = new byte[32].ToByteString(); break;
            case "software release": commitment.SoftwareVersion = "0.0.1"; break;
            case "job spec hash is not 32 bytes": commitment.SpecHash = wrong; break;
            case "policy commitment is not 32 bytes": commitment.Policy = wrong; break;
            case "seed commitment is not 32 bytes": commitment.Seed = wrong; break;
            case "root of the rows is not 32 bytes": commitment.RowsRoot = wrong; break;
            default: commitment.SoftwareVersion += "\u001b[2J"; break;
        }

        VertFedException refusal = Assert.Throws<VertFedException>(() => Handshake.Check(commitment, options));

        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        Assert.Equal("Commitment", refusal.Step);
        Assert.True(refusal.Code is ErrorCode.Refused or ErrorCode.ProtocolViolation);
    }

    [Theory]
    [InlineData("point off the curve", "not on the curve")]
    [InlineData("short key", "91 bytes")]
    [InlineData("compressed prefix", "canonical DER")]
    [InlineData("short nonce", "nonce has 31 bytes")]
    [InlineData("reflected", "own key or nonce sent back")]
    public async Task A_hostile_key_exchange_is_refused(string attack, string says)
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        HandshakeTap tap = new();
        Task<SealedChannel> opening = parties.OpenAsync(Role.LabelParty, tap, default);
        KeyExchange own = KeyExchange.Parser.ParseFrom(tap.Sent[0].Payload);
        KeyExchange hostile = new() { EphemeralKey = parties.Identity(Role.FeatureParty).Public.SubjectPublicKeyInfo.ToArray().ToByteString(), Nonce = new byte[32].ToByteString() };
        byte[] key = hostile.EphemeralKey.ToByteArray();
        switch (attack)
        {
            case "point off the curve": key[^1] ^= 1; hostile.EphemeralKey = key.ToByteString(); break;
            case "short key": hostile.EphemeralKey = key[..^1].ToByteString(); break;
            case "compressed prefix": key[26] = 2; hostile.EphemeralKey = key.ToByteString(); break;
            case "short nonce": hostile.Nonce = new byte[31].ToByteString(); break;
            default: hostile.EphemeralKey = own.EphemeralKey; break;
        }

        tap.Deliver(FirstEnvelope(parties, hostile.ToByteArray()));
        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => opening);

        Assert.Equal(ErrorCode.ProtocolViolation, refusal.Code);
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        Assert.Null(await parties.LabelJournal.ReadInboundAsync(parties.Job.Specification.Job, 1, 0, default));
    }

    [Fact]
    public async Task A_relay_that_swaps_the_ephemeral_key_is_refused()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        using Identity relays = Identity.Create();
        HandshakeTap tap = new();
        Task<SealedChannel> opening = parties.OpenAsync(Role.LabelParty, tap, default);
        KeyExchange swapped = new() { EphemeralKey = relays.Public.SubjectPublicKeyInfo.ToArray().ToByteString(), Nonce = new byte[32].ToByteString() };
        Envelope envelope = FirstEnvelope(parties, swapped.ToByteArray());
        envelope.Attestation = EnvelopeCodec.Attest(envelope.Core, relays, 1);

        tap.Deliver(envelope);
        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => opening);

        Assert.Equal(ErrorCode.ProtocolViolation, refusal.Code);
        Assert.Contains("pinned key", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pinned_fingerprint_is_enough_to_know_the_peer_by()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        (SealedChannel label, SealedChannel feature) = await OpenBoth(
            WithoutPeerKey(parties.Options(Role.LabelParty)), WithoutPeerKey(parties.Options(Role.FeatureParty)));

        using (label)
        using (feature)
        {
            await ScriptedJob.RunAsync(label, feature, Family.Logistic, rounds: 1);
        }
    }

    [Theory]
    [InlineData("another", "the identity key has the fingerprint")]
    [InlineData("none", "91 bytes")]
    [InlineData("right, another signer", "attestation does not verify")]
    public async Task An_identity_key_that_is_not_the_pinned_one_is_refused(string key, string says)
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        using Identity relays = Identity.Create();
        HandshakeTap tap = new();
        Task<SealedChannel> opening = SealedChannel.OpenAsync(
            WithoutPeerKey(parties.Options(Role.LabelParty)), tap, parties.LabelJournal, default);
        ByteString genuine = parties.Identity(Role.FeatureParty).Public.SubjectPublicKeyInfo.ToArray().ToByteString();
        KeyExchange hostile = new()
        {
            EphemeralKey = relays.Public.SubjectPublicKeyInfo.ToArray().ToByteString(),
            Nonce = new byte[32].ToByteString(),
            IdentityKey = key switch
            {
                "another" => relays.Public.SubjectPublicKeyInfo.ToArray().ToByteString(),
                "none" => ByteString.Empty,
                _ => genuine,
            },
        };
        Envelope envelope = FirstEnvelope(parties, hostile.ToByteArray());
        envelope.Attestation = EnvelopeCodec.Attest(envelope.Core, relays, 1);

        tap.Deliver(envelope);
        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => opening);

        Assert.Equal(ErrorCode.ProtocolViolation, refusal.Code);
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        Assert.Null(await parties.LabelJournal.ReadInboundAsync(parties.Job.Specification.Job, 1, 0, default));
    }

    [Fact]
    public async Task A_passed_deadline_names_the_party_and_the_step()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        ManualTime time = new();
        SealedChannelOptions options = Change(parties.Options(Role.LabelParty), time: time);
        HandshakeTap tap = new();
        Task<SealedChannel> opening = SealedChannel.OpenAsync(options, tap, new InMemoryJournal(), default);
        await tap.AskedAsync();

        time.Advance(TimeSpan.FromSeconds(59.9));
        Assert.False(opening.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.1));
        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => opening);

        Assert.Equal(ErrorCode.PeerUnavailable, refusal.Code);
        Assert.Equal("retailer", refusal.Party);
        Assert.Equal("KeyExchange", refusal.Step);
        Assert.Equal("Waited 60 s for 'retailer' at step KeyExchange; nothing came.", refusal.Message);
    }

    [Fact]
    public async Task Repetitions_do_not_put_the_deadline_off()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        ManualTime time = new();
        HandshakeTap tap = new();
        Task<SealedChannel> opening = SealedChannel.OpenAsync(Change(parties.Options(Role.LabelParty), time: time), tap, new InMemoryJournal(), default);
        using EphemeralKey key = EphemeralKey.Draw(new VertFed.Primitives.RandomStream(new byte[32]));
        Envelope exchange = FirstEnvelope(parties, Handshake.BuildKeyExchange(key, new byte[32], parties.Identity(Role.FeatureParty).Public.SubjectPublicKeyInfo).ToByteArray());
        tap.Deliver(exchange);
        await tap.AskedAsync();
        await tap.AskedAsync();
        for (int i = 0; i < 5; i++)
        {
            time.Advance(TimeSpan.FromSeconds(10));
            tap.Deliver(exchange);
            await tap.AskedAsync();
        }

        Assert.False(opening.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(10));
        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => opening);

        Assert.Equal(ErrorCode.PeerUnavailable, refusal.Code);
        Assert.Equal("Commitment", refusal.Step);
    }

    [Fact]
    public async Task Cancelling_while_waiting_is_a_cancellation_and_no_missing_peer()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        (InMemoryTransport end, _) = InMemoryTransport.CreatePair();
        using CancellationTokenSource cancel = new();
        Task<SealedChannel> opening = parties.OpenAsync(Role.LabelParty, end, cancel.Token);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
    }

    internal static SealedChannelOptions Change(
        SealedChannelOptions options,
        SignedJob? job = null,
        Identity? identity = null,
        PeerIdentity? peer = null,
        byte[]? policy = null,
        byte[]? dataRoot = null,
        byte[]? expectedPolicy = null,
        string? version = null,
        TimeProvider? time = null,
        bool? unsealed = null) => new()
    {
        Job = job ?? options.Job,
        Attempt = options.Attempt,
        Self = options.Self,
        Identity = identity ?? options.Identity,
        Peer = peer ?? options.Peer,
        PolicyHash = policy ?? options.PolicyHash,
        DataRoot = dataRoot ?? options.DataRoot,
        CommitToRows = options.CommitToRows,
        ExpectedPeerPolicyHash = expectedPolicy,
        SoftwareVersion = version ?? options.SoftwareVersion,
        Time = time ?? options.Time,
        InsecureUnsealed = unsealed,
    };

    private static SealedChannelOptions WithoutPeerKey(SealedChannelOptions options) => new()
    {
        Job = options.Job,
        Attempt = options.Attempt,
        Self = options.Self,
        Identity = options.Identity,
        PolicyHash = options.PolicyHash,
        DataRoot = options.DataRoot,
        CommitToRows = options.CommitToRows,
    };

    internal static async Task<(SealedChannel Label, SealedChannel Feature)> OpenBoth(SealedChannelOptions label, SealedChannelOptions feature)
    {
        (InMemoryTransport labelEnd, InMemoryTransport featureEnd) = InMemoryTransport.CreatePair();
        Task<SealedChannel> one = SealedChannel.OpenAsync(label, labelEnd, new InMemoryJournal(), default);
        Task<SealedChannel> two = SealedChannel.OpenAsync(feature, featureEnd, new InMemoryJournal(), default);
        return (await one, await two);
    }

    private static async Task BothRefuse(SealedChannelOptions label, SealedChannelOptions feature, string says)
    {
        (InMemoryTransport labelEnd, InMemoryTransport featureEnd) = InMemoryTransport.CreatePair();
        foreach (Task<SealedChannel> opening in new[]
        {
            SealedChannel.OpenAsync(label, labelEnd, new InMemoryJournal(), default),
            SealedChannel.OpenAsync(feature, featureEnd, new InMemoryJournal(), default),
        })
        {
            VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => opening);
            Assert.Equal(ErrorCode.Refused, refusal.Code);
            Assert.Equal("Commitment", refusal.Step);
            Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>The feature party's first envelope with any payload, rightly signed.</summary>
    private static Envelope FirstEnvelope(InMemoryParties parties, byte[] payload)
    {
        byte[] header = new EnvelopeHeader
        {
            Job = parties.Job.Specification.Job,
            Attempt = 1,
            Sender = Role.FeatureParty,
            Recipient = Role.LabelParty,
            Phase = Phase.Session,
            Step = Step.KeyExchange,
            PreviousCoreHash = new byte[32].ToByteString(),
        }.ToByteArray();
        ByteString core = EnvelopeCodec.BuildCore(header.ToByteString(), payload);
        return new Envelope
        {
            Core = core,
            Attestation = EnvelopeCodec.Attest(core, parties.Identity(Role.FeatureParty), 1),
            Payload = payload.ToByteString(),
        };
    }
}
