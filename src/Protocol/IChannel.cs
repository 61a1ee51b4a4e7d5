using Google.Protobuf;
using VertFed.Primitives;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// One party's end of a job, as role code sees it: typed steps out, typed steps in, and seeded randomness. The same role
/// code runs over an in-memory channel, over the relay, and under replay.
/// </summary>
/// <remarks>
/// Role code is one sequential conversation: sends and receives are awaited in an order that depends on the protocol alone,
/// since that order enters the hash chain and the derivation of randomness. Heavy work between them may be parallel.
/// </remarks>
public interface IChannel
{
    /// <summary>Which side this is.</summary>
    Role Self { get; }

    /// <summary>The other side.</summary>
    Role Peer { get; }

    /// <summary>Seals, records and queues one step. Returns when it is durable here, not when the peer has it.</summary>
    ValueTask SendAsync(Step step, uint round, IMessage payload, CancellationToken cancellationToken);

    /// <summary>
    /// The next message from the peer, which must be of the named step and round.
    /// </summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: anything else came, it fails a check, or it
    /// does not parse (unknown fields are refused). <see cref="ErrorCode.PeerUnavailable"/>: nothing came before the deadline.</exception>
    ValueTask<T> ReceiveAsync<T>(Step step, uint round, MessageParser<T> parser, CancellationToken cancellationToken)
        where T : class, IMessage<T>;

    /// <summary>
    /// A secret stream for one purpose: HKDF over the attempt's key, the label, the round, the step, a running hash of all that
    /// was received so far, and an index. A changed inbound message gives independent randomness.
    /// </summary>
    RandomStream DeriveSecret(string label, Step step, uint round, long index = 0);

    /// <summary>
    /// 32 public bytes that both parties can compute and neither could choose: SHA-256 over both seed commitments, both nonces,
    /// the label, the owner, the round and an index. The uniform part of public keys is expanded from such bytes.
    /// </summary>
    byte[] DerivePublic(string label, Role owner, uint round, long index = 0);
}
