using Google.Protobuf;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Service;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Policies;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>A party's rules on horizontal jobs: each is content, warns and refuses where it should, and a policy that says nothing of such jobs takes none.</summary>
public sealed class RoundRuleTests
{
    private static readonly string Own = new('b', 64);
    private static readonly string Peer = PartyConfigTests.Digits;

    public static TheoryData<string, string, string> OfferRules => new()
    {
        { "max-rounds", "max_rounds: 4", "max_rounds: 5" },
        { "minimum-parties", "minimum_parties: 4", "minimum_parties: 3" },
        { "secure-aggregation", "require_secure_aggregation: true", "require_secure_aggregation: false" },
        { "exact-sums", "max_epsilon: {epsilon: 9}", "minimum_rows: 3" },
        { "family", "families: [linear]", "families: [logistic]" },
    };

    public static TheoryData<string, string, string> InputRules => new()
    {
        { "minimum-rows", "minimum_rows: 501", "minimum_rows: 500" },
        { "max-epsilon", "max_epsilon: {epsilon: 1}", "max_epsilon: {epsilon: 100}" },
        { "privacy-budget", "privacy_budget: {epsilon: 11.8}", "privacy_budget: {epsilon: 11.9}" },
    };

    [Theory]
    [MemberData(nameof(OfferRules))]
    public void A_rule_on_the_offer_refuses_or_warns(string rule, string policy, string otherwise)
    {
        Assert.Equal(GuardVerdicts.Pass, Find(rule, Offer(otherwise)).Verdict);
        Assert.Equal(GuardVerdicts.Refuse, Find(rule, Offer(policy)).Verdict);
        if (PolicyRules.All.Single(known => known.Name == rule).CanWarn)
        {
            Assert.Equal(GuardVerdicts.Warn, Find(rule, Offer($"{policy}\n  rules: {{{rule}: warn}}")).Verdict);
        }
    }

    [Theory]
    [MemberData(nameof(InputRules))]
    public void A_rule_on_the_input_refuses_or_warns(string rule, string policy, string otherwise)
    {
        Assert.Equal(GuardVerdicts.Pass, Find(rule, Input(otherwise)).Verdict);
        Assert.Equal(GuardVerdicts.Refuse, Find(rule, Input(policy)).Verdict);
        Assert.Equal(GuardVerdicts.Warn, Find(rule, Input($"{policy}\n  rules: {{{rule}: warn}}")).Verdict);
    }

    [Theory]
    [InlineData("max_iterations: 20", GuardVerdicts.Refuse)]
    [InlineData("kinds: [train, score]", GuardVerdicts.Refuse)]
    [InlineData("kinds: [train, horizontal]", GuardVerdicts.Pass)]
    public void A_horizontal_job_is_taken_where_the_policy_names_the_kind(string policy, string verdict) =>
        Assert.Equal(verdict, Find("job-kind", JoinRules.Evaluate(Proposal(Config(policy), Private()))).Verdict);

    [Fact]
    public void A_job_without_privacy_has_no_epsilon_that_a_bound_could_hold()
    {
        Action<HorizontalSpec> plain = spec => spec.Privacy = null;

        Assert.Contains("no epsilon bounds", Find("max-epsilon", Input("max_epsilon: {epsilon: 1000}", plain)).Reason, StringComparison.Ordinal);
        Assert.Contains("no epsilon bounds", Find("privacy-budget", Input("privacy_budget: {epsilon: 1000}", plain)).Reason, StringComparison.Ordinal);
        Assert.Equal(GuardVerdicts.Pass, Find("max-epsilon", Input("max_rounds: 5", plain)).Verdict);
    }

    [Fact]
    public void A_job_that_goes_over_its_own_budget_is_refused_whatever_the_policy_is() => Assert.Equal(
        "the job would come to epsilon 3.384 at delta 1e-05; its own budget is 3",
        Find("job-budget", Input("max_rounds: 5", spec => spec.Privacy.Budget = 3)).Reason);

    [Fact]
    public void Public_rows_that_are_not_the_jobs_refuse_it_without_saying_what_they_are()
    {
        using TemporaryPlace place = new();
        PublicRows held = Load("0.5,1\n-2,0\n");
        Action<HorizontalSpec> named = spec => (spec.Strategy, spec.Privacy, spec.PublicRows) = ("fedmd:5", null, new PublicRowsSpec { Name = "shared", Rows = 2, Sha256 = Google.Protobuf.ByteString.CopyFrom(held.Sha256) });

        Assert.Equal(GuardVerdicts.Pass, Find("public-rows", Input("max_rounds: 5")).Verdict);
        Assert.Equal(GuardVerdicts.Pass, Find("public-rows", Input("max_rounds: 5", named, Load("0.50,1\n-2,-0\n"))).Verdict);
        Refused("'shared' is not among this party's public_data", null);
        Refused("this party's public rows 'shared' are 3, the job's 2", Load("0.5,1\n-2,0\n0,0\n"));
        Refused("this party's public rows 'shared' have another sha256 than the job's: another content, order or columns", Load("-2,0\n0.5,1\n"));
        Assert.Contains("line 3, column 'a'", Assert.Throws<VertFedException>(() => Load("0.5,1\n1,\n")).Message, StringComparison.Ordinal);

        void Refused(string reason, PublicRows? other)
        {
            RuleFinding finding = Find("public-rows", Input("max_rounds: 5", named, other));
            Assert.Equal((GuardVerdicts.Refuse, reason), (finding.Verdict, finding.Reason));
        }

        PublicRows Load(string rows)
        {
            string path = place.At("public.csv");
            File.WriteAllText(path, "b,a\n" + rows);
            CsvSource source = new() { Path = path };
            DatasetOptions dataset = new() { Source = source, Columns = new Dictionary<string, ColumnDeclaration> { ["a"] = new() { Kind = ColumnKind.Numeric, Missing = MissingRule.Mean } } };
            return PublicRows.Load(source, dataset, ["b", "a"], CancellationToken.None);
        }
    }

