using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>Turns counts into the ledger. The classes are those that the parties' own reports list, and what PSI shows.</summary>
internal sealed class LedgerBuilder(JobSpecification specification, EntryCounts counts)
{
    /// <summary>Tag, length and hash of an AlignmentDigest beside its number of rows.</summary>
    private const int DigestFieldBytes = 34;

    /// <summary>A guard result has a name, a verdict of at least four letters, and their tags and lengths.</summary>
    private const int FewestGuardBytes = 11;

    private readonly List<LedgerLine> _lines = [];
    private readonly string _label = specification.LabelParty.Name;
    private readonly string _feature = specification.FeatureParty.Name;
    private long _most;

    public DisclosureLedger Build()
    {
        (long least, _most) = Rows();
        Align();
        Setup();
        Train();
        Evaluate();
        return new DisclosureLedger(least, _most, counts.Rounds, _lines);
    }

    /// <summary>Bounds of the aligned rows: the shorter list, and how many seven-bit groups their number has in AlignmentDigest.</summary>
    private (long Least, long Most) Rows()
    {
        long list = counts.MostAlignedRows;
        long groups = counts.DigestBytes - DigestFieldBytes - 1;
        return groups is >= 1 and <= 5
            ? (Math.Min(list, groups == 1 ? 1 : 1L << (int)(7 * (groups - 1))), Math.Min(list, (1L << (int)(7 * groups)) - 1))
            : (0, list);
    }

    private void Align()
    {
        foreach ((Role role, string self, string peer) in Sides())
        {
            Received received = counts.Of(role);
            Add(self, $"{peer}'s number of rows", received.Ids > 0 ? 1 : 0, Step.BlindedIds);
            Add(self, $"which of its own rows {peer} has too", received.EvaluatedIds > 0 ? _most : 0, Step.EvaluatedIds, isUpperBound: true);
        }

        int lists = Sides().Count(side => counts.Of(side.Role).Ids > 0);
        Add(TranscriptContext.CoordinatorName, "both parties' numbers of rows, from envelope sizes", lists, Step.BlindedIds);
    }

    private void Setup()
    {
        foreach ((Role role, string self, string peer) in Sides())
        {
            long peerColumns = ColumnsOf(role.Other());
            Add(self, $"{peer}'s column names", peerColumns, Step.TrainSetup);
            Add(self, $"{peer}'s guard values and counts", counts.Of(role).SetupBytes / FewestGuardBytes, Step.TrainSetup, isUpperBound: true);
        }
    }

    private void Train()
    {
        Add(_feature, "link tables: buckets of the mean and deviation of v and the deviation of u, and K", 4 * counts.Tables, Step.LinkTables);
        foreach ((Role role, string self, string peer) in Sides())
        {
            Received received = counts.Of(role);
            Add(self, "own gradient block, once an iteration", received.Gradients * received.Columns, Step.MaskedScalars);
            Add(self, $"{peer}'s halves of the optimiser's inner products", received.OptimiserScalars, Step.OptimiserScalars);
            Add(self, $"{peer}'s clipped rows, a count an iteration", received.OptimiserMessages, Step.OptimiserScalars);
        }

        Add(_label, "mean train loss", counts.HasLoss ? 1 : 0, Step.LossScalar);
        Add(TranscriptContext.CoordinatorName, "envelope sizes and order: column counts, link pairs, rounds", counts.Rounds, Step.ResidualShare);
    }

    private void Evaluate()
    {
        // A score takes one byte at least.
        Add(_label, $"{_feature}'s partial scores of the test rows, to 2^-12", Math.Min(counts.ScoreBytes, _most), Step.PartialScores, isUpperBound: true);
        Add(_label, $"{_feature}'s partial score of each shared customer, to 2^-12", ScoredRows(), Step.ScoreShares, isUpperBound: true);
        Add(TranscriptContext.CoordinatorName, "envelope sizes: blocks of 8192 shared customers", counts.ScoreBlocks, Step.ScoreShares);
        int metrics = specification.Family == Family.Linear ? 3 : 4;
        Add(_feature, "test metrics, mean train loss, convergence", counts.HasSummary ? metrics : 0, Step.EvaluationSummary);
    }

    private long ScoredRows() => Math.Min(counts.ScoreBlocks * PayloadSizes.ScoreBlockRows, _most);

    private long ColumnsOf(Role role)
    {
        long scalars = counts.Of(role).Columns;
        return role == Role.LabelParty ? Math.Max(0, scalars - 1) : scalars;
    }

    private (Role Role, string Self, string Peer)[] Sides() => [(Role.LabelParty, _label, _feature), (Role.FeatureParty, _feature, _label)];

    private void Add(string party, string what, long scalars, Step step, bool isUpperBound = false)
    {
        if (scalars > 0)
        {
            _lines.Add(new LedgerLine(party, what, scalars, isUpperBound, step, _most > 0 ? (double)scalars / _most : 0));
        }
    }
}
