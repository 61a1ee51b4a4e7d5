using System.Globalization;
using VertFed.Horizontal.Service;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.Cli.Audit;

/// <summary>What limits that which a horizontal job disclosed: secure aggregation and noise, as its job spec asks for them and as far as it went.</summary>
internal static class RoundGuarantees
{
    public static IReadOnlyList<string> Of(RoundLedger ledger)
    {
        HorizontalSpecification spec = ledger.Specification.Horizontal!;
        List<string> guarantees =
        [
            spec.IsSecure
                ? string.Create(CultureInfo.InvariantCulture, $"Secure aggregation: the coordinator learned sums alone, of {ledger.FewestSummed} parties at least.")
                : "No secure aggregation: the coordinator learned each party's numbers.",
        ];
        guarantees.Add(JobPlan.Of(ledger.Specification).Privacy is { } privacy && spec.Privacy is { } asked
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"Privacy at level {asked.Level.ToString().ToLowerInvariant()}: clip {asked.Clip:g6}, noise multiplier {asked.Noise:g6}; {Epsilon(privacy, (int)ledger.Rounds)}")
            : "No differential privacy.");
        return guarantees;
    }

    private static string Epsilon(JobPrivacy privacy, int rounds) => privacy.Level == PrivacyLevel.Record
        ? string.Create(CultureInfo.InvariantCulture, $"epsilon at delta {privacy.Delta:g2} is in each party's own report, since its number of rows decides it.")
        : string.Create(CultureInfo.InvariantCulture, $"epsilon {(rounds == 0 ? 0 : privacy.PartyEpsilon(rounds)):0.###} at delta {privacy.Delta:g2} after {rounds} rounds.");
}
