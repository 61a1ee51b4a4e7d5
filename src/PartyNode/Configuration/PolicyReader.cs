using System.Globalization;
using VertFed.PartyNode.Policies;
using VertFed.Protocol;

namespace VertFed.PartyNode.Configuration;

/// <summary>The `policy` part of a configuration file, in the file itself or in one of its own that it names.</summary>
internal static class PolicyReader
{
    /// <summary>δ where a bound states none.</summary>
    public const double StandardDelta = 1e-5;

    private const int MostWords = 4096;
    private const int LongestWord = 1024;

    /// <param name="owner">The mapping that may have the key.</param>
    /// <param name="folder">What a policy file's path is relative to.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>, naming file, line and field.</exception>
    public static PartyPolicy Read(YamlMap owner, string key, string folder)
    {
        if (!owner.IsText(key))
        {
            return owner.OptionalMap(key) is { } map ? Read(map) : PartyPolicy.Default;
        }

        YamlMap file = YamlMap.Load(Path.GetFullPath(owner.Text(key), folder));

        // A file of its own lives on beside software that changes: it says which format it is in.
        _ = file.OptionalText("version") ?? throw file.Bad("version", "is missing; this software reads version 1");
        return Read(file);
    }

    private static PartyPolicy Read(YamlMap map)
    {
        RequireVersion(map);
        PartyPolicy standard = PartyPolicy.Default;

        // The guards per feature and per scalar are the project's; a policy can ask for more, and only a job that both policies allow to
        // accept the risk runs with less.
        PartyPolicy policy = new()
        {
            AllowDisclosureRisk = map.Flag("allow_disclosure_risk", standard.AllowDisclosureRisk),
            MaxIterations = (int)map.Integer("max_iterations", standard.MaxIterations, 1, JobSpecification.LargestMaxIterations),
            MinimumIntersection = map.Integer("minimum_intersection", standard.MinimumIntersection, 2, 100_000_000),
            MinimumRowsPerFeature = AtLeastStandard(map, "minimum_rows_per_feature", standard.MinimumRowsPerFeature),
            MinimumRowsPerScalar = AtLeastStandard(map, "minimum_rows_per_scalar", standard.MinimumRowsPerScalar),
            MinimumEventsPerFeature = AtLeastStandard(map, "minimum_events_per_feature", standard.MinimumEventsPerFeature),
            MinimumIntersectionDifference =
                map.Integer("minimum_intersection_difference", standard.MinimumIntersectionDifference, 0, 100_000_000),
            IntersectionHistoryDays = (int)map.Integer("intersection_history_days", standard.IntersectionHistoryDays, 1, 36_500),
            JobsPerDay = (int)map.Integer("jobs_per_day", standard.JobsPerDay, 0, 1_000_000),
            PartialScores = map.Flag("partial_scores", standard.PartialScores),
            Peers = Names(map, "peers"),
            Purposes = Names(map, "purposes"),
            Kinds = Choice(map, "kinds", "train", "score", "horizontal"),
            Families = Choice(map, "families", "logistic", "linear", "poisson", "softmax"),
            Features = Words(map, "features"),
            Datasets = Names(map, "datasets"),
            Rounds = Rounds(map),
            ManualApproval = map.Word("approval", "automatic", "automatic", "manual") == "manual",
            Automatic = Exceptions(map),
            ApprovalHours = (int)map.Integer("approval_hours", standard.ApprovalHours, 1, PartyPolicy.LongestApprovalHours),
            Warnings = Warnings(map.OptionalMap("rules")),
            ShareScoreQuantilesWithSubmitter =
                map.Flag("share_score_quantiles_with_submitter", standard.ShareScoreQuantilesWithSubmitter),
            ShareCoefficientsWithSubmitter =
                map.Flag("share_coefficients_with_submitter", standard.ShareCoefficientsWithSubmitter),
            ReportIntersectionSha256 = map.Flag("report_intersection_sha256", standard.ReportIntersectionSha256),
            CoSign = map.Flag("co_sign", standard.CoSign),
        };
        map.RefuseOthers();
        return policy.ManualApproval || policy.Automatic == ApprovalExceptions.None
            ? policy
            : throw map.Bad("automatic_for", "is of use with approval: manual alone");
    }

