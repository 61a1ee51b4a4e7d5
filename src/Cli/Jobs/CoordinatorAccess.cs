using VertFed.Protocol;

namespace VertFed.Cli.Jobs;

/// <summary>Where the coordinator is, whose key it must hold, and who asks.</summary>
/// <param name="Pins">Fingerprints of the coordinator's key; more than one while it changes keys.</param>
/// <param name="Credential">The caller's; disposed of with this.</param>
internal sealed record CoordinatorAccess(Uri Address, IReadOnlyList<string> Pins, Credential Credential) : IDisposable
{
    public Identity Identity => Credential.Identity;

    public void Dispose() => Credential.Dispose();
}
