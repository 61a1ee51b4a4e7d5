using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>Undisturbed conversations over the in-memory pair.</summary>
public sealed class ConversationTests
{
    [Fact]
    public async Task Both_ends_shake_hands_and_know_each_others_commitments()
    {
        using InMemoryChannelPair pair = await InMemoryChannelPair.OpenAsync();

        Assert.Equal(pair.Label.Peering.Own, pair.Feature.Peering.Peer);
        Assert.Equal(pair.Feature.Peering.Own, pair.Label.Peering.Peer);
        Assert.NotEqual(pair.Label.Peering.Own.Seed, pair.Feature.Peering.Own.Seed);
        Assert.NotEqual(pair.Label.Peering.Own.RowsRoot, pair.Feature.Peering.Own.RowsRoot);
        Assert.NotEqual(pair.Label.Peering.Own.Policy, pair.Feature.Peering.Own.Policy);
        Assert.Equal(SoftwareVersion.Current, pair.Label.Peering.PeerSoftwareVersion);
        Assert.Empty(pair.Label.Disclosures);
    }

    [Theory]
    [InlineData(Family.Logistic)]
    [InlineData(Family.Linear)]
    public async Task A_whole_job_of_either_family_runs_to_its_close(Family family)
    {
        using InMemoryChannelPair pair = await InMemoryChannelPair.OpenAsync();

        await ScriptedJob.RunAsync(pair.Label, pair.Feature, family, rounds: 3);

        Assert.Equal(pair.Label.LastSentCoreHash.ToArray(), pair.Feature.LastReceivedCoreHash.ToArray());
        Assert.Equal(pair.Feature.LastSentCoreHash.ToArray(), pair.Label.LastReceivedCoreHash.ToArray());
        foreach (Phase phase in new[] { Phase.Session, Phase.Align, Phase.Train, Phase.Evaluate, Phase.Close })
        {
            Assert.True(pair.Label.Statistics.BytesOf(phase) > 0);
            Assert.Equal(pair.Label.Statistics.BytesOf(phase), pair.Feature.Statistics.BytesOf(phase));
        }
    }

    [Fact]
    public async Task Public_randomness_is_the_same_at_both_ends_and_differs_by_every_argument()
    {
        using InMemoryChannelPair pair = await InMemoryChannelPair.OpenAsync();
        byte[] one = pair.Label.DerivePublic("key", Role.LabelParty, 1);

        Assert.Equal(one, pair.Feature.DerivePublic("key", Role.LabelParty, 1));
        Assert.NotEqual(one, pair.Label.DerivePublic("kex", Role.LabelParty, 1));
        Assert.NotEqual(one, pair.Label.DerivePublic("key", Role.FeatureParty, 1));
        Assert.NotEqual(one, pair.Label.DerivePublic("key", Role.LabelParty, 2));
        Assert.NotEqual(one, pair.Label.DerivePublic("key", Role.LabelParty, 1, 1));
    }

    [Fact]
    public async Task Secret_randomness_differs_by_every_argument_by_party_and_by_what_came_in()
    {
        using InMemoryChannelPair pair = await InMemoryChannelPair.OpenAsync();
        ulong[] before =
        [
            Draw(pair.Label.DeriveSecret("key", Step.LinkRequest, 1)),
            Draw(pair.Label.DeriveSecret("kez", Step.LinkRequest, 1)),
            Draw(pair.Label.DeriveSecret("key", Step.LossRequest, 1)),
            Draw(pair.Label.DeriveSecret("key", Step.LinkRequest, 2)),
            Draw(pair.Label.DeriveSecret("key", Step.LinkRequest, 1, 1)),
            Draw(pair.Feature.DeriveSecret("key", Step.LinkRequest, 1)),
        ];
        Assert.Equal(before[0], Draw(pair.Label.DeriveSecret("key", Step.LinkRequest, 1)));

        await pair.Feature.SendAsync(Step.BlindedIds, 0, new BlindedIds { Total = 1 }, default);
        await pair.Label.ReceiveAsync(Step.BlindedIds, 0, BlindedIds.Parser, default);
        ulong after = Draw(pair.Label.DeriveSecret("key", Step.LinkRequest, 1));

        Assert.Equal(7, before.Append(after).Distinct().Count());
    }

    [Fact]
    public async Task Concurrent_sends_are_refused_as_a_fault_of_the_caller()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        (InMemoryTransport near, InMemoryTransport far) = InMemoryTransport.CreatePair();
        GatedTransport gated = new(near);
        Task<SealedChannel> other = parties.OpenAsync(Role.FeatureParty, far, default);
        using SealedChannel label = await parties.OpenAsync(Role.LabelParty, gated, default);
        using SealedChannel feature = await other;
        gated.Close();
        Task first = label.SendAsync(Step.BlindedIds, 0, new BlindedIds { Total = 1 }, default).AsTask();

        await Assert.ThrowsAsync<InvalidOperationException>(
            () => label.SendAsync(Step.BlindedIds, 0, new BlindedIds { Total = 1 }, default).AsTask());
        gated.Open();
        await first;
    }

    private static ulong Draw(RandomStream stream)
    {
        using (stream)
        {
            return stream.NextUInt64();
        }
    }

    /// <summary>Holds sends back until it is opened.</summary>
    private sealed class GatedTransport(IEnvelopeTransport inner) : IEnvelopeTransport
    {
        private TaskCompletionSource _gate = Opened();

        public void Close() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Open() => _gate.SetResult();

        public async ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken)
        {
            await _gate.Task;
            await inner.SendAsync(envelope, cancellationToken);
        }

        public ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken) => inner.ReceiveAsync(cancellationToken);

        private static TaskCompletionSource Opened()
        {
            TaskCompletionSource open = new();
            open.SetResult();
            return open;
        }
    }
}
