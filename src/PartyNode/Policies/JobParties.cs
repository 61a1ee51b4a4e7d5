using VertFed.PartyNode.Configuration;
using VertFed.Protocol;

namespace VertFed.PartyNode.Policies;

/// <summary>Who this party is in a job, and who the others are.</summary>
internal static class JobParties
{
    private static readonly PartyReference Nobody = new("", "");

    /// <summary>As the spec names this party: by its role, or by its name in a horizontal job; nobody where that does not name it.</summary>
    public static PartyReference Own(JobSpecification job, PartyConfig config) => job.Horizontal is null
        ? job.Party(config.Role)
        : job.Parties.FirstOrDefault(party => party.Name == config.Name) ?? Nobody;

    /// <summary>All others.</summary>
    public static IReadOnlyList<PartyReference> Peers(JobSpecification job, PartyConfig config) => job.Horizontal is null
        ? [job.Party(config.Role.Other())]
        : [.. job.Parties.Where(party => party.Name != config.Name)];

    /// <summary>The others' names for people. Of more than one it is the name of no peer, so an exception for a peer does not cover them.</summary>
    public static string PeerNames(JobSpecification job, PartyConfig config) => string.Join(", ", Peers(job, config).Select(party => party.Name));

    /// <summary>This party's place in a horizontal job, from 1; 0 where it has none.</summary>
    public static uint PlaceOf(JobSpecification job, PartyConfig config)
    {
        for (int i = 0; i < job.Parties.Count; i++)
        {
            if (job.Parties[i].Name == config.Name)
            {
                return (uint)i + 1;
            }
        }

        return 0;
    }
}
