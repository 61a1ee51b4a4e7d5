using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.UnitTests.Transcript;

/// <summary>Every key of a job's participants.</summary>
internal sealed class TranscriptKeys(InMemoryParties parties, byte fill) : IDisposable
{
    public static readonly DateTimeOffset Time = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);

    private readonly CheckpointSigner _label = CheckpointSigner.FromSeed(Seed(fill, 2), parties.Identity(Role.LabelParty));
    private readonly CheckpointSigner _feature = CheckpointSigner.FromSeed(Seed(fill, 3), parties.Identity(Role.FeatureParty));
    private CheckpointSigner? _coordinator;

    public InMemoryParties Parties { get; } = parties;

    public Identity Coordinator { get; } = VertFed.Protocol.Identity.FromScalar(Seed(fill, 9));

    public CheckpointSigner CoordinatorSigner => _coordinator ??= CheckpointSigner.FromSeed(Seed(fill, 1), Coordinator);

    public Identity Identity(Role role) => Parties.Identity(role);

    public CheckpointSigner Signer(Role role) => role == Role.LabelParty ? _label : _feature;

    public string Name(Role role) => Parties.Job.Specification.Party(role).Name;

    public void Dispose()
    {
        _label.Dispose();
        _feature.Dispose();
        _coordinator?.Dispose();
        Coordinator.Dispose();
        Parties.Dispose();
    }

    private static byte[] Seed(byte fill, byte who) => [.. Enumerable.Repeat(fill, 31), who];
}