    private static RoundPolicy Rounds(YamlMap map)
    {
        RoundPolicy standard = RoundPolicy.Default;
        return new RoundPolicy
        {
            MaxRounds = (int)map.Integer("max_rounds", standard.MaxRounds, 1, 1000),
            MinimumParties = (int)map.Integer("minimum_parties", standard.MinimumParties, HorizontalSpecification.FewestParties, HorizontalSpecification.MostParties),
            MinimumRows = map.Integer("minimum_rows", standard.MinimumRows, 2, 100_000_000),
            RequireSecureAggregation = map.Flag("require_secure_aggregation", standard.RequireSecureAggregation),
            MaxEpsilon = Bound(map, "max_epsilon"),
            Budget = Bound(map, "privacy_budget"),
        };
    }

    private static PrivacyBound? Bound(YamlMap owner, string key)
    {
        if (owner.OptionalMap(key) is not { } map)
        {
            return null;
        }

        PrivacyBound bound = new(map.Number("epsilon"), map.Has("delta") ? map.Number("delta") : StandardDelta);
        map.RefuseOthers();
        return bound.Epsilon is not (> 0 and <= 1e3) ? throw map.Bad("epsilon", "a number above 0 and at most 1000 is expected")
            : bound.Delta is not (> 0 and <= 0.1) ? throw map.Bad("delta", "a number above 0 and at most 0.1 is expected")
            : bound;
    }

    private static void RequireVersion(YamlMap map)
    {
        string version = map.OptionalText("version") ?? "1";
        if (version != PartyPolicy.CurrentVersion.ToString(CultureInfo.InvariantCulture))
        {
            throw map.Bad("version", $"this software reads version {PartyPolicy.CurrentVersion}");
        }
    }

    private static int AtLeastStandard(YamlMap map, string key, int standard) => (int)map.Integer(key, standard, standard, 1_000_000);

    private static WordList? Names(YamlMap map, string key)
    {
        WordList? list = Words(map, key);
        return list?.Words.All(PartyReference.IsName) != false
            ? list
            : throw map.Bad(key, "names of 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter, are expected");
    }

    private static WordList? Choice(YamlMap map, string key, params string[] known)
    {
        WordList? list = Words(map, key);
        return list?.Words.All(word => known.Contains(word, StringComparer.Ordinal)) != false
            ? list
            : throw map.Bad(key, $"a list of {string.Join(" and ", known)} is expected");
    }

    private static WordList? Words(YamlMap map, string key)
    {
        IReadOnlyList<string>? words = map.OptionalTexts(key);
        return words is null ? null
            : words.Count > MostWords || words.Any(word => word.Length > LongestWord)
            ? throw map.Bad(key, string.Create(CultureInfo.InvariantCulture, $"at most {MostWords} texts of up to {LongestWord} characters are accepted"))
            : new WordList(words);
    }

    private static ApprovalExceptions Exceptions(YamlMap owner)
    {
        if (owner.OptionalMap("automatic_for") is not { } map)
        {
            return ApprovalExceptions.None;
        }

        ApprovalExceptions exceptions = new()
        {
            Purposes = Names(map, "purposes"),
            Peers = Names(map, "peers"),
            Submitters = Words(map, "submitters"),
            Kinds = Choice(map, "kinds", "train", "score", "horizontal"),
        };
        map.RefuseOthers();
        return exceptions.Submitters?.Words.All(PeerIdentity.IsFingerprint) == false
            ? throw map.Bad("submitters", "a fingerprint is 64 lower-case hexadecimal digits")
            : exceptions == ApprovalExceptions.None
            ? throw owner.Bad("automatic_for", "at least one of kinds, peers, purposes and submitters is expected")
            : exceptions;
    }

    private static WordList Warnings(YamlMap? map)
    {
        List<string> warnings = [];
        foreach (string name in map?.Keys() ?? [])
        {
            PolicyRule rule = PolicyRules.All.FirstOrDefault(known => known.Name == name)
                ?? throw map!.Bad(name, $"there is no rule of this name (rules: {string.Join(", ", PolicyRules.All.Select(known => known.Name))})");
            if (map!.Word(name, "refuse", "refuse", "warn") == "warn")
            {
                warnings.Add(rule.CanWarn ? name : throw map.Bad(name, "this rule always refuses"));
            }
        }

        return new WordList(warnings);
    }
}
