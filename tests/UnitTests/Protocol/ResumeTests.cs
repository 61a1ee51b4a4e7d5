using System.Security.Cryptography;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>A party that is killed at any moment resumes from its journal and ends with the same envelopes.</summary>
public sealed class ResumeTests
{
    private const int Rounds = 1;

    [Theory]
    [Trait("Speed", "slow")]
    [InlineData(Role.LabelParty, false)]
    [InlineData(Role.LabelParty, true)]
    [InlineData(Role.FeatureParty, false)]
    [InlineData(Role.FeatureParty, true)]
    public Task A_party_killed_at_any_write_or_send_ends_with_the_same_cores_and_payloads(Role victim, bool afterEffect) =>
        KillAsync(victim, afterEffect, every: 1);

    [Theory]
    [InlineData(Role.LabelParty, false)]
    [InlineData(Role.FeatureParty, true)]
    public Task A_party_killed_at_some_writes_and_sends_ends_with_the_same_cores_and_payloads(Role victim, bool afterEffect) =>
        KillAsync(victim, afterEffect, every: 13);

    private static async Task KillAsync(Role victim, bool afterEffect, int every)
    {
        Killer counter = new(at: -1, afterEffect);
        (string undisturbed, _) = await RunAsync(victim, counter);
        Assert.True(counter.Count > 50);

        for (int at = 1; at <= counter.Count; at += every)
        {
            (string transcript, int lives) = await RunAsync(victim, new Killer(at, afterEffect));
            Assert.Equal(2, lives);
            Assert.Equal(undisturbed, transcript);
        }
    }

    [Fact]
    public async Task A_resumed_party_sends_the_recorded_bytes_and_signs_nothing_anew()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        RelaySimulator relay = new();
        Task other = RunSideAsync(parties, Role.FeatureParty, parties.FeatureJournal, relay.Connect(Role.FeatureParty));
        await RunSideAsync(parties, Role.LabelParty, parties.LabelJournal, relay.Connect(Role.LabelParty));
        await other;

        HandshakeTap tap = new();
        await RunSideAsync(parties, Role.LabelParty, parties.LabelJournal, tap);

