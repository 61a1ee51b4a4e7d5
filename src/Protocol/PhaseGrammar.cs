using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>How a step's round follows from the round of the sender's step before it.</summary>
public enum RoundRule
{
    /// <summary>0: outside the iterations.</summary>
    Zero,

    /// <summary>1: the first iteration.</summary>
    First,

    /// <summary>The same iteration; there is no such arrow from outside the iterations.</summary>
    Same,

    /// <summary>The next iteration.</summary>
    Next,

    /// <summary>0, and the step before carried 0 as well.</summary>
    StillZero,
}

/// <summary>What is fixed about a step.</summary>
/// <param name="Phase">The phase it belongs to.</param>
/// <param name="OnlySender">The only role that may send it; unspecified: both do.</param>
/// <param name="InIteration">Whether it belongs to a training iteration and so carries a round from 1.</param>
/// <param name="Repeats">Whether it may come in several envelopes (blocks or parts).</param>
/// <param name="Sealed">Whether its payload is encrypted for the peer.</param>
public sealed record StepRule(Step Step, Phase Phase, Role OnlySender, bool InIteration, bool Repeats, bool Sealed);

/// <summary>One arrow of a sender's table: after <paramref name="From"/> may come <paramref name="To"/>.</summary>
public sealed record Transition(Role Sender, Step From, Step To, RoundRule Round);

/// <summary>Where a sender's own sequence stands: its last step and that step's round. The default is the start.</summary>
public readonly record struct SenderPosition(Step Step, uint Round);

/// <summary>
/// Which step may follow which, as data, so that a verifier runs it without training code. Each sender's own sequence of
/// envelopes must be a path of its table:
/// <code>
/// session    both  KeyExchange, Commitment, Hello
/// align      both  BlindedIds+, EvaluatedIds+, AlignmentDigest
/// a train job goes on with
/// train      both  TrainSetup
///   round r  label    [LinkTables] [LinkResponse+]  ResidualShare+  GradientResponse+  MaskedScalars  OptimiserScalars
///            feature               [LinkRequest+]   ResidualShare+  GradientResponse+  MaskedScalars  OptimiserScalars
///   loss     label    [LinkTables] LossResponse            (round 0)
///            feature  LossRequest+ LossScalar
/// evaluate   label    [EvaluationSummary]
///            feature  [PartialScores+]
/// and a score job with
/// evaluate   both  ModelBinding
///            feature  ScoreShares+
/// both end with
/// close      both  ResultCommitment, JobClose
/// </code>
/// The link steps are absent in the linear family, and LinkRequest and LinkResponse where the tables have no pairs. LinkTables
/// of round 0 carry the loss kernel.
/// </summary>
public static class PhaseGrammar
{
    private static readonly StepRule[] AllRules =
    [
        Both(Step.KeyExchange, Phase.Session) with { Sealed = false },
        Both(Step.Commitment, Phase.Session) with { Sealed = false },
        Both(Step.Hello, Phase.Session),
        Both(Step.BlindedIds, Phase.Align) with { Repeats = true },
        Both(Step.EvaluatedIds, Phase.Align) with { Repeats = true },
        Both(Step.AlignmentDigest, Phase.Align),
        Both(Step.TrainSetup, Phase.Train),
        From(Role.LabelParty, Step.LinkTables, Phase.Train) with { InIteration = true },
        From(Role.FeatureParty, Step.LinkRequest, Phase.Train) with { InIteration = true, Repeats = true },
        From(Role.LabelParty, Step.LinkResponse, Phase.Train) with { InIteration = true, Repeats = true },
        Both(Step.ResidualShare, Phase.Train) with { InIteration = true, Repeats = true },
        Both(Step.GradientResponse, Phase.Train) with { InIteration = true, Repeats = true },
        Both(Step.MaskedScalars, Phase.Train) with { InIteration = true },
        Both(Step.OptimiserScalars, Phase.Train) with { InIteration = true },
        From(Role.FeatureParty, Step.LossRequest, Phase.Train) with { Repeats = true },
        From(Role.LabelParty, Step.LossResponse, Phase.Train),
        From(Role.FeatureParty, Step.LossScalar, Phase.Train),
        From(Role.FeatureParty, Step.PartialScores, Phase.Evaluate) with { Repeats = true },
        From(Role.LabelParty, Step.EvaluationSummary, Phase.Evaluate),
        Both(Step.ModelBinding, Phase.Evaluate),
        From(Role.FeatureParty, Step.ScoreShares, Phase.Evaluate) with { Repeats = true },
        Both(Step.ResultCommitment, Phase.Close) with { Sealed = false },
        Both(Step.JobClose, Phase.Close),
    ];

