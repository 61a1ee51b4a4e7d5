using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>A value class that somebody learned in a horizontal job.</summary>
/// <param name="To">Who learned it: "coordinator" or "every party".</param>
/// <param name="Of">Whose it is: a party's name, or "sums" where single ones are hidden.</param>
/// <param name="What">In words.</param>
/// <param name="Values">How many numbers, at most.</param>
/// <param name="Step">The step in which they crossed.</param>
public sealed record RoundLedgerLine(string To, string Of, string What, long Values, RoundStep Step);

/// <summary>What a horizontal job disclosed, derived from its entries' order and sizes and from what was broadcast.</summary>
/// <param name="Rounds">Rounds done.</param>
/// <param name="FewestSummed">Parties in the smallest secure sum; 0 without one.</param>
/// <param name="Specification">Which guarantees the job spec asks for.</param>
/// <param name="Lines">In the order of the protocol.</param>
public sealed record RoundLedger(uint Rounds, int FewestSummed, JobSpecification Specification, IReadOnlyList<RoundLedgerLine> Lines);
