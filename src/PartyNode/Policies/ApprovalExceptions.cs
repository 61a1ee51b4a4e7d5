using VertFed.Protocol;

namespace VertFed.PartyNode.Policies;

/// <summary>Which jobs begin without the operator under manual approval: those that are in every list that is given.</summary>
public sealed record ApprovalExceptions
{
    /// <summary>Every job waits.</summary>
    public static ApprovalExceptions None { get; } = new();

    public WordList? Purposes { get; init; }

    /// <summary>Names of peers.</summary>
    public WordList? Peers { get; init; }

    /// <summary>Fingerprints.</summary>
    public WordList? Submitters { get; init; }

    public WordList? Kinds { get; init; }

    public bool Cover(JobSpecification specification, string submitter, string peer)
    {
        (WordList? List, string Word)[] conditions =
        [
            (Purposes, specification.Purpose),
            (Peers, peer),
            (Submitters, submitter),
            (Kinds, PartyPolicy.NameOf(specification.Kind)),
        ];
        return conditions.Any(condition => condition.List is not null)
            && conditions.All(condition => condition.List?.Contains(condition.Word) != false);
    }
}
