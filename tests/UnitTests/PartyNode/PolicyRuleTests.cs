using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Policies;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;
using Xunit;
using Guard = global::VertFed.Protocol.Guard;

namespace VertFed.UnitTests.PartyNode;

/// <summary>Each rule is content, warns and refuses where it should; policy files are read strictly.</summary>
public sealed class PolicyRuleTests
{
    private static readonly string Own = new('b', 64);
    private static readonly string Peer = PartyConfigTests.Digits;

    public static TheoryData<string, string, Action<JobSpec>, Action<JobSpec>> OfferRules => new()
    {
        { "peer-allowed", "peers: [other]", _ => { }, _ => { } },
        { "purpose", "purposes: [fraud, credit-risk]", spec => spec.Purpose = "credit-risk", spec => spec.Purpose = "marketing" },
        { "purpose", "purposes: [fraud]", spec => spec.Purpose = "fraud", _ => { } },
        { "job-kind", "kinds: [train]", _ => { }, ToScore },
        { "job-kind", "kinds: [score]", ToScore, _ => { } },
        { "family", "families: [logistic]", _ => { }, spec => spec.Train.Family = Family.Linear },
        { "dataset", "datasets: [default]", _ => { }, spec => spec.Dataset = "loans" },
        { "max-iterations", "max_iterations: 5", spec => spec.Train.MaxIterations = 5, spec => spec.Train.MaxIterations = 6 },
        { "disclosure-risk", "allow_disclosure_risk: false", _ => { }, spec => spec.AcceptDisclosureRisk = true },
        { "jobs-per-day", "jobs_per_day: 0", _ => { }, _ => { } },
    };

