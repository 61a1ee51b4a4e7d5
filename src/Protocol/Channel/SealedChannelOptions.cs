using VertFed.Primitives;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>What a party commits to of its input.</summary>
/// <param name="Root">Root of the Merkle tree over the salted rows, 32 bytes.</param>
/// <param name="Rows">Number of rows.</param>
public sealed record RowsCommitment(byte[] Root, long Rows);

/// <summary>Who talks to whom about which job: what a channel is opened with.</summary>
public sealed class SealedChannelOptions
{
    /// <summary>The job as its submitter signed it.</summary>
    public required SignedJob Job { get; init; }

    /// <summary>From 1; every attempt has a root seed of its own.</summary>
    public required uint Attempt { get; init; }

    /// <summary>Which side this party is.</summary>
    public required Role Self { get; init; }

    /// <summary>This party's key pair; stays the caller's to dispose.</summary>
    public required Identity Identity { get; init; }

    /// <summary>
    /// The peer's key where this party has it. Null: the key comes in KeyExchange and must hash to the fingerprint that the job
    /// spec names, which the caller has compared with its own configuration.
    /// </summary>
    public PeerIdentity? Peer { get; init; }

    /// <summary>SHA-256 of this party's policy, 32 bytes.</summary>
    public required byte[] PolicyHash { get; init; }

    /// <summary>SHA-256 over this party's input as read, 32 bytes. It binds the attempt's randomness and never leaves the party.</summary>
    public required byte[] DataRoot { get; init; }

    /// <summary>
    /// The public commitment to the input's rows. It is handed a stream of the attempt that yields the rows' salts, so the same
    /// rows give the same root in this attempt, and the root tells nothing about a row.
    /// </summary>
    public required Func<RandomStream, RowsCommitment> CommitToRows { get; init; }

    /// <summary>Where the peer's policy is agreed beforehand, its hash: another one refuses. Null: any is taken.</summary>
    public byte[]? ExpectedPeerPolicyHash { get; init; }

    /// <summary>The build, as <see cref="SoftwareVersion.Current"/> states it.</summary>
    public string SoftwareVersion { get; init; } = Protocol.SoftwareVersion.Current;

    /// <summary>The clock of attestations and deadlines.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>See <see cref="Protocol.InsecureUnsealed"/>; null follows the AppContext switch.</summary>
    internal bool? InsecureUnsealed { get; init; }

    internal JobSpecification Specification => Job.Specification;

    internal Role PeerRole => Self.Other();

    internal string PeerName => Specification.Party(PeerRole).Name;

    internal AttemptContext Context => new(
        Specification.Job,
        Attempt,
        Job.SpecHash,
        Specification.LabelParty.Fingerprint,
        Specification.FeatureParty.Fingerprint);

    internal string PeerFingerprint => Specification.Party(PeerRole).Fingerprint;

    /// <summary>Checks lengths, and that both keys are the ones the job spec names.</summary>
    internal void Validate()
    {
        if (Self is not (Role.LabelParty or Role.FeatureParty))
        {
            throw Error.Fault("A channel belongs to the label party or the feature party.");
        }

        ArgumentOutOfRangeException.ThrowIfZero(Attempt);
        if (PolicyHash.Length != EnvelopeCodec.HashBytes || DataRoot.Length != EnvelopeCodec.HashBytes
            || ExpectedPeerPolicyHash is { Length: not EnvelopeCodec.HashBytes })
        {
            throw Error.Fault("Policy hashes and the data root have 32 bytes.");
        }

        if (SoftwareVersion.Length is 0 or > Protocol.SoftwareVersion.MaxLength)
        {
            throw Error.Fault("The software version is empty or too long.");
        }

        RequireFingerprint(Specification.Party(Self), Identity.Public, "this party's own");
        if (Peer is not null)
        {
            RequireFingerprint(Specification.Party(PeerRole), Peer, "the pinned");
        }
    }

    private static void RequireFingerprint(PartyReference named, PeerIdentity key, string whose)
    {
        if (named.Fingerprint != key.Fingerprint)
        {
            throw Error.Refused(
                $"The job names the key {named.Fingerprint} for '{named.Name}', but {whose} key is {key.Fingerprint}.");
        }
    }
}