    private static readonly Transition[] AllTransitions = [.. Transitions()];

    private static readonly Dictionary<Step, StepRule> ByStep = AllRules.ToDictionary(rule => rule.Step);

    private static readonly ILookup<(Role Sender, Step From), Transition> Next =
        AllTransitions.ToLookup(transition => (transition.Sender, transition.From));

    /// <summary>Every step, in the order of docs/protocol.md.</summary>
    public static IReadOnlyList<StepRule> Rules => AllRules;

    /// <summary>Every arrow of both senders' tables; <see cref="Step.Unspecified"/> is the start.</summary>
    public static IReadOnlyList<Transition> Table => AllTransitions;

    /// <summary>The rule of a step, or null if there is no such step.</summary>
    public static StepRule? Find(Step step) => ByStep.GetValueOrDefault(step);

    /// <summary>The rule of a known step.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: there is no such step.</exception>
    public static StepRule Rule(Step step) => Find(step) ?? throw Error.Violation($"There is no step {(int)step}.");

    /// <summary>Whether the sender's sequence may end here.</summary>
    public static bool IsEnd(SenderPosition position) => position.Step == Step.JobClose;

    /// <summary>Moves a sender's position by one envelope.</summary>
    /// <returns>False, with what was allowed instead in words, if the table has no such arrow; the position is then the old one.</returns>
    public static bool TryAdvance(
        Role sender, SenderPosition position, Step step, uint round, out SenderPosition next, out string allowed)
    {
        foreach (Transition transition in Next[(sender, position.Step)])
        {
            if (transition.To == step && RoundAfter(transition.Round, position.Round) == round)
            {
                next = new SenderPosition(step, round);
                allowed = "";
                return true;
            }
        }

        next = position;
        allowed = string.Join(
            " or ",
            Next[(sender, position.Step)]
                .Select(arrow => (arrow.To, Round: RoundAfter(arrow.Round, position.Round)))
                .Where(arrow => arrow.Round.HasValue)
                .Select(arrow => Error.Describe(arrow.To, arrow.Round!.Value)));
        if (allowed.Length == 0)
        {
            allowed = "nothing";
        }

        return false;
    }

    private static uint? RoundAfter(RoundRule rule, uint round) => rule switch
    {
        RoundRule.Zero => 0,
        RoundRule.First => 1,
        RoundRule.Same => round == 0 ? null : round,
        RoundRule.Next => round == uint.MaxValue ? null : round + 1,
        RoundRule.StillZero => round == 0 ? 0 : null,
        _ => null,
    };

    private static StepRule Both(Step step, Phase phase) => From(Role.Unspecified, step, phase);

    private static StepRule From(Role sender, Step step, Phase phase) =>
        new(step, phase, sender, InIteration: false, Repeats: false, Sealed: true);

