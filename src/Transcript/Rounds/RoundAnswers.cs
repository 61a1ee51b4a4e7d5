using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>Who was asked what, and who has answered. A party answers what it was asked once, at any time after.</summary>
internal sealed class RoundAnswers
{
    private readonly Dictionary<(RoundStep Step, uint Round, uint Attempt), (HashSet<uint> Asked, SortedSet<uint> Answered)> _questions = [];

    /// <summary>These parties may answer from now on.</summary>
    public void Ask(RoundStep answer, uint round, uint attempt, IEnumerable<uint> places)
    {
        if (!_questions.TryGetValue((answer, round, attempt), out var question))
        {
            _questions[(answer, round, attempt)] = question = ([], []);
        }

        question.Asked.UnionWith(places);
    }

    /// <summary>Takes an answer.</summary>
    /// <returns>Why it counts for nothing; null: it was asked for.</returns>
    public string? Take(RoundHeader header) =>
        !_questions.TryGetValue((header.Step, header.Round, header.Attempt), out var question) || !question.Asked.Contains(header.Sender) ? "it was not asked for it"
        : !question.Answered.Add(header.Sender) ? "it had answered already"
        : null;

    /// <summary>Who has answered.</summary>
    public IReadOnlySet<uint> Of(RoundStep answer, uint round, uint attempt) =>
        _questions.TryGetValue((answer, round, attempt), out var question) ? question.Answered : new SortedSet<uint>();
}
