using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>The control run without seals: shows what it must show, and cannot be had silently.</summary>
public sealed class InsecureUnsealedTests
{
    private static readonly byte[] Marker = "PLANTED-MARKER-0123456789"u8.ToArray();

    [Fact]
    public void It_is_off_unless_the_runtime_configuration_says_otherwise() => Assert.False(InsecureUnsealed.IsSwitchedOn);

    [Fact]
    public async Task Sealed_payloads_do_not_show_a_planted_value_and_unsealed_ones_do()
    {
        Assert.Equal(-1, await PlantAsync(unsealed: false));
        Assert.NotEqual(-1, await PlantAsync(unsealed: true));
    }

    [Fact]
    public async Task It_needs_a_job_that_accepts_disclosure_risk()
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        SealedChannelOptions options = HandshakeTests.Change(parties.Options(Role.LabelParty), unsealed: true);
        HandshakeTap tap = new();

        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(
            () => SealedChannel.OpenAsync(options, tap, new InMemoryJournal(), default));

        Assert.Equal(ErrorCode.Refused, refusal.Code);
        Assert.Contains(InsecureUnsealed.SwitchName, refusal.Message, StringComparison.Ordinal);
        Assert.Empty(tap.Sent);
    }

    [Fact]
    public async Task A_peer_that_seals_does_not_talk_to_one_that_does_not()
    {
        using InMemoryParties parties = await AcceptingAsync();
        (InMemoryTransport labelEnd, InMemoryTransport featureEnd) = InMemoryTransport.CreatePair();
        Task<SealedChannel> unsealed = SealedChannel.OpenAsync(
            HandshakeTests.Change(parties.Options(Role.LabelParty), unsealed: true), labelEnd, new InMemoryJournal(), default);

        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(
            () => SealedChannel.OpenAsync(parties.Options(Role.FeatureParty), featureEnd, new InMemoryJournal(), default));

        Assert.Contains("seal does not open", refusal.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<VertFedException>(() => unsealed);
    }

    /// <summary>Where the marker shows in what the relay holds, or -1.</summary>
    private static async Task<int> PlantAsync(bool unsealed)
    {
        using InMemoryParties parties = await AcceptingAsync();
        RelaySimulator relay = new();
        Task<SealedChannel> one = SealedChannel.OpenAsync(
            HandshakeTests.Change(parties.Options(Role.LabelParty), unsealed: unsealed), relay.Connect(Role.LabelParty), new InMemoryJournal(), default);
        Task<SealedChannel> two = SealedChannel.OpenAsync(
            HandshakeTests.Change(parties.Options(Role.FeatureParty), unsealed: unsealed), relay.Connect(Role.FeatureParty), new InMemoryJournal(), default);
        using SealedChannel label = await one;
        using SealedChannel feature = await two;
        await label.SendAsync(Step.BlindedIds, 0, new BlindedIds { Elements = Marker.ToByteString() }, default);
        BlindedIds received = await feature.ReceiveAsync(Step.BlindedIds, 0, BlindedIds.Parser, default);

        Assert.Equal(Marker, received.Elements.ToByteArray());
        Assert.Equal(unsealed, label.Disclosures.Any(d => d.What.Contains("INSECURE", StringComparison.Ordinal) && d.Scalars > 0));
        return relay.MailboxOf(Role.FeatureParty)[^1].Payload.Span.IndexOf(Marker);
    }

    private static Task<InMemoryParties> AcceptingAsync()
    {
        JobSpec spec = InMemoryParties.DefaultSpec();
        spec.AcceptDisclosureRisk = true;
        spec.LabelParty.Fingerprint = new byte[32].ToByteString();
        spec.FeatureParty.Fingerprint = Enumerable.Repeat((byte)1, 32).ToArray().ToByteString();
        return InMemoryParties.CreateAsync(JobSpecification.FromMessage(spec), 1, default);
    }
}
