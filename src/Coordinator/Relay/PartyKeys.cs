using VertFed.Coordinator.Security;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Relay;

/// <summary>A key that a party has proved to hold on its connection, with the checkpoint key that it vouches for.</summary>
/// <param name="CheckpointKey">Serialised.</param>
internal sealed record PartyKey(CheckpointVerifier Checkpoints, byte[] CheckpointKey)
{
    public PeerIdentity Identity => Checkpoints.Identity;
}

/// <summary>
/// The keys of one connection: the one that it registered with, and those before it. A job goes on under the key that its spec names, for
/// as long as that key is trusted.
/// </summary>
internal sealed class PartyKeys(string party, PartyKey current, IReadOnlyList<PartyKey> previous, TrustBook trust)
{
    // A connection says many envelopes of one job after another, and a spec is read once for all of them. Replaced as a whole: readers and
    // the sender of the connection are two threads.
    private volatile Named? _last;

    public PartyKey Current => current;

    /// <summary>The key under which the party takes part in a job; the current one where the job names none that counts.</summary>
    public PartyKey For(JobRecord job)
    {
        if (previous.Count == 0)
            return current;
        Named named = _last is { } last && last.Job == job.Job ? last : _last = NamedBy(job);
        return previous.FirstOrDefault(key => key.Identity.Fingerprint == named.Fingerprint && IsTrusted(key)) ?? current;
    }

    /// <summary>The key of this fingerprint, if the party has proved it and it is trusted; else null.</summary>
    public PartyKey? Find(string fingerprint) => previous.Prepend(current).FirstOrDefault(key => key.Identity.Fingerprint == fingerprint && IsTrusted(key));

    /// <summary>Whether a message names one of the keys as its author's.</summary>
    /// <param name="subjectPublicKeyInfo">DER.</param>
    public bool Hold(ReadOnlySpan<byte> subjectPublicKeyInfo)
    {
        foreach (PartyKey key in previous.Where(IsTrusted).Prepend(current))
        {
            if (subjectPublicKeyInfo.SequenceEqual(key.Identity.SubjectPublicKeyInfo))
                return true;
        }

        return false;
    }

    private Named NamedBy(JobRecord job)
    {
        JobSpec spec = JobSpec.Parser.ParseFrom(SignedJobSpec.Parser.ParseFrom(job.SignedSpec).Spec);
        PartyRef named = job.RoleOf(party) == Role.LabelParty ? spec.LabelParty : spec.FeatureParty;
        return new Named(job.Job, Convert.ToHexStringLower(named.Fingerprint.Span));
    }

    // Asked each time: trust may be withdrawn while the connection is open.
    private bool IsTrusted(PartyKey key) =>
        trust.Current.Parties.TryGetValue(party, out Configuration.AdmittedParty? admitted) && admitted.Holds(key.Identity.Fingerprint);

    /// <summary>The fingerprint under which a job's spec names the party.</summary>
    private sealed record Named(string Job, string Fingerprint);
}
