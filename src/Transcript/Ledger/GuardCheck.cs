using System.Globalization;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// The guards of docs/protocol.md, section 7, that counts alone decide, with the most rows that can be aligned: a job that breaks one of
/// them even so should have been refused by both parties before its first gradient. Policies can only be tighter.
/// </summary>
internal static class GuardCheck
{
    private const int MostIterations = 30;
    private const int RowsPerFeature = 200;
    private const int RowsPerIterationAndFeature = 10;

    /// <param name="firstGradient">The entry that brings a party its first gradient block.</param>
    /// <param name="columns">Scalars of that block; the label party's has an intercept.</param>
    /// <param name="mostRows">Upper bound of the aligned rows.</param>
    /// <exception cref="RuleBrokenException">A guard refuses and the job spec does not accept that.</exception>
    public static void Require(EntryView firstGradient, JobSpecification specification, long columns, long mostRows)
    {
        if (specification.AcceptDisclosureRisk)
        {
            return;
        }

        long features = columns - (firstGradient.Header.Recipient == Role.LabelParty ? 1 : 0);
        long iterations = specification.MaxIterations;
        AtMost(firstGradient, "iterations", iterations, MostIterations);
        AtMost(firstGradient, "iterations_times_features", iterations * features, (double)mostRows / RowsPerIterationAndFeature);
        AtMost(firstGradient, "rows_per_feature", Math.Max(1, features) * RowsPerFeature, mostRows);
    }

    private static void AtMost(EntryView entry, string guard, long value, double limit) => entry.Require(
        value <= limit,
        Rules.Disclosure,
        string.Create(
            CultureInfo.InvariantCulture,
            $"The guard {guard} refuses a job of this shape ({value} where at most {limit:0.#} is allowed), and the job spec does not accept the risk."));
}
