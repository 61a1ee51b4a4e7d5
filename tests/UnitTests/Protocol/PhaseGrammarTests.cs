using FsCheck;
using FsCheck.Fluent;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>The table of steps: complete, and no wider than the protocol.</summary>
public sealed class PhaseGrammarTests
{
    private static readonly Step[] Session = [Step.KeyExchange, Step.Commitment, Step.Hello, Step.BlindedIds, Step.EvaluatedIds, Step.AlignmentDigest, Step.TrainSetup];

    private static readonly Step[] Exchange = [Step.ResidualShare, Step.GradientResponse, Step.MaskedScalars, Step.OptimiserScalars];

    [Fact]
    public void Every_step_of_the_wire_has_one_rule_and_every_rule_a_message_of_its_name()
    {
        Step[] steps = [.. Enum.GetValues<Step>().Where(step => step != Step.Unspecified)];

        Assert.Equal(steps, PhaseGrammar.Rules.Select(rule => rule.Step));
        Assert.All(steps, step => Assert.Contains(StepsReflection.Descriptor.MessageTypes, message => message.Name == step.ToString()));
    }

    [Fact]
    public void Every_step_is_reached_by_just_the_roles_that_may_send_it()
    {
        foreach (StepRule rule in PhaseGrammar.Rules)
        {
            Role[] senders = [.. PhaseGrammar.Table.Where(arrow => arrow.To == rule.Step).Select(arrow => arrow.Sender).Distinct().Order()];
            Role[] may = rule.OnlySender == Role.Unspecified ? [Role.LabelParty, Role.FeatureParty] : [rule.OnlySender];
            Assert.Equal(may, senders);
        }
    }

    [Fact]
    public void A_step_repeats_if_and_only_if_its_rule_says_so()
    {
        foreach (StepRule rule in PhaseGrammar.Rules)
        {
            Assert.Equal(rule.Repeats, PhaseGrammar.Table.Any(arrow => arrow.From == rule.Step && arrow.To == rule.Step));
        }
    }

    [Fact]
    public void Only_the_key_exchange_and_the_commitments_travel_in_the_clear() =>
        Assert.Equal([Step.KeyExchange, Step.Commitment, Step.ResultCommitment], PhaseGrammar.Rules.Where(rule => !rule.Sealed).Select(rule => rule.Step));

    [Fact]
    public void Arrows_into_iteration_steps_carry_a_round_and_no_others_do()
    {
        foreach (Transition arrow in PhaseGrammar.Table.Where(arrow => arrow.To != Step.LinkTables))
        {
            bool carries = arrow.Round is RoundRule.First or RoundRule.Same or RoundRule.Next;
            Assert.Equal(PhaseGrammar.Rule(arrow.To).InIteration, carries);
        }
    }

    [Fact]
    public void Both_roles_paths_of_both_families_are_allowed()
    {
        Walk(Role.LabelParty, [.. At(0, Session), .. At(1, Step.LinkTables, Step.LinkResponse, Step.LinkResponse), .. At(1, Exchange),
            .. At(2, Step.LinkResponse), .. At(2, Exchange), .. At(0, Step.LinkTables, Step.LossResponse, Step.EvaluationSummary, Step.ResultCommitment, Step.JobClose)]);
        Walk(Role.FeatureParty, [.. At(0, Session), .. At(1, Step.LinkRequest), .. At(1, Exchange), .. At(2, Step.LinkRequest, Step.LinkRequest),
            .. At(2, Exchange), .. At(0, Step.LossRequest, Step.LossRequest, Step.LossScalar, Step.PartialScores, Step.PartialScores, Step.ResultCommitment, Step.JobClose)]);
        Walk(Role.LabelParty, [.. At(0, Session), .. At(1, Step.LinkTables), .. At(1, Exchange), .. At(0, Step.LinkTables, Step.LossResponse, Step.ResultCommitment, Step.JobClose)]);
        Walk(Role.LabelParty, [.. At(0, Session), .. At(1, Exchange), .. At(2, Exchange), .. At(0, Step.LossResponse, Step.ResultCommitment, Step.JobClose)]);
        Walk(Role.FeatureParty, [.. At(0, Session), .. At(1, Exchange), .. At(0, Step.LossRequest, Step.LossScalar, Step.ResultCommitment, Step.JobClose)]);
    }

    [Fact]
    public void A_score_jobs_paths_are_allowed()
    {
        Step[] aligned = Session[..^1];
        Walk(Role.LabelParty, [.. At(0, aligned), .. At(0, Step.ModelBinding, Step.ResultCommitment, Step.JobClose)]);
        Walk(Role.FeatureParty, [.. At(0, aligned), .. At(0, Step.ModelBinding, Step.ScoreShares, Step.ScoreShares, Step.ResultCommitment, Step.JobClose)]);
    }