    [Theory]
    [InlineData("privacy_budget: 8", "privacy_budget: keys and values are expected")]
    [InlineData("privacy_budget: {epsilon: 0}", "privacy_budget.epsilon: a number above 0 and at most 1000 is expected")]
    [InlineData("max_epsilon: {epsilon: 1, delta: 0.2}", "max_epsilon.delta: a number above 0 and at most 0.1 is expected")]
    [InlineData("max_epsilon: {delta: 0.1}", "key 'policy.max_epsilon.epsilon' is missing")]
    [InlineData("minimum_parties: 1", "minimum_parties: a whole number from 2 to 100 is expected")]
    public void A_mistaken_bound_is_refused_with_its_field(string policy, string message) =>
        Assert.Contains(message, Assert.Throws<VertFedException>(() => Config(policy)).Message, StringComparison.Ordinal);

    [Fact]
    public void The_estimate_grows_with_rounds_parties_and_secure_sums()
    {
        CostEstimate small = Estimate(_ => { });
        CostEstimate longer = Estimate(spec => spec.Rounds = 50);
        CostEstimate secure = Estimate(spec => spec.SecureAggregation = SumProtection.Bonawitz);

        Assert.Equal(small.Bytes * 10, longer.Bytes);
        Assert.True(longer.Seconds > small.Seconds && secure.Seconds > small.Seconds && secure.Bytes > small.Bytes);

        // Five rounds with three parties: the model of three numbers down, as much up.
        Assert.InRange(small.Bytes, 5 * 3 * 2 * 3 * 8, 5 * 3 * 2 * ((3 * 8) + 1000));

        static CostEstimate Estimate(Action<HorizontalSpec> change) => RoundCostModel.Estimate(Proposal(Config("max_rounds: 5"), Private(change)).Spec, 500, 2);
    }

    private static RuleFinding Find(string rule, IEnumerable<RuleFinding> findings) => findings.Single(finding => finding.Rule == rule);

    private static IReadOnlyList<RuleFinding> Offer(string policy) => JoinRules.Evaluate(
        Proposal(Config(policy + "\n  kinds: [horizontal]"), Private(spec => spec.Scaling = ScalingChoice.Federated)));

    // Five rounds of noise 3, after ten of noise 2.
    private static IReadOnlyList<RuleFinding> Input(string policy, Action<HorizontalSpec>? change = null, PublicRows? held = null)
    {
        JobProposal job = Proposal(Config(policy), Private(change));
        PrivacyAccountant spent = PrivacyAccountant.Fresh.AfterSampledGaussian(1, 2, 10);
        return RoundRules.Evaluate(job.Config.Policy, job.Spec, JobPlan.Of(job.Spec).Privacy, new InputShape("default", 500, ["x"]), 500, spent, held);
    }

    private static PartyConfig Config(string policy) =>
        PartyConfig.Parse(
            "party.yaml",
            PartyConfigTests.Text.Replace("max_iterations: 20", policy, StringComparison.Ordinal)
                .Replace("submitters:", $"  - {{name: telco, fingerprint: {new string('c', 64)}}}\nsubmitters:", StringComparison.Ordinal),
            "/etc/vertfed");

    private static HorizontalSpec Private(Action<HorizontalSpec>? change = null)
    {
        HorizontalSpec spec = new()
        {
            Model = "logistic",
            Strategy = "fedavg",
            Rounds = 5,
            Epochs = 1,
            Rate = 0.1,
            Optimiser = OptimiserChoice.Sgd,
            OverSelection = 1,
            RoundDeadlineSeconds = 20,
            SecureAggregation = SumProtection.None,
            Compression = "none",
            Scaling = ScalingChoice.None,
            Privacy = new PrivacySpec { Level = PrivacyLevel.Client, Clip = 1, Noise = 3, Delta = 1e-5, Budget = 100 },
        };
        change?.Invoke(spec);
        return spec;
    }

    private static JobProposal Proposal(PartyConfig config, HorizontalSpec horizontal)
    {
        JobSpec spec = new()
        {
            Version = 1,
            Job = new string('0', 32),
            Kind = JobKind.Horizontal,
            DeadlineSeconds = 60,
            Payloads = Payloads.Full,
            Horizontal = horizontal,
        };
        spec.Parties.AddRange(new[] { ("bank", Own), ("retailer", Peer), ("telco", new string('c', 64)) }
            .Select(party => new PartyRef { Name = party.Item1, Fingerprint = ByteString.CopyFrom(Convert.FromHexString(party.Item2)) }));
        return new JobProposal(JobSpecification.FromMessage(spec), Peer, Own, config);
    }
}
