using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// The order of a transcript's entries: phase, round, step, sender, sequence number, each by its number. It is a function of what was
/// sent alone, so arrival order, reconnects and retries leave no trace in it.
/// </summary>
public sealed class CanonicalOrder : IComparer<EnvelopeHeader>
{
    private CanonicalOrder()
    {
    }

    /// <summary>The one comparer; thread-safe.</summary>
    public static CanonicalOrder Instance { get; } = new();

    /// <inheritdoc/>
    public int Compare(EnvelopeHeader? x, EnvelopeHeader? y)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(y);
        return Key(x).CompareTo(Key(y));
    }

    private static (int Phase, uint Round, int Step, int Sender, ulong Sequence) Key(EnvelopeHeader header) =>
        ((int)header.Phase, header.Round, (int)header.Step, (int)header.Sender, header.Sequence);
}
