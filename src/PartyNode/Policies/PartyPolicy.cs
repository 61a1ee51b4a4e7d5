using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace VertFed.PartyNode.Policies;

/// <summary>
/// What a party is willing to take part in. The defaults are the project's; a value that is looser than its default is printed
/// in the report as loosened.
/// </summary>
public sealed record PartyPolicy
{
    /// <summary>The defaults.</summary>
    public static PartyPolicy Default { get; } = new();

    /// <summary>Jobs whose spec accepts the risk that a 'refuse' guard names may run.</summary>
    public bool AllowDisclosureRisk { get; init; }

    /// <summary>Most iterations a job may ask for; each reveals a gradient.</summary>
    public int MaxIterations { get; init; } = 30;

    /// <summary>Fewest aligned rows with which to go on after alignment.</summary>
    public long MinimumIntersection { get; init; } = 100;

    /// <summary>Fewest training rows for each own feature.</summary>
    public int MinimumRowsPerFeature { get; init; } = 200;

    /// <summary>Fewest events, and fewest non-events, for each own feature.</summary>
    public int MinimumEventsPerFeature { get; init; } = 10;

    /// <summary>
    /// Fewest rows by which the intersection with a peer must differ from that of each earlier job with the same peer, unless it
    /// is the same: two models that differ in a few rows tell about those rows.
    /// </summary>
    public long MinimumIntersectionDifference { get; init; } = 10;

    /// <summary>The report that the submitter gets holds this party's coefficients.</summary>
    public bool ShareCoefficientsWithSubmitter { get; init; }

    /// <summary>The report holds a hash over the intersection's ids. For demonstrations: it lets anyone test a guessed list.</summary>
    public bool ReportIntersectionSha256 { get; init; }

    /// <summary>The node co-signs the coordinator's checkpoints that agree with its own record. Without it a job stays 'complete, not co-signed'.</summary>
    public bool CoSign { get; init; } = true;

    /// <summary>The policy as text with one value a line, in a fixed order: what <see cref="Hash"/> covers.</summary>
    public string CanonicalForm()
    {
        StringBuilder text = new("vertfed/v1/policy\n");
        foreach ((string name, long value) in Values())
        {
            text.Append(CultureInfo.InvariantCulture, $"{name}={value}\n");
        }

        return text.ToString();
    }

    /// <summary>SHA-256 of the canonical form; crosses to the peer in Hello, so that neither can deny its policy later.</summary>
    public byte[] Hash() => SHA256.HashData(Encoding.UTF8.GetBytes(CanonicalForm()));

    /// <summary>Names of the values that are looser than their defaults.</summary>
    public IReadOnlyList<string> Loosened()
    {
        List<string> names = [];
        foreach (((string name, long value), (_, long standard)) in Values().Zip(Default.Values()))
        {
            bool loose = name.StartsWith("minimum_", StringComparison.Ordinal) ? value < standard : value > standard;
            if (loose)
            {
                names.Add(name);
            }
        }

        return names;
    }

    private (string Name, long Value)[] Values() =>
    [
        ("allow_disclosure_risk", AllowDisclosureRisk ? 1 : 0),
        ("max_iterations", MaxIterations),
        ("minimum_intersection", MinimumIntersection),
        ("minimum_rows_per_feature", MinimumRowsPerFeature),
        ("minimum_events_per_feature", MinimumEventsPerFeature),
        ("minimum_intersection_difference", MinimumIntersectionDifference),
        ("share_coefficients_with_submitter", ShareCoefficientsWithSubmitter ? 1 : 0),
        ("report_intersection_sha256", ReportIntersectionSha256 ? 1 : 0),
        ("co_sign", CoSign ? 1 : 0),
    ];
}
