using VertFed.Lattice;
using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Guard = VertFed.Protocol.Guard;

namespace VertFed.Vertical;

/// <summary>
/// What a party has prepared before the first iteration: own quantised columns, the fixed-point plan, packing plans and noise
/// budgets, all functions of own data and of public numbers that both parties have compared in TrainSetup.
/// </summary>
internal sealed class TrainingSetup
{
    private TrainingSetup(
        GlmFamily family, ScalePlan plan, int[] trainRows, int[] testRows, Standardiser scaling, QuantisedColumns columns)
    {
        Family = family;
        Plan = plan;
        TrainRows = trainRows;
        TestRows = testRows;
        Scaling = scaling;
        Columns = columns;
    }

    public GlmFamily Family { get; }

    public ScalePlan Plan { get; }

    /// <summary>Indexes into the aligned rows.</summary>
    public int[] TrainRows { get; }

    /// <summary>Indexes into the aligned rows.</summary>
    public int[] TestRows { get; }

    public Standardiser Scaling { get; }

    public QuantisedColumns Columns { get; }

    /// <summary>The peer's feature names, from its TrainSetup.</summary>
    public IReadOnlyList<string> PeerColumns { get; private set; } = [];

    /// <summary>Both parties' guards, own first, names prefixed with the party.</summary>
    public IReadOnlyList<Guard> Guards { get; private set; } = [];

    /// <summary>Standardises and quantises own data.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: a column without variance, no training rows, labels the
    /// family cannot take, more rows than a plan fits.</exception>
    public static TrainingSetup Prepare(VerticalInput input, JobSpecification specification)
    {
        GlmFamily family = specification.Family switch
        {
            Protocol.V1.Family.Logistic => GlmFamily.Logistic,
            Protocol.V1.Family.Linear => GlmFamily.Linear,
            _ => throw new VertFedException(ErrorCode.Refused, "Two parties train the families logistic and linear."),
        };
        int[] train = [.. Enumerable.Range(0, input.IsTest.Length).Where(i => !input.IsTest[i])];
        int[] test = [.. Enumerable.Range(0, input.IsTest.Length).Where(i => input.IsTest[i])];
        return ModelFaults.AsBadInput(() =>
        {
            double log2PlainModulus = DeterministicMath.Log2(PlainField.Modulus);
            ScalePlan plan = ScalePlanner.Plan(train.Length, family.HasLink, family.ResidualBound, log2PlainModulus);
            Standardiser scaling = Standardiser.Fit(input.Columns, input.Features, train);
            bool isLabelParty = input.Labels is not null;
            QuantisedColumns columns = scaling.Quantise(input.Features, train, plan.FeatureBits, withIntercept: isLabelParty);
            return new TrainingSetup(family, plan, train, test, scaling, columns);
        });
    }

    /// <summary>The step TrainSetup: exchanges and compares, and stops the job where a guard refuses and the spec does not accept it.</summary>
    /// <param name="guards">Own guards.</param>
    public async Task ExchangeAsync(
        IChannel channel, VerticalInput input, JobSpecification specification, IReadOnlyList<Guard> guards, CancellationToken cancellationToken)
    {
        double norm = Columns.MaxNorm();
        TrainSetup message = new()
        {
            MaxColumnNorm = norm,
            TrainRows = (ulong)TrainRows.Length,
            TestRows = (ulong)TestRows.Length,
            FeatureBits = (uint)Plan.FeatureBits,
            LinkBits = (uint)Plan.ResidualBits,
        };
        message.Columns.AddRange(input.Columns);
        message.Guards.AddRange(guards.Select(g => new GuardResult { Name = g.Name, Limit = g.Limit, Value = g.Value, Verdict = g.Verdict }));
        await channel.SendAsync(Step.TrainSetup, 0, message, cancellationToken);

        TrainSetup peer = await channel.ReceiveAsync(Step.TrainSetup, 0, TrainSetup.Parser, cancellationToken);
        StepCheck.Equal(Step.TrainSetup, "train_rows", message.TrainRows, peer.TrainRows);
        StepCheck.Equal(Step.TrainSetup, "test_rows", message.TestRows, peer.TestRows);
        StepCheck.Equal(Step.TrainSetup, "feature_bits", message.FeatureBits, peer.FeatureBits);
        StepCheck.Equal(Step.TrainSetup, "link_bits", message.LinkBits, peer.LinkBits);
        CheckColumns(peer);
        PeerColumns = [.. peer.Columns];
        Guards =
        [
            .. Named(specification.Party(channel.Self).Name, guards),
            .. Named(specification.Party(channel.Peer).Name, peer.Guards.Select(g => new Guard(g.Name, g.Limit, g.Value, g.Verdict))),
        ];
        if (Guards.FirstOrDefault(g => g.Verdict == GuardVerdicts.Refuse) is { } refusal)
        {
            throw new VertFedException(
                ErrorCode.Refused,
                FormattableString.Invariant($"Guard '{refusal.Name}' refuses: value {refusal.Value:G6}, limit {refusal.Limit:G6}. ")
                + "The job spec may accept the disclosure risk (accept_disclosure_risk), if both parties' policies allow that.")
            { Step = nameof(TrainSetup) };
        }
    }

    private static void CheckColumns(TrainSetup peer)
    {
        if (peer.Columns.Count is < 1 or > Limits.MaxColumns || peer.Columns.Any(name => name.Length is 0 or > 256))
        {
            throw StepCheck.Violation(Step.TrainSetup, $"field 'columns' needs 1 to {Limits.MaxColumns} names of 1 to 256 characters");
        }

        if (peer.Columns.Distinct(StringComparer.Ordinal).Count() != peer.Columns.Count)
        {
            throw StepCheck.Violation(Step.TrainSetup, "field 'columns' has a name twice");
        }

        if (peer.Guards.Count > 64 || peer.Guards.Any(g => !GuardVerdicts.All.Contains(g.Verdict) || !double.IsFinite(g.Value) || !double.IsFinite(g.Limit)))
        {
            throw StepCheck.Violation(Step.TrainSetup, "field 'guards' holds an entry that is not a guard result");
        }

        // A standardised column has norm √n; the noise budget of section 6.3 rests on it.
        double expected = Math.Sqrt(peer.TrainRows) * DeterministicMath.PowerOfTwo((int)peer.FeatureBits);
        if (!(peer.MaxColumnNorm > 0 && peer.MaxColumnNorm <= 1.05 * expected))
        {
            throw StepCheck.Violation(Step.TrainSetup, "field 'max_column_norm' is not that of standardised columns");
        }
    }

    private static IEnumerable<Guard> Named(string party, IEnumerable<Guard> guards) =>
        guards.Select(g => g with { Name = $"{party}: {g.Name}" });
}
