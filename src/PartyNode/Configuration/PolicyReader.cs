using VertFed.PartyNode.Policies;

namespace VertFed.PartyNode.Configuration;

/// <summary>The `policy` part of a configuration file.</summary>
internal static class PolicyReader
{
    public static PartyPolicy Read(YamlMap? map)
    {
        PartyPolicy standard = PartyPolicy.Default;
        if (map is null)
        {
            return standard;
        }

        // The two guards per feature are the project's; a policy can ask for more, and only a job that both policies allow to accept
        // the risk runs with less.
        PartyPolicy policy = new()
        {
            AllowDisclosureRisk = map.Flag("allow_disclosure_risk", standard.AllowDisclosureRisk),
            MaxIterations = (int)map.Integer("max_iterations", standard.MaxIterations, 1, 200),
            MinimumIntersection = map.Integer("minimum_intersection", standard.MinimumIntersection, 2, 100_000_000),
            MinimumRowsPerFeature = (int)map.Integer("minimum_rows_per_feature", standard.MinimumRowsPerFeature, standard.MinimumRowsPerFeature, 1_000_000),
            MinimumEventsPerFeature =
                (int)map.Integer("minimum_events_per_feature", standard.MinimumEventsPerFeature, standard.MinimumEventsPerFeature, 1_000_000),
            MinimumIntersectionDifference =
                map.Integer("minimum_intersection_difference", standard.MinimumIntersectionDifference, 0, 100_000_000),
            ShareCoefficientsWithSubmitter =
                map.Flag("share_coefficients_with_submitter", standard.ShareCoefficientsWithSubmitter),
            ReportIntersectionSha256 = map.Flag("report_intersection_sha256", standard.ReportIntersectionSha256),
            CoSign = map.Flag("co_sign", standard.CoSign),
        };
        map.RefuseOthers();
        return policy;
    }
}
