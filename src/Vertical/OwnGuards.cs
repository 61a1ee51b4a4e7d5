using VertFed.Models;
using VertFed.Protocol;
using Guard = VertFed.Protocol.Guard;

namespace VertFed.Vertical;

/// <summary>The guards of docs/protocol.md, section 7, over own training rows.</summary>
internal static class OwnGuards
{
    /// <summary>Evaluates every rule; a refusal that the spec accepts reads so.</summary>
    public static IReadOnlyList<Guard> Evaluate(VerticalInput input, TrainingSetup setup, JobSpecification specification)
    {
        bool hasEvents = input.Labels is not null && setup.Family.HasLink;
        double[] labels = hasEvents ? input.Select(input.Labels!, test: false) : [];
        return
        [
            .. ModelFaults.AsBadInput(() => GuardRules.Own(setup.Columns, labels, specification.MaxIterations))
                .Select(finding => new Guard(finding.Name, finding.Limit, finding.Value, Verdict(finding.Verdict, specification))),
        ];
    }

    private static string Verdict(GuardVerdict verdict, JobSpecification specification) => verdict switch
    {
        GuardVerdict.Pass => GuardVerdicts.Pass,
        GuardVerdict.Warn => GuardVerdicts.Warn,
        _ => specification.AcceptDisclosureRisk ? GuardVerdicts.Accepted : GuardVerdicts.Refuse,
    };
}
