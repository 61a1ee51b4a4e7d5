using VertFed.Protocol.V1;

namespace VertFed.Storage;

/// <summary>What one horizontal job under privacy may cost, and has cost, a row of this party's data: Rényi divergences, one for each order of the accountant.</summary>
/// <param name="Dataset">The data source that the job names.</param>
/// <param name="IsOpen">Whether the job has not ended here: what it plans then counts as spent.</param>
/// <param name="Planned">Of all the rounds that it may have.</param>
/// <param name="Spent">Of the rounds that were answered.</param>
/// <param name="Rounds">How many those are.</param>
/// <param name="LastRound">The last of them; 0 before the first.</param>
public sealed record PrivacySpending(
    string Job, string Dataset, PrivacyLevel Level, bool IsOpen, double[] Planned, double[] Spent, uint Rounds, uint LastRound, long UpdatedUnixMs);