    [Theory]
    [InlineData(Role.FeatureParty, Step.ModelBinding, 0u, Step.ResultCommitment, 0u)]
    [InlineData(Role.LabelParty, Step.ModelBinding, 0u, Step.ScoreShares, 0u)]
    [InlineData(Role.LabelParty, Step.TrainSetup, 0u, Step.ModelBinding, 0u)]
    [InlineData(Role.FeatureParty, Step.AlignmentDigest, 0u, Step.ScoreShares, 0u)]
    [InlineData(Role.FeatureParty, Step.ScoreShares, 0u, Step.TrainSetup, 0u)]
    [InlineData(Role.LabelParty, Step.Unspecified, 0u, Step.Hello, 0u)]
    [InlineData(Role.LabelParty, Step.KeyExchange, 0u, Step.KeyExchange, 0u)]
    [InlineData(Role.LabelParty, Step.TrainSetup, 0u, Step.ResidualShare, 2u)]
    [InlineData(Role.LabelParty, Step.TrainSetup, 0u, Step.LinkRequest, 1u)]
    [InlineData(Role.FeatureParty, Step.TrainSetup, 0u, Step.LinkTables, 1u)]
    [InlineData(Role.LabelParty, Step.LinkTables, 3u, Step.LossResponse, 0u)]
    [InlineData(Role.LabelParty, Step.LinkTables, 0u, Step.LinkResponse, 0u)]
    [InlineData(Role.LabelParty, Step.LinkTables, 0u, Step.ResidualShare, 0u)]
    [InlineData(Role.LabelParty, Step.LinkTables, 1u, Step.LinkTables, 1u)]
    [InlineData(Role.LabelParty, Step.ResidualShare, 1u, Step.GradientResponse, 2u)]
    [InlineData(Role.LabelParty, Step.OptimiserScalars, 4u, Step.LinkResponse, 4u)]
    [InlineData(Role.LabelParty, Step.OptimiserScalars, 4u, Step.LinkResponse, 6u)]
    [InlineData(Role.LabelParty, Step.OptimiserScalars, uint.MaxValue, Step.LinkResponse, 0u)]
    [InlineData(Role.LabelParty, Step.OptimiserScalars, 4u, Step.JobClose, 0u)]
    [InlineData(Role.FeatureParty, Step.OptimiserScalars, 4u, Step.PartialScores, 0u)]
    [InlineData(Role.FeatureParty, Step.JobClose, 0u, Step.JobClose, 0u)]
    public void What_the_protocol_does_not_say_is_refused(Role sender, Step from, uint fromRound, Step to, uint round)
    {
        SenderPosition position = new(from, fromRound);

        Assert.False(PhaseGrammar.TryAdvance(sender, position, to, round, out SenderPosition next, out string allowed));
        Assert.Equal(position, next);
        Assert.NotEmpty(allowed);
    }

    [Fact]
    public void Any_walk_along_the_table_can_reach_the_close_and_rounds_grow_by_one() =>
        Prop.ForAll(Gen.ArrayOf(Gen.Choose(0, 1000)).ToArbitrary(), choices =>
        {
            foreach (Role sender in new[] { Role.LabelParty, Role.FeatureParty })
            {
                SenderPosition position = default;
                uint lastRound = 0;
                foreach (int choice in choices)
                {
                    (Step Step, uint Round)[] allowed = Allowed(sender, position);
                    if (allowed.Length == 0)
                    {
                        return PhaseGrammar.IsEnd(position);
                    }

                    (Step step, uint round) = allowed[choice % allowed.Length];
                    Assert.True(PhaseGrammar.TryAdvance(sender, position, step, round, out position, out _));
                    Assert.True(round == 0 || round == lastRound || round == lastRound + 1);
                    lastRound = Math.Max(lastRound, round);
                }

                Assert.True(PhaseGrammar.IsEnd(position) || Allowed(sender, position).Length > 0);
            }

            return true;
        }).QuickCheckThrowOnFailure();

    private static (Step Step, uint Round)[] Allowed(Role sender, SenderPosition position) =>
    [
        .. from rule in PhaseGrammar.Rules
           from round in new[] { 0u, position.Round, position.Round + 1 }.Distinct()
           where PhaseGrammar.TryAdvance(sender, position, rule.Step, round, out _, out _)
           select (rule.Step, round),
    ];

    private static IEnumerable<(Step Step, uint Round)> At(uint round, params Step[] steps) => steps.Select(step => (step, round));

    private static void Walk(Role sender, (Step Step, uint Round)[] path)
    {
        SenderPosition position = default;
        foreach ((Step step, uint round) in path)
        {
            Assert.True(PhaseGrammar.TryAdvance(sender, position, step, round, out position, out string allowed), $"{step}: only {allowed}");
        }

        Assert.True(PhaseGrammar.IsEnd(position));
    }
}