    private static IEnumerable<Transition> Transitions()
    {
        foreach (Role sender in new[] { Role.LabelParty, Role.FeatureParty })
        {
            bool label = sender == Role.LabelParty;

            yield return new(sender, Step.Unspecified, Step.KeyExchange, RoundRule.Zero);
            yield return new(sender, Step.KeyExchange, Step.Commitment, RoundRule.Zero);
            yield return new(sender, Step.Commitment, Step.Hello, RoundRule.Zero);
            yield return new(sender, Step.Hello, Step.BlindedIds, RoundRule.Zero);
            yield return new(sender, Step.BlindedIds, Step.BlindedIds, RoundRule.Zero);
            yield return new(sender, Step.BlindedIds, Step.EvaluatedIds, RoundRule.Zero);
            yield return new(sender, Step.EvaluatedIds, Step.EvaluatedIds, RoundRule.Zero);
            yield return new(sender, Step.EvaluatedIds, Step.AlignmentDigest, RoundRule.Zero);
            yield return new(sender, Step.AlignmentDigest, Step.TrainSetup, RoundRule.Zero);
            yield return new(sender, Step.AlignmentDigest, Step.ModelBinding, RoundRule.Zero);

            // An iteration opens with the link where the family has one, else with the residual's shares.
            Step[] opening = label ? [Step.LinkTables, Step.LinkResponse, Step.ResidualShare] : [Step.LinkRequest, Step.ResidualShare];
            foreach (Step step in opening)
            {
                yield return new(sender, Step.TrainSetup, step, RoundRule.First);
                yield return new(sender, Step.OptimiserScalars, step, RoundRule.Next);
            }

            Step link = label ? Step.LinkResponse : Step.LinkRequest;
            yield return new(sender, link, link, RoundRule.Same);
            yield return new(sender, link, Step.ResidualShare, RoundRule.Same);
            yield return new(sender, Step.ResidualShare, Step.ResidualShare, RoundRule.Same);
            yield return new(sender, Step.ResidualShare, Step.GradientResponse, RoundRule.Same);
            yield return new(sender, Step.GradientResponse, Step.GradientResponse, RoundRule.Same);
            yield return new(sender, Step.GradientResponse, Step.MaskedScalars, RoundRule.Same);
            yield return new(sender, Step.MaskedScalars, Step.OptimiserScalars, RoundRule.Same);

            yield return new(sender, Step.ResultCommitment, Step.JobClose, RoundRule.Zero);

            if (label)
            {
                // Tables without pairs (the main effects say it all) need no ciphertexts.
                yield return new(sender, Step.LinkTables, Step.LinkResponse, RoundRule.Same);
                yield return new(sender, Step.LinkTables, Step.ResidualShare, RoundRule.Same);
                yield return new(sender, Step.OptimiserScalars, Step.LinkTables, RoundRule.Zero);
                yield return new(sender, Step.LinkTables, Step.LossResponse, RoundRule.StillZero);
                yield return new(sender, Step.OptimiserScalars, Step.LossResponse, RoundRule.Zero);
                yield return new(sender, Step.LossResponse, Step.EvaluationSummary, RoundRule.Zero);
                yield return new(sender, Step.LossResponse, Step.ResultCommitment, RoundRule.Zero);
                yield return new(sender, Step.EvaluationSummary, Step.ResultCommitment, RoundRule.Zero);
                yield return new(sender, Step.ModelBinding, Step.ResultCommitment, RoundRule.Zero);
            }
            else
            {
                yield return new(sender, Step.OptimiserScalars, Step.LossRequest, RoundRule.Zero);
                yield return new(sender, Step.LossRequest, Step.LossRequest, RoundRule.Zero);
                yield return new(sender, Step.LossRequest, Step.LossScalar, RoundRule.Zero);
                yield return new(sender, Step.LossScalar, Step.PartialScores, RoundRule.Zero);
                yield return new(sender, Step.LossScalar, Step.ResultCommitment, RoundRule.Zero);
                yield return new(sender, Step.PartialScores, Step.PartialScores, RoundRule.Zero);
                yield return new(sender, Step.PartialScores, Step.ResultCommitment, RoundRule.Zero);
                yield return new(sender, Step.ModelBinding, Step.ScoreShares, RoundRule.Zero);
                yield return new(sender, Step.ScoreShares, Step.ScoreShares, RoundRule.Zero);
                yield return new(sender, Step.ScoreShares, Step.ResultCommitment, RoundRule.Zero);
            }
        }
    }
}
