using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>A value class that a party learned beyond its own data.</summary>
/// <param name="Party">Who learned it: a party's name, or "coordinator".</param>
/// <param name="What">In words.</param>
/// <param name="Scalars">How many numbers or texts.</param>
/// <param name="IsUpperBound">Whether sizes give only the most that it can have been.</param>
/// <param name="Step">The step in which it crossed.</param>
/// <param name="ScalarsPerRow"><paramref name="Scalars"/> over <see cref="DisclosureLedger.RowsAtMost"/>; 0 without rows.</param>
public sealed record LedgerLine(string Party, string What, long Scalars, bool IsUpperBound, Step Step, double ScalarsPerRow);

/// <summary>
/// What the parties of a job learned, derived from counts and sizes of the entries alone: no payload is opened, so a transcript with hashes
/// has the same ledger.
/// </summary>
/// <param name="RowsAtLeast">Aligned rows, lower bound (from the width of a number in a sealed message); 0: unknown.</param>
/// <param name="RowsAtMost">Aligned rows, upper bound: the shorter of both id lists, or less.</param>
/// <param name="Rounds">Training rounds begun.</param>
/// <param name="Lines">In the order of the protocol; a class that did not cross has no line.</param>
public sealed record DisclosureLedger(long RowsAtLeast, long RowsAtMost, uint Rounds, IReadOnlyList<LedgerLine> Lines);
