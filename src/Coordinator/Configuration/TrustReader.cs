using VertFed.Protocol;

namespace VertFed.Coordinator.Configuration;

/// <summary>Takes the parties and the people of a trust file, beside those of the configuration. Nobody may stand in both.</summary>
internal static class TrustReader
{
    public static void Add(YamlFields root, TrustFile trust, Dictionary<string, AdmittedParty> parties, List<Principal> principals)
    {
        foreach (TrustEntry entry in trust.Entries.Where(entry => !entry.Is("coordinator")))
        {
            if (entry.Name == "coordinator" || parties.ContainsKey(entry.Name) || principals.Exists(other => other.Name == entry.Name))
                throw root.Wrong("trust", $"names '{entry.Name}', who stands in this file as well, or whose name is not to be had");
            if (parties.Values.Any(party => entry.Fingerprints.Any(party.Holds)) || principals.Exists(other => entry.Fingerprints.Any(other.Holds)))
                throw root.Wrong("trust", $"pins a key of '{entry.Name}' that is another's in this file");
            if (entry.Is("party"))
                parties.Add(entry.Name, new AdmittedParty(entry.Name, entry.Fingerprints));
            else
                principals.Add(new Principal(entry.Name, entry.Fingerprints, entry.As.Aggregate(CallerRoles.None, (roles, word) => roles | Principal.Words[word])));
        }
    }
}
