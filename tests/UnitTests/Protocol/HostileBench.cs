using System.Threading.Channels;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>
/// A label party that has shaken hands, and a hostile world that decides what reaches it. The feature party is genuine; what
/// it sends is captured, so that a test can deliver, withhold or alter it.
/// </summary>
internal sealed class HostileBench : IDisposable
{
    private readonly ChannelTransport _labelEnd;
    private readonly ChannelTransport _featureEnd;

    private HostileBench(InMemoryParties parties, ChannelTransport labelEnd, ChannelTransport featureEnd, SealedChannel label, SealedChannel feature)
    {
        Parties = parties;
        _labelEnd = labelEnd;
        _featureEnd = featureEnd;
        Label = label;
        Feature = feature;
    }

    public InMemoryParties Parties { get; }

    public SealedChannel Label { get; }

    public SealedChannel Feature { get; }

    public static async Task<HostileBench> OpenAsync()
    {
        InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        Channel<Envelope> toFeature = Channel.CreateUnbounded<Envelope>();
        Channel<Envelope> toLabel = Channel.CreateUnbounded<Envelope>();
        ChannelTransport labelEnd = new(toFeature, toLabel);
        ChannelTransport featureEnd = new(toLabel, toFeature);
        Task<SealedChannel> label = parties.OpenAsync(Role.LabelParty, labelEnd, default);
        Task<SealedChannel> feature = parties.OpenAsync(Role.FeatureParty, featureEnd, default);
        return new HostileBench(parties, labelEnd, featureEnd, await label, await feature);
    }

    /// <summary>What the feature party sends next, taken off the wire.</summary>
    public async Task<Envelope> CaptureAsync(Step step, IMessage payload, uint round = 0)
    {
        await Feature.SendAsync(step, round, payload, default);
        return _labelEnd.TakeInbound();
    }

    /// <summary>The genuine first envelope after the handshake.</summary>
    public Task<Envelope> CaptureIdsAsync() => CaptureAsync(Step.BlindedIds, new BlindedIds { Total = 1, Elements = ByteString.CopyFrom(new byte[32]) });

    public void Deliver(Envelope envelope) => _labelEnd.Inject(envelope);

    /// <summary>Delivers a hostile envelope and asserts that it is refused and changes nothing.</summary>
    public async Task<VertFedException> RefusedAsync(Envelope hostile, string says, Step step = Step.BlindedIds)
    {
        Snapshot before = await SnapshotAsync();
        Deliver(hostile);
        VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => ReceiveAsync(step));
        Assert.Equal(ErrorCode.ProtocolViolation, refusal.Code);
        Assert.Equal("retailer", refusal.Party);
        Assert.Equal(step.ToString(), refusal.Step);
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(before, await SnapshotAsync());
        return refusal;
    }

    /// <summary>Delivers an envelope and asserts that it is accepted.</summary>
    public async Task AcceptedAsync(Envelope genuine, Step step = Step.BlindedIds)
    {
        Deliver(genuine);
        await ReceiveAsync(step);
    }

    public async Task ReceiveAsync(Step step)
    {
        switch (step)
        {
            case Step.BlindedIds:
                await Label.ReceiveAsync(step, 0, BlindedIds.Parser, default);
                break;
            case Step.EvaluatedIds:
                await Label.ReceiveAsync(step, 0, EvaluatedIds.Parser, default);
                break;
            default:
                await Label.ReceiveAsync(step, 0, AlignmentDigest.Parser, default);
                break;
        }
    }

    /// <summary>Everything of the label party's that a refused message must not change.</summary>
    public async Task<Snapshot> SnapshotAsync()
    {
        int recorded = 0;
        while (await Parties.LabelJournal.ReadInboundAsync(Parties.Job.Specification.Job, 1, (ulong)recorded, default) is not null)
        {
            recorded++;
        }

        using VertFed.Primitives.RandomStream stream = Label.DeriveSecret("snapshot", Step.BlindedIds, 0);
        return new Snapshot(
            Convert.ToHexString(Label.LastReceivedCoreHash),
            Convert.ToHexString(Label.LastSentCoreHash),
            string.Join(';', Label.Statistics.Traffic),
            recorded,
            stream.NextUInt64(),
            _labelEnd.Acknowledged);
    }

    public void Dispose()
    {
        Label.Dispose();
        Feature.Dispose();
        Parties.Dispose();
    }

    internal sealed record Snapshot(string Received, string Sent, string Traffic, int Recorded, ulong Randomness, int Acknowledged);

    /// <summary>A transport over two queues that tests reach into.</summary>
    internal sealed class ChannelTransport(Channel<Envelope> outbound, Channel<Envelope> inbound) : IEnvelopeTransport
    {
        public int Acknowledged { get; private set; }

        public ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken) =>
            outbound.Writer.WriteAsync(envelope, cancellationToken);

        public ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken) => inbound.Reader.ReadAsync(cancellationToken);

        public ValueTask AcknowledgeAsync(Envelope envelope, CancellationToken cancellationToken)
        {
            Acknowledged++;
            return ValueTask.CompletedTask;
        }

        public Envelope TakeInbound() =>
            inbound.Reader.TryRead(out Envelope? envelope) ? envelope : throw new InvalidOperationException("Nothing was sent.");

        public void Inject(Envelope envelope) => Assert.True(inbound.Writer.TryWrite(envelope));
    }
}

/// <summary>Alters envelopes and signs them again, as a hostile peer that holds its own key would.</summary>
internal static class Forge
{
    /// <summary>Changes header fields; payload and signature fit the new header.</summary>
    public static Envelope Header(Envelope genuine, Identity signer, Action<EnvelopeHeader> change)
    {
        EnvelopeHeader header = EnvelopeCodec.Parse(genuine).Header.Clone();
        change(header);
        return HeaderBytes(genuine, signer, header.ToByteArray());
    }

    /// <summary>Puts other bytes in the header's place.</summary>
    public static Envelope HeaderBytes(Envelope genuine, Identity signer, byte[] header) =>
        Core(genuine, signer, EnvelopeCodec.BuildCore(ByteString.CopyFrom(header), genuine.Payload.Span).ToByteArray());

    /// <summary>Puts other bytes in the core's place and signs them.</summary>
    public static Envelope Core(Envelope genuine, Identity signer, byte[] core) => new()
    {
        Core = ByteString.CopyFrom(core),
        Attestation = EnvelopeCodec.Attest(ByteString.CopyFrom(core), signer, 1),
        Payload = genuine.Payload,
    };

    /// <summary>Another payload under the genuine header, its hash and signature right.</summary>
    public static Envelope Payload(Envelope genuine, Identity signer, byte[] payload)
    {
        EnvelopeView view = EnvelopeCodec.Parse(genuine.Core, genuine.Attestation);
        ByteString core = EnvelopeCodec.BuildCore(view.Core.Header, payload);
        return new Envelope { Core = core, Attestation = EnvelopeCodec.Attest(core, signer, 1), Payload = ByteString.CopyFrom(payload) };
    }
}

/// <summary>A message that writes whatever bytes it is given under another message's name.</summary>
internal sealed class RawMessage(MessageDescriptor descriptor, byte[] bytes) : IMessage
{
    public MessageDescriptor Descriptor => descriptor;

    public void MergeFrom(CodedInputStream input) => throw new NotSupportedException("Only written in tests.");

    public void WriteTo(CodedOutputStream output)
    {
        foreach (byte b in bytes)
        {
            output.WriteRawTag(b);
        }
    }

    public int CalculateSize() => bytes.Length;
}
