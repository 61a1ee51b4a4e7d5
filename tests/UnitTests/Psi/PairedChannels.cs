using System.Text;
using System.Threading.Channels;
using Google.Protobuf;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.UnitTests.Psi;

/// <summary>
/// Two ends of a conversation in memory. Messages cross as bytes; a test may replace what one end sends, and sees all of it.
/// </summary>
internal sealed class PairedChannels
{
    public PairedChannels(byte seed = 1)
    {
        Channel<Sent> toLabel = Channel.CreateUnbounded<Sent>();
        Channel<Sent> toFeature = Channel.CreateUnbounded<Sent>();
        Label = new End(Role.LabelParty, Role.FeatureParty, toFeature, toLabel, seed);
        Feature = new End(Role.FeatureParty, Role.LabelParty, toLabel, toFeature, (byte)(seed + 100));
    }

    public End Label { get; }

    public End Feature { get; }

    internal sealed record Sent(Step Step, uint Round, byte[] Payload);

    internal sealed class End(Role self, Role peer, Channel<Sent> output, Channel<Sent> input, byte seed) : IChannel
    {
        private readonly byte[] _key = [.. Enumerable.Repeat(seed, 32)];

        public Role Self => self;

        public Role Peer => peer;

        /// <summary>Replaces a message before it is sent.</summary>
        public Func<Step, IMessage, IMessage>? Tamper { get; set; }

        public List<Sent> Log { get; } = [];

        public ValueTask SendAsync(Step step, uint round, IMessage payload, CancellationToken cancellationToken)
        {
            IMessage message = Tamper is null ? payload : Tamper(step, payload);
            Sent sent = new(step, round, message.ToByteArray());
            Log.Add(sent);
            return output.Writer.WriteAsync(sent, cancellationToken);
        }

        public async ValueTask<T> ReceiveAsync<T>(
            Step step,
            uint round,
            MessageParser<T> parser,
            CancellationToken cancellationToken)
            where T : class, IMessage<T>
        {
            Sent received = await input.Reader.ReadAsync(cancellationToken);
            if (received.Step != step || received.Round != round)
            {
                throw new VertFedException(ErrorCode.ProtocolViolation, $"{received.Step} came instead of {step}.");
            }

            return parser.ParseFrom(received.Payload);
        }

        public RandomStream DeriveSecret(string label, Step step, uint round, long index = 0) =>
            RandomStream.Derive(_key, Encoding.UTF8.GetBytes($"{label}|{step}|{round}|{index}"));

        public byte[] DerivePublic(string label, Role owner, uint round, long index = 0) =>
            throw new NotSupportedException("The alignment uses no public randomness.");
    }
}