        Assert.Equal(relay.MailboxOf(Role.FeatureParty), tap.Sent);
    }

    [Fact]
    public async Task A_resumed_run_that_comes_out_otherwise_diverges_and_sends_nothing_of_it()
    {
        using InMemoryParties parties = await CompletedAsync();
        HandshakeTap tap = new();

        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(
            () => RunSideAsync(parties, Role.LabelParty, parties.LabelJournal, tap, twist: 1));

        Assert.Equal(ErrorCode.Diverges, refusal.Code);
        Assert.Equal("TrainSetup", refusal.Step);
        Assert.Equal(Step.AlignmentDigest, EnvelopeCodec.Parse(tap.Sent[^1]).Header.Step);
    }

    [Theory]
    [InlineData("policy")]
    [InlineData("input data")]
    [InlineData("software version")]
    [InlineData("job spec")]
    public async Task An_attempt_is_not_resumed_under_anything_else(string what)
    {
        using InMemoryParties parties = await CompletedAsync();
        using Identity submitter = Identity.Create();
        JobSpec other = parties.Job.Specification.ToMessage();
        other.Title = "another";
        SealedChannelOptions options = parties.Options(Role.LabelParty);
        options = what switch
        {
            "policy" => HandshakeTests.Change(options, policy: new byte[32]),
            "input data" => HandshakeTests.Change(options, dataRoot: new byte[32]),
            "software version" => HandshakeTests.Change(options, version: "7.0.0"),
            _ => HandshakeTests.Change(options, job: SignedJob.Create(JobSpecification.FromMessage(other), submitter)),
        };
        HandshakeTap tap = new();

        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(
            () => SealedChannel.OpenAsync(options, tap, parties.LabelJournal, default));

        Assert.Equal(ErrorCode.Diverges, refusal.Code);
        Assert.Contains($"another {what}", refusal.Message, StringComparison.Ordinal);
        Assert.Empty(tap.Sent);
    }

    [Fact]
    public async Task A_journal_whose_inbound_record_was_altered_diverges()
    {
        using InMemoryParties parties = await CompletedAsync();
        InMemoryJournal altered = await CopyAsync(parties, (sequence, envelope) =>
        {
            if (sequence == 3)
            {
                byte[] payload = envelope.Payload.ToByteArray();
                payload[^1] ^= 1;
                envelope.Payload = payload.ToByteString();
            }
        });

        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(
            () => RunSideAsync(parties, Role.LabelParty, altered, new HandshakeTap()));

        Assert.Equal(ErrorCode.Diverges, refusal.Code);
        Assert.Contains("Inbound envelope 3 of the journal", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_root_seed_is_drawn_once_and_is_durable_before_anything_is_sent()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        InMemoryJournal journal = new();
        Killer killer = new(at: 1, afterEffect: false);
        HandshakeTap tap = new();

        await Assert.ThrowsAsync<KilledException>(
            () => SealedChannel.OpenAsync(parties.Options(Role.LabelParty), tap, killer.Watch(journal), default));

        Assert.Empty(tap.Sent);
        Assert.Null(await journal.LoadAttemptAsync(parties.Job.Specification.Job, 1, default));
    }

    [Fact]
    public async Task Fresh_attempts_have_root_seeds_of_their_own()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        HashSet<string> seeds = [];
        for (int i = 0; i < 3; i++)
        {
            InMemoryJournal journal = new();
            using CancellationTokenSource cancel = new();
            Task<SealedChannel> opening = SealedChannel.OpenAsync(parties.Options(Role.LabelParty), new HandshakeTap(), journal, cancel.Token);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
            AttemptRecord? record = await journal.LoadAttemptAsync(parties.Job.Specification.Job, 1, default);
            seeds.Add(Convert.ToHexString(record!.RootSeed));
        }

        Assert.Equal(3, seeds.Count);
    }

    [Fact]
    public async Task A_journal_takes_an_attempt_and_an_envelope_once()
    {
        InMemoryJournal journal = new();
        AttemptRecord record = new("j", 1, new byte[32], [], [], [], "v");
        await journal.SaveAttemptAsync(record, default);
        await journal.AppendOutboundAsync("j", 1, 0, new Envelope(), default);

        await Assert.ThrowsAsync<VertFedException>(() => journal.SaveAttemptAsync(record, default).AsTask());
        await Assert.ThrowsAsync<VertFedException>(() => journal.AppendOutboundAsync("j", 1, 0, new Envelope(), default).AsTask());
        await Assert.ThrowsAsync<VertFedException>(() => journal.AppendInboundAsync("j", 1, 1, new Envelope(), default).AsTask());
        Assert.Null(await journal.ReadInboundAsync("j", 1, 0, default));
    }

    /// <summary>Runs a job whose victim is watched by the killer and revived once; gives a hash over all that crossed.</summary>
    private static async Task<(string Transcript, int Lives)> RunAsync(Role victim, Killer killer)
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        RelaySimulator relay = new();
        Role other = victim.Other();
        Task survivor = RunSideAsync(parties, other, parties.Journal(other), relay.Connect(other));
        int lives = 1;
        try
        {
            await RunSideAsync(parties, victim, killer.Watch(parties.Journal(victim)), killer.Watch(relay.Connect(victim)));
        }
        catch (KilledException)
        {
            lives++;
            await RunSideAsync(parties, victim, parties.Journal(victim), relay.Connect(victim));
        }

        await survivor;
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (Envelope envelope in relay.MailboxOf(Role.LabelParty).Concat(relay.MailboxOf(Role.FeatureParty)))
        {
            hash.AppendData(envelope.Core.Span);
            hash.AppendData(envelope.Payload.Span);
        }

        return (Convert.ToHexString(hash.GetHashAndReset()), lives);
    }

    private static async Task RunSideAsync(InMemoryParties parties, Role role, IJournal journal, IEnvelopeTransport transport, ulong twist = 0)
    {
        using SealedChannel channel = await SealedChannel.OpenAsync(parties.Options(role), transport, journal, default);
        await ScriptedJob.RunSideAsync(channel, Family.Logistic, Rounds, twist);
    }

    private static async Task<InMemoryParties> CompletedAsync()
    {
        InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        RelaySimulator relay = new();
        await Task.WhenAll(
            RunSideAsync(parties, Role.LabelParty, parties.LabelJournal, relay.Connect(Role.LabelParty)),
            RunSideAsync(parties, Role.FeatureParty, parties.FeatureJournal, relay.Connect(Role.FeatureParty)));
        return parties;
    }

    /// <summary>The label party's journal with its inbound envelopes changed.</summary>
    private static async Task<InMemoryJournal> CopyAsync(InMemoryParties parties, Action<ulong, Envelope> change)
    {
        string job = parties.Job.Specification.Job;
        InMemoryJournal copy = new();
        await copy.SaveAttemptAsync((await parties.LabelJournal.LoadAttemptAsync(job, 1, default))!, default);
        for (ulong i = 0; await parties.LabelJournal.ReadOutboundAsync(job, 1, i, default) is { } envelope; i++)
        {
            await copy.AppendOutboundAsync(job, 1, i, envelope, default);
        }

        for (ulong i = 0; await parties.LabelJournal.ReadInboundAsync(job, 1, i, default) is { } envelope; i++)
        {
            Envelope altered = envelope.Clone();
            change(i, altered);
            await copy.AppendInboundAsync(job, 1, i, altered, default);
        }

        return copy;
    }
}
