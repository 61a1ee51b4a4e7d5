using Google.Protobuf;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.UnitTests.Replay;

/// <summary>A party that runs the protocol, and in one place does not.</summary>
internal sealed class CheatingChannel(IChannel honest) : IChannel
{
    /// <summary>May change a message before it is sent.</summary>
    public Action<Step, uint, IMessage> OnSend { get; init; } = (_, _, _) => { };

    /// <summary>The label of a stream that the party takes from elsewhere than its seed; empty for none.</summary>
    public string OtherRandomness { get; init; } = "";

    public Role Self => honest.Self;

    public Role Peer => honest.Peer;

    public ValueTask SendAsync(Step step, uint round, IMessage payload, CancellationToken cancellationToken)
    {
        OnSend(step, round, payload);
        return honest.SendAsync(step, round, payload, cancellationToken);
    }

    public ValueTask<T> ReceiveAsync<T>(Step step, uint round, MessageParser<T> parser, CancellationToken cancellationToken)
        where T : class, IMessage<T> => honest.ReceiveAsync(step, round, parser, cancellationToken);

    public RandomStream DeriveSecret(string label, Step step, uint round, long index = 0) =>
        label == OtherRandomness
            ? RandomStream.Derive(new byte[32], System.Text.Encoding.UTF8.GetBytes($"{label}/{round}/{index}"))
            : honest.DeriveSecret(label, step, round, index);

    public byte[] DerivePublic(string label, Role owner, uint round, long index = 0) => honest.DerivePublic(label, owner, round, index);
}
