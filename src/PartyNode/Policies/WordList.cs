using System.Globalization;
using System.Text;

namespace VertFed.PartyNode.Policies;

/// <summary>A list of allowed words, in ordinal order; null in a policy stands for no restriction.</summary>
public sealed class WordList(IEnumerable<string> words) : IEquatable<WordList>
{
    /// <summary>In ordinal order, each once.</summary>
    public IReadOnlyList<string> Words { get; } = [.. words.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    public bool Contains(string word) => Words.Contains(word, StringComparer.Ordinal);

    /// <summary>One reading: each word after its length in UTF-8 bytes.</summary>
    public override string ToString() =>
        string.Concat(Words.Select(word => string.Create(CultureInfo.InvariantCulture, $"{Encoding.UTF8.GetByteCount(word)}:{word},")));

    public bool Equals(WordList? other) => other is not null && Words.SequenceEqual(other.Words, StringComparer.Ordinal);

    public override bool Equals(object? obj) => Equals(obj as WordList);

    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(ToString());
}
