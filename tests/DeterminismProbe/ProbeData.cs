using System.Globalization;
using System.Text;
using VertFed.Models;
using VertFed.PartyNode.Configuration;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.DeterminismProbe;

/// <summary>Both parties' files, the same on every machine, and the configuration that reads them.</summary>
internal static class ProbeData
{
    private const int Columns = 3;

    /// <summary>Writes a party's file: most ids are in both, and the label needs both sides' columns.</summary>
    public static void Write(string folder, Family family, int rows)
    {
        using RandomStream random = new(new byte[RandomStream.KeyBytes]);
        StringBuilder bank = new("id,y,b0,b1,b2\n");
        StringBuilder retailer = new("id,r0,r1,r2\n");
        int apart = rows / 10;
        for (int i = 0; i < rows + apart; i++)
        {
            double[] x = new double[2 * Columns];
            double eta = -0.3;
            for (int j = 0; j < x.Length; j++)
            {
                x[j] = Uniform(random) + Uniform(random) + Uniform(random) - 1.5;
                eta += x[j] * (j % 2 == 0 ? 0.9 : -0.7);
            }

            double y = family == Family.Linear ? eta + Uniform(random) : Uniform(random) < DeterministicMath.Sigmoid(eta) ? 1 : 0;
            if (i < rows)
            {
                bank.Append(CultureInfo.InvariantCulture, $"row{i},{y:0.####},{x[0]:F5},{x[1]:F5},{x[2]:F5}\n");
            }

            if (i >= apart)
            {
                retailer.Append(CultureInfo.InvariantCulture, $"row{i},{x[3]:F5},{x[4]:F5},{x[5]:F5}\n");
            }
        }

        File.WriteAllText(Path.Combine(folder, "bank.csv"), bank.ToString());
        File.WriteAllText(Path.Combine(folder, "retailer.csv"), retailer.ToString());
    }

    /// <summary>A party's configuration over its file; the coordinator is never called.</summary>
    public static PartyConfig Configuration(string folder, InMemoryParties parties, Role role)
    {
        bool isLabel = role == Role.LabelParty;
        JobSpecification specification = parties.Job.Specification;
        string name = specification.Party(role).Name;
        PartyReference peer = specification.Party(isLabel ? Role.FeatureParty : Role.LabelParty);
        return PartyConfig.Parse(name + ".yaml", $$"""
            name: {{name}}
            role: {{(isLabel ? "label" : "feature")}}
            coordinator: https://127.0.0.1:1
            coordinator_fingerprint: {{new string('c', 64)}}
            identity: {{name}}.pem
            data_dir: {{name}}
            peers: [{name: {{peer.Name}}, fingerprint: {{peer.Fingerprint}}}]
            submitters: [{{parties.Job.Submitter.Fingerprint}}]
            data: {csv: {{name}}.csv}
            policy:
              allow_disclosure_risk: true
            """, folder);
    }

    private static double Uniform(RandomStream random) => (random.NextUInt64() >> 11) * DeterministicMath.PowerOfTwo(-53);
}
