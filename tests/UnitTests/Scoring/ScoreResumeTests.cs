using System.Security.Cryptography;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.DiffieHellman;
using VertFed.UnitTests.Protocol;
using VertFed.Vertical;
using Xunit;

namespace VertFed.UnitTests.Scoring;

/// <summary>A party that is killed at any moment of a score job resumes and ends with the same envelopes and the same scores.</summary>
public sealed class ScoreResumeTests
{
    private const int Rows = 9000;

    [Theory]
    [InlineData(Role.LabelParty, false, 1)]
    [InlineData(Role.LabelParty, true, 2)]
    [InlineData(Role.FeatureParty, false, 2)]
    [InlineData(Role.FeatureParty, true, 1)]
    public async Task A_party_killed_at_its_writes_and_sends_ends_with_the_same_envelopes_and_scores(Role victim, bool afterEffect, int first)
    {
        Killer counter = new(at: -1, afterEffect);
        (string undisturbed, int lives) = await RunAsync(victim, counter);
        Assert.Equal(1, lives);
        Assert.True(counter.Count > 20);
        for (int at = first; at <= counter.Count; at += 2)
        {
            (string transcript, lives) = await RunAsync(victim, new Killer(at, afterEffect));
            Assert.Equal(2, lives);
            Assert.Equal(undisturbed, transcript);
        }
    }

    /// <summary>Runs a job whose victim is revived once; gives a hash over all that crossed and over the scores.</summary>
    private static async Task<(string Transcript, int Lives)> RunAsync(Role victim, Killer killer)
    {
        ScoreBench bench = new(Family.Logistic, Rows);
        using InMemoryParties parties = await InMemoryParties.CreateAsync(ScoreBench.Specification(), 1, default);
        RelaySimulator relay = new();
        Role other = victim.Other();
        Task<ScoreResult> survivor = RunSideAsync(bench, parties, other, parties.Journal(other), relay.Connect(other));
        Task<ScoreResult> revived = RunSideAsync(bench, parties, victim, killer.Watch(parties.Journal(victim)), killer.Watch(relay.Connect(victim)));
        int lives = 1;
        try
        {
            await revived;
        }
        catch (KilledException)
        {
            lives++;
            revived = RunSideAsync(bench, parties, victim, parties.Journal(victim), relay.Connect(victim));
        }

        ScoreResult[] results = await Task.WhenAll(survivor, revived);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (Envelope envelope in relay.MailboxOf(Role.LabelParty).Concat(relay.MailboxOf(Role.FeatureParty)))
        {
            hash.AppendData(envelope.Core.Span);
            hash.AppendData(envelope.Payload.Span);
        }

        foreach (double score in results.Single(result => result.Scores is not null).Scores!)
        {
            hash.AppendData(BitConverter.GetBytes(score));
        }

        return (Convert.ToHexString(hash.GetHashAndReset()), lives);
    }

    /// <summary>Aligns three ids that both have; the rows of the bench stand for them.</summary>
    private static async Task<ScoreResult> RunSideAsync(
        ScoreBench bench, InMemoryParties parties, Role role, IJournal journal, IEnvelopeTransport transport)
    {
        using SealedChannel channel = await SealedChannel.OpenAsync(parties.Options(role), transport, journal, default);
        await new PsiParty(channel).AlignAsync(["a", "b", "c"], progress: null, default);
        ScoreResult result = await bench.Scorer(channel).RunAsync(bench.ColumnsOf(role), Rows, default);
        await channel.CloseAsync(new ResultValues([1], new byte[32], [2]), default);
        return result;
    }
}