    [Theory]
    [MemberData(nameof(OfferRules))]
    public void A_rule_on_the_offer_refuses_what_the_policy_leaves_out(string rule, string policy, Action<JobSpec> content, Action<JobSpec> objection)
    {
        RuleFinding refused = Find(rule, Evaluate(policy, objection));
        Assert.Equal(GuardVerdicts.Refuse, refused.Verdict);
        Assert.NotEmpty(refused.Reason);
        Assert.Equal(GuardVerdicts.Pass, Find(rule, Evaluate(policy, content, rule is "peer-allowed" ? "peers: [retailer]" : rule is "jobs-per-day" ? "jobs_per_day: 1" : null)).Verdict);

        bool canWarn = PolicyRules.All.Single(known => known.Name == rule).CanWarn;
        string warning = $"{policy}\n  rules:\n    {rule}: warn";
        if (canWarn)
        {
            Assert.Equal(GuardVerdicts.Warn, Find(rule, Evaluate(warning, objection)).Verdict);
        }
        else
        {
            Assert.Contains($"policy.rules.{rule}: this rule always refuses", Assert.Throws<VertFedException>(() => Config(warning)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_feature_party_alone_reveals_partial_scores()
    {
        Action<JobSpec> holdout = spec => spec.Holdout = 0.1;
        Assert.Equal(GuardVerdicts.Pass, Find("partial-scores", Evaluate("partial_scores: false", holdout)).Verdict);
        Assert.Equal(GuardVerdicts.Refuse, Find("partial-scores", EvaluateAsFeatureParty("partial_scores: false", holdout)).Verdict);
        Assert.Equal(GuardVerdicts.Refuse, Find("partial-scores", EvaluateAsFeatureParty("partial_scores: false", ToScore)).Verdict);
        Assert.Equal(GuardVerdicts.Warn, Find("partial-scores", EvaluateAsFeatureParty("partial_scores: false\n  rules: {partial-scores: warn}", holdout)).Verdict);
        Assert.Equal(GuardVerdicts.Pass, Find("partial-scores", EvaluateAsFeatureParty("partial_scores: false", spec => spec.Holdout = 0)).Verdict);
        Assert.Equal(GuardVerdicts.Pass, Find("partial-scores", EvaluateAsFeatureParty("partial_scores: true", holdout)).Verdict);
    }

    [Fact]
    public void Every_rule_of_an_offer_is_stated_but_a_stranger_hears_one_alone()
    {
        Assert.Equal(JoinRules.All.Select(rule => rule.Name), Evaluate("max_iterations: 20", _ => { }).Select(finding => finding.Rule));
        JobProposal stranger = Proposal(Config("max_iterations: 20"), _ => { }) with { SubmitterFingerprint = Own };
        Assert.Equal(["one-spec-per-job", "submitter-allowed"], JoinRules.Evaluate(stranger).Select(finding => finding.Rule));
    }

    [Fact]
    public void A_conflict_with_the_record_is_refused_by_its_rule()
    {
        JobProposal again = Proposal(Config("max_iterations: 20"), _ => { }) with { Facts = new PartyFacts(0, "this job has ended here before") };
        VertFedException error = Assert.Throws<VertFedException>(() => JoinRules.Check(again));
        Assert.Equal("policy rule 'one-spec-per-job': this job has ended here before", error.Message);
    }

    [Theory]
    [InlineData(Family.Logistic, GuardVerdicts.Pass)]
    [InlineData(Family.Linear, GuardVerdicts.Refuse)]
    [InlineData(null, GuardVerdicts.Pass)]
    public void A_score_job_is_held_to_the_family_of_its_model(Family? family, string verdict)
    {
        JobProposal job = Proposal(Config("families: [logistic]"), ToScore) with { Facts = PartyFacts.None with { ModelFamily = family } };
        RuleFinding finding = Find("family", JoinRules.Evaluate(job));
        Assert.Equal(verdict, finding.Verdict);
        if (verdict == GuardVerdicts.Refuse)
        {
            Assert.Equal("the model's family 'linear' is not among those that the policy allows: logistic", finding.Reason);
        }
    }

    [Fact]
    public void The_input_is_held_to_the_allowed_features_and_its_columns_are_not_named()
    {
        InputShape shape = new("default", 500, ["income", "salary_secret"]);
        RuleFinding refused = Find("features", Inputs("features: [income, age]", shape));
        Assert.Equal(GuardVerdicts.Refuse, refused.Verdict);
        Assert.Contains("1 of 2 columns", refused.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain("salary", refused.Reason, StringComparison.Ordinal);
        Assert.Equal(["salary_secret"], InputRules.NotAllowed(Config("features: [income, age]").Policy, shape));
        Assert.Equal(GuardVerdicts.Warn, Find("features", Inputs("features: [income]\n  rules: {features: warn}", shape)).Verdict);
        Assert.Equal(GuardVerdicts.Pass, Find("features", Inputs("features: [income, salary_secret]", shape)).Verdict);
        Assert.Equal(GuardVerdicts.Pass, Find("features", Inputs("max_iterations: 20", shape)).Verdict);
    }

    [Fact]
    public void An_input_that_no_alignment_could_content_is_refused_before_it()
    {
        InputShape shape = new("default", 99, ["x"]);
        Assert.Equal(GuardVerdicts.Refuse, Find("minimum-intersection", Inputs("minimum_intersection: 100", shape)).Verdict);
        Assert.Equal(RuleFinding.Later, Find("minimum-intersection", Inputs("minimum_intersection: 99", shape)).Verdict);
        Assert.Equal(GuardVerdicts.Warn, Find("minimum-intersection", Inputs("minimum_intersection: 100\n  rules: {minimum-intersection: warn}", shape)).Verdict);
    }

    [Theory]
    [InlineData("approval: automatic", false)]
    [InlineData("approval: manual", true)]
    [InlineData("approval: manual\n  automatic_for: {purposes: [fraud]}", true)]
    [InlineData("approval: manual\n  automatic_for: {purposes: [credit-risk], kinds: [train]}", false)]
    [InlineData("approval: manual\n  automatic_for: {purposes: [credit-risk], kinds: [score]}", true)]
    [InlineData("approval: manual\n  automatic_for: {peers: [retailer]}", false)]
    [InlineData("approval: manual\n  automatic_for: {submitters: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]}", false)]
    public void The_operator_is_asked_unless_every_list_has_the_job(string policy, bool asks)
    {
        JobProposal job = Proposal(Config(policy), spec => spec.Purpose = "credit-risk");
        Assert.Equal(asks, job.Config.Policy.AsksOperator(job.Spec, Peer, "retailer"));
    }

    [Fact]
    public void After_the_alignment_rules_refuse_warn_or_are_accepted()
    {
        VerticalInput input = new(["x", "z"], [[1, 2, 3, 4], [4, 3, 2, 1]], [0, 1, 0, 1], [false, false, false, true]);
        const string Policy = "minimum_intersection: 5\n  minimum_rows_per_scalar: 11\n  minimum_rows_per_feature: 201\n  minimum_events_per_feature: 11";
        string[] names = ["minimum-intersection", "intersection-difference", "policy-rows-per-feature", "policy-rows-per-scalar", "policy-events-per-feature"];

        IReadOnlyList<Guard> refused = Guards(Policy, input, _ => { });
        Assert.Equal(names.Select(name => "bank: " + name), refused.Select(guard => guard.Name));
        Assert.All(refused, guard => Assert.Equal(GuardVerdicts.Refuse, guard.Verdict));
        Assert.Equal([4, 3, 1.5, 3 / 40.0, 0.5], refused.Select(guard => guard.Value));

        IReadOnlyList<Guard> warned = Guards(Policy + "\n  rules: {" + string.Join(", ", names.Select(name => name + ": warn")) + "}", input, _ => { });
        Assert.All(warned, guard => Assert.Equal(GuardVerdicts.Warn, guard.Verdict));
        PolicyGuards.Require(warned, "bank");

        // What a spec accepts, a policy that allows it accepts, but for the number of shared customers.
        IReadOnlyList<Guard> accepted = Guards(Policy, input, spec => spec.AcceptDisclosureRisk = true);
        Assert.Equal([GuardVerdicts.Refuse, .. Enumerable.Repeat(GuardVerdicts.Accepted, 4)], accepted.Select(guard => guard.Verdict));

        // A score job fits nothing.
        Assert.Equal("bank: minimum-intersection", Assert.Single(Guards(Policy, input, ToScore)).Name);
    }

    [Fact]
    public void A_report_shows_what_warns_and_what_is_looser()
    {
        PartyConfig config = Config("max_iterations: 40\n  purposes: [fraud]\n  rules: {purpose: warn}");
        IReadOnlyList<RuleFinding> findings = JoinRules.Evaluate(Proposal(config, _ => { }));
        Assert.Equal(
            [
                "bank: purpose (purpose is not stated; it is not among those that the policy allows: fraud)",
                "bank: own policy sets max_iterations looser than its default",
                "bank: own policy sets warnings looser than its default",
            ],
            PolicyGuards.Noted(config, findings).Select(guard => guard.Name));
        Assert.Contains(new Guard("bank: own policy sets max_iterations looser than its default", 30, 40, GuardVerdicts.Warn), PolicyGuards.Noted(config, findings));
    }

    [Theory]
    [InlineData("version: 2", "party.yaml:13: policy.version: this software reads version 1")]
    [InlineData("colour: red", "party.yaml:13: unknown key 'policy.colour'")]
    [InlineData("rules: {no-such-rule: warn}", "party.yaml:13: policy.rules.no-such-rule: there is no rule of this name")]
    [InlineData("rules: {submitter-allowed: warn}", "party.yaml:13: policy.rules.submitter-allowed: this rule always refuses")]
    [InlineData("rules: {purpose: ignore}", "party.yaml:13: policy.rules.purpose: refuse or warn is expected")]
    [InlineData("kinds: [train, evaluate]", "party.yaml:13: policy.kinds: a list of train and score and horizontal is expected")]
    [InlineData("kinds: []", "party.yaml:13: policy.kinds: the list is empty")]
    [InlineData("purposes: [Credit Risk]", "party.yaml:13: policy.purposes: names of 1 to 64")]
    [InlineData("approval: perhaps", "party.yaml:13: policy.approval: automatic or manual is expected")]
    [InlineData("approval_hours: 169", "party.yaml:13: policy.approval_hours: a whole number from 1 to 168 is expected")]
    [InlineData("automatic_for: {kinds: [train]}", "party.yaml:13: policy.automatic_for: is of use with approval: manual alone")]
    [InlineData("approval: manual\n  automatic_for: {}", "party.yaml:14: policy.automatic_for: at least one of kinds, peers, purposes and submitters is expected")]
    [InlineData("approval: manual\n  automatic_for: {submitters: [abc]}", "party.yaml:14: policy.automatic_for.submitters: a fingerprint is 64 lower-case hexadecimal digits")]
    [InlineData("minimum_rows_per_scalar: 9", "party.yaml:13: policy.minimum_rows_per_scalar: a whole number from 10 to 1000000 is expected")]
    [InlineData("jobs_per_day: -1", "party.yaml:13: policy.jobs_per_day: a whole number from 0 to 1000000 is expected")]
    [InlineData("peers: {retailer: yes}", "party.yaml:13: policy.peers: a list is expected")]
    [InlineData("max_iterations: 1e2", "party.yaml:13: policy.max_iterations: a whole number from 1 to 200 is expected")]
    [InlineData("max_iterations: 5\n  max_iterations: 200", "party.yaml:14")]
    [InlineData("rules: &a {purpose: warn}\n  kinds: *a", "party.yaml:13: anchors and tags are not accepted")]
    public void A_hostile_or_mistaken_policy_is_refused_with_its_line(string policy, string message)
    {
        VertFedException error = Assert.Throws<VertFedException>(() => Config(policy));
        Assert.Equal(ErrorCode.Usage, error.Code);
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_policy_in_a_file_of_its_own_states_its_version_and_errors_name_that_file()
    {
        using TemporaryPlace place = new();
        string text = PartyConfigTests.Text.Replace("policy:\n  max_iterations: 20", "policy: own.yaml", StringComparison.Ordinal);
        File.WriteAllText(place.At("own.yaml"), "version: 1\nmax_iterations: 7\n");
        Assert.Equal(7, PartyConfig.Parse("party.yaml", text, place.Folder).Policy.MaxIterations);

        foreach ((string content, string message) in new[]
        {
            ("max_iterations: 7\n", "own.yaml:1: version: is missing; this software reads version 1"),
            ("version: 2\n", "own.yaml:1: version: this software reads version 1"),
            ("version: 1\n\nmax_iteration: 7\n", "own.yaml:3: unknown key 'max_iteration'"),
            (new string('#', 2_000_000), "own.yaml: longer than 1048576 bytes"),
        })
        {
            File.WriteAllText(place.At("own.yaml"), content);
            VertFedException error = Assert.Throws<VertFedException>(() => PartyConfig.Parse("party.yaml", text, place.Folder));
            Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
        }

        File.Delete(place.At("own.yaml"));
        Assert.EndsWith("own.yaml: no such file", Assert.Throws<VertFedException>(() => PartyConfig.Parse("party.yaml", text, place.Folder)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bank.yaml", "role: label")]
    [InlineData("retailer.yaml", "role: feature")]
    [InlineData("branch.yaml", "role: label")]
    public void The_sample_policies_are_read_and_are_looser_in_nothing(string sample, string role)
    {
        string text = PartyConfigTests.Text.Replace("role: label", role, StringComparison.Ordinal)
            .Replace("policy:\n  max_iterations: 20", $"policy: {sample}", StringComparison.Ordinal);
        PartyPolicy policy = PartyConfig.Parse("party.yaml", text, UnitTests.Cli.Checkout.PathOf("samples/policies")).Policy;
        Assert.True(policy.ManualApproval);
        Assert.Empty(policy.Loosened().Select(value => value.Name));
    }

    [Fact]
    public void The_documentation_names_every_rule_and_every_value()
    {
        string document = UnitTests.Cli.Checkout.Read("docs/party.md");
        Assert.All(PolicyRules.All, rule => Assert.Contains($"| `{rule.Name}` |", document, StringComparison.Ordinal));
        Assert.All(
            (PartyPolicy.Default with { Rounds = new RoundPolicy { MaxRounds = 1 } }).CanonicalForm().Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(line => line.Split('=')[0])
                .Where(name => name is not ("manual_approval" or "warnings") && !name.StartsWith("automatic_", StringComparison.Ordinal)),
            name => Assert.Contains(name, document, StringComparison.Ordinal));
    }

    private static void ToScore(JobSpec spec)
    {
        spec.Kind = JobKind.Score;
        spec.Train = null;
        spec.Score = new ScoreSpec { Model = new string('1', 32) };
        spec.Holdout = 0;
    }

    private static RuleFinding Find(string rule, IEnumerable<RuleFinding> findings) => findings.Single(finding => finding.Rule == rule);

    private static IReadOnlyList<RuleFinding> Evaluate(string policy, Action<JobSpec> change, string? otherwise = null) =>
        JoinRules.Evaluate(Proposal(Config(otherwise ?? policy), change));

    private static IReadOnlyList<RuleFinding> EvaluateAsFeatureParty(string policy, Action<JobSpec> change)
    {
        string text = PartyConfigTests.Text.Replace("max_iterations: 20", policy, StringComparison.Ordinal)
            .Replace("role: label", "role: feature", StringComparison.Ordinal)
            .Replace("name: bank", "name: shop", StringComparison.Ordinal).Replace("name: retailer", "name: bank", StringComparison.Ordinal)
            .Replace($"fingerprint: {Peer}}}", $"fingerprint: {Own}}}", StringComparison.Ordinal).Replace("name: shop", "name: retailer", StringComparison.Ordinal);
        JobProposal job = Proposal(PartyConfig.Parse("party.yaml", text, "/etc/vertfed"), change);
        return JoinRules.Evaluate(job with { OwnFingerprint = Peer });
    }

    private static IReadOnlyList<RuleFinding> Inputs(string policy, InputShape shape)
    {
        JobProposal job = Proposal(Config(policy), _ => { });
        return InputRules.Evaluate(job.Config, job.Spec, job.SubmitterFingerprint, "retailer", shape);
    }

    private static IReadOnlyList<Guard> Guards(string policy, VerticalInput input, Action<JobSpec> change)
    {
        JobProposal job = Proposal(Config(policy), change);
        return PolicyGuards.Evaluate(job.Config, job.Spec, input, smallestDifference: 3);
    }

    private static PartyConfig Config(string policy) =>
        PartyConfig.Parse("party.yaml", PartyConfigTests.Text.Replace("max_iterations: 20", policy, StringComparison.Ordinal), "/etc/vertfed");

    private static JobProposal Proposal(PartyConfig config, Action<JobSpec> change)
    {
        JobSpec spec = new()
        {
            Version = 1,
            Job = new string('0', 32),
            Kind = JobKind.Train,
            LabelParty = new PartyRef { Name = "bank", Fingerprint = ByteString.CopyFrom(Convert.FromHexString(Own)) },
            FeatureParty = new PartyRef { Name = "retailer", Fingerprint = ByteString.CopyFrom(Convert.FromHexString(Peer)) },
            Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
            DeadlineSeconds = 60,
            Payloads = Payloads.Full,
            Train = new TrainSpec { Family = Family.Logistic, L2 = 1e-3, MaxIterations = 20 },
        };
        change(spec);
        return new JobProposal(JobSpecification.FromMessage(spec), Peer, Own, config);
    }
}
