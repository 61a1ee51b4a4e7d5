using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Policies;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

public sealed class PolicyTests
{
    private static readonly string Own = new('b', 64);
    private static readonly WordList Words = new(["a", "b"]);
    private static readonly string Peer = PartyConfigTests.Digits;

    [Fact]
    public void A_job_that_fits_is_joined() => JoinRules.Check(Proposal(_ => { }));

    public static TheoryData<string, Action<JobSpec>> Refusals() => new()
    {
        { "own-identity", spec => spec.LabelParty.Name = "other" },
        { "own-identity", spec => spec.LabelParty.Fingerprint = Bytes(new string('c', 64)) },
        { "own-identity", spec => (spec.LabelParty, spec.FeatureParty) = (spec.FeatureParty, spec.LabelParty) },
        { "peer-pinned", spec => spec.FeatureParty.Fingerprint = Bytes(new string('c', 64)) },
        { "peer-pinned", spec => spec.FeatureParty.Name = "someone" },
        { "family", spec => spec.Train.Family = Family.Poisson },
        { "max-iterations", spec => spec.Train.MaxIterations = 21 },
        { "disclosure-risk", spec => spec.AcceptDisclosureRisk = true },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void A_refusal_names_the_rule(string rule, Action<JobSpec> change)
    {
        VertFedException error = Assert.Throws<VertFedException>(() => JoinRules.Check(Proposal(change)));
        Assert.Equal(ErrorCode.Refused, error.Code);
        Assert.StartsWith($"policy rule '{rule}': ", error.Message, StringComparison.Ordinal);
        Assert.Equal("bank", error.Party);
    }

    [Fact]
    public void A_submitter_that_is_not_allowed_is_refused_first()
    {
        JobProposal proposal = Proposal(spec => spec.AcceptDisclosureRisk = true) with { SubmitterFingerprint = Own };
        Assert.StartsWith("policy rule 'submitter-allowed'", Assert.Throws<VertFedException>(() => JoinRules.Check(proposal)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Disclosure_risk_is_accepted_where_the_policy_allows_it()
    {
        string text = PartyConfigTests.Text.Replace("max_iterations: 20", "allow_disclosure_risk: true", StringComparison.Ordinal);
        JoinRules.Check(Proposal(spec => spec.AcceptDisclosureRisk = true, text));
    }

    [Fact]
    public void Each_value_changes_the_hash()
    {
        // Looser than the defaults.
        PartyPolicy[] looser =
        [
            PartyPolicy.Default with { AllowDisclosureRisk = true },
            PartyPolicy.Default with { MaxIterations = 31 },
            PartyPolicy.Default with { MinimumIntersection = 99 },
            PartyPolicy.Default with { MinimumRowsPerFeature = 199 },
            PartyPolicy.Default with { MinimumRowsPerScalar = 9 },
            PartyPolicy.Default with { MinimumEventsPerFeature = 9 },
            PartyPolicy.Default with { MinimumIntersectionDifference = 9 },
            PartyPolicy.Default with { IntersectionHistoryDays = 364 },
            PartyPolicy.Default with { JobsPerDay = 101 },
            PartyPolicy.Default with { Rounds = new RoundPolicy { MaxRounds = 101 } },
            PartyPolicy.Default with { Warnings = new WordList(["max-iterations"]) },
            PartyPolicy.Default with { ShareCoefficientsWithSubmitter = true },
            PartyPolicy.Default with { ShareScoreQuantilesWithSubmitter = true },
            PartyPolicy.Default with { ReportIntersectionSha256 = true },
        ];

        // Not looser: they restrict, or reveal nothing.
        PartyPolicy[] others =
        [
            PartyPolicy.Default with { PartialScores = false },
            PartyPolicy.Default with { Peers = Words },
            PartyPolicy.Default with { Purposes = Words },
            PartyPolicy.Default with { Kinds = Words },
            PartyPolicy.Default with { Families = Words },
            PartyPolicy.Default with { Features = Words },
            PartyPolicy.Default with { Datasets = Words },
            PartyPolicy.Default with { ManualApproval = true },
            PartyPolicy.Default with { Automatic = new ApprovalExceptions { Kinds = Words } },
            PartyPolicy.Default with { ApprovalHours = 25 },
            PartyPolicy.Default with { CoSign = false },
        ];
        PartyPolicy[] further =
        [
            PartyPolicy.Default with { Rounds = new RoundPolicy { MinimumRows = 99 } },
            PartyPolicy.Default with { Rounds = new RoundPolicy { MinimumParties = 3 } },
            PartyPolicy.Default with { Rounds = new RoundPolicy { RequireSecureAggregation = true } },
            PartyPolicy.Default with { Rounds = new RoundPolicy { MaxEpsilon = new PrivacyBound(8, 1e-5) } },
            PartyPolicy.Default with { Rounds = new RoundPolicy { Budget = new PrivacyBound(8, 1e-5) } },
            PartyPolicy.Default with { Rounds = new RoundPolicy { Budget = new PrivacyBound(8, 1e-6) } },
            PartyPolicy.Default,
            PartyPolicy.Default with { Automatic = new ApprovalExceptions { Purposes = Words } },
            PartyPolicy.Default with { Automatic = new ApprovalExceptions { Peers = Words } },
            PartyPolicy.Default with { Automatic = new ApprovalExceptions { Submitters = Words } },
            PartyPolicy.Default with { Features = new WordList(["a,1:b"]) },
            PartyPolicy.Default with { Features = new WordList([]) },
        ];
        PartyPolicy[] all = [.. looser, .. others, .. further];
        Assert.Equal(all.Length, all.Select(policy => Convert.ToHexString(policy.Hash())).Distinct(StringComparer.Ordinal).Count());
        Assert.All(looser, policy => Assert.Single(policy.Loosened()));
        Assert.All(others, policy => Assert.Empty(policy.Loosened()));
        Assert.Equal(typeof(PartyPolicy).GetProperties().Count(property => property.GetMethod is { IsStatic: false }), looser.Length + others.Length);
    }

    [Fact]
    public void The_hash_is_that_of_the_form_which_the_documentation_gives() =>
        Assert.Equal("942afaad248e7e0628fccb76654b578c4e45f71b45a0b68a1ed474d5276ef854", Convert.ToHexStringLower(PartyPolicy.Default.Hash()));

    [Fact]
    public void A_tighter_policy_is_not_called_loosened() =>
        Assert.Empty((PartyPolicy.Default with { MaxIterations = 5, MinimumIntersection = 5000 }).Loosened());

    private static JobProposal Proposal(Action<JobSpec> change, string? config = null)
    {
        JobSpec spec = new()
        {
            Version = 1,
            Job = new string('0', 32),
            Kind = JobKind.Train,
            LabelParty = new PartyRef { Name = "bank", Fingerprint = Bytes(Own) },
            FeatureParty = new PartyRef { Name = "retailer", Fingerprint = Bytes(Peer) },
            Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
            DeadlineSeconds = 60,
            Payloads = Payloads.Full,
            Train = new TrainSpec { Family = Family.Logistic, L2 = 1e-3, MaxIterations = 20 },
        };
        change(spec);
        return new JobProposal(JobSpecification.FromMessage(spec), Peer, Own, PartyConfig.Parse("party.yaml", config ?? PartyConfigTests.Text, "/etc/vertfed"));
    }

    private static ByteString Bytes(string hex) => ByteString.CopyFrom(Convert.FromHexString(hex));
}
