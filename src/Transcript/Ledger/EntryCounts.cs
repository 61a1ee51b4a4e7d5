using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>What one party received, in numbers that entries' counts and sizes give.</summary>
internal sealed class Received
{
    /// <summary>Ids of the peer, blinded.</summary>
    public long Ids { get; set; }

    /// <summary>Own ids that came back evaluated.</summary>
    public long EvaluatedIds { get; set; }

    /// <summary>Bytes of the field that says how many ids there are; constant over the parts.</summary>
    public int TotalFieldBytes { get; set; }

    /// <summary>Bytes of the peer's TrainSetup.</summary>
    public long SetupBytes { get; set; }

    /// <summary>Columns of this party, an intercept included: scalars in a gradient block. 0 before the first.</summary>
    public long Columns { get; set; }

    /// <summary>Gradient blocks.</summary>
    public long Gradients { get; set; }

    /// <summary>Halves of the optimiser's inner products.</summary>
    public long OptimiserScalars { get; set; }

    /// <summary>Messages that brought them.</summary>
    public long OptimiserMessages { get; set; }
}

/// <summary>
/// Counts of steps, rounds and sizes, entry by entry in canonical order, held to the job spec and to each other. It needs no payload.
/// </summary>
internal sealed class EntryCounts(JobSpecification specification)
{
    private const int PartElements = 65_536;

    /// <summary>A version alone takes at most this: tag and a 32-bit number.</summary>
    private const int VersionOnlyBytes = 6;

    private readonly Dictionary<Role, Received> _received = new()
    {
        [Role.LabelParty] = new Received(),
        [Role.FeatureParty] = new Received(),
    };

    private long _requests;
    private long _responses;
    private uint _linkRound;

    /// <summary>Training rounds begun.</summary>
    public uint Rounds { get; private set; }

    /// <summary>Link tables that crossed.</summary>
    public long Tables { get; private set; }

    /// <summary>Bytes of PartialScores messages.</summary>
    public long ScoreBytes { get; private set; }

    /// <summary>Bytes of an AlignmentDigest message; 0 before it.</summary>
    public long DigestBytes { get; private set; }

    /// <summary>Blocks of ScoreShares.</summary>
    public long ScoreBlocks { get; private set; }

    public bool HasLoss { get; private set; }

    public bool HasSummary { get; private set; }

    /// <summary>Most rows that can be aligned: the shorter id list.</summary>
    public long MostAlignedRows => Math.Min(Of(Role.LabelParty).Ids, Of(Role.FeatureParty).Ids);

    /// <summary>What a party received.</summary>
    public Received Of(Role recipient) => _received[recipient];

    /// <summary>Takes the next entry.</summary>
    /// <exception cref="RuleBrokenException">A round, step or size that the job spec or the entries before do not allow.</exception>
    public void Take(EntryView entry)
    {
        EnvelopeHeader header = entry.Header;
        ulong size = entry.Envelope.Core.PayloadSize;
        if (PhaseGrammar.Rule(header.Step).Sealed)
        {
            entry.Require(size >= PayloadSizes.SealBytes, Rules.Counts, $"{size} bytes are too few for a sealed payload.");
            size -= PayloadSizes.SealBytes;
        }

        entry.Require(
            header.Round <= specification.MaxIterations,
            Rules.Counts,
            $"Round {header.Round} is beyond the {specification.MaxIterations} iterations that the job spec allows.");
        bool isScoring = header.Step is Step.ModelBinding or Step.ScoreShares;
        entry.Require(
            header.Phase is not (Phase.Train or Phase.Evaluate) || isScoring == (specification.Kind == JobKind.Score),
            Rules.Counts,
            $"A job of the kind {specification.Kind} has no {header.Step}.");
        Rounds = Math.Max(Rounds, header.Round);
        Count(entry, Of(header.Recipient), size);
    }

    /// <summary>Checks what only the whole log tells: each party got back as many of its ids as it sent.</summary>
    /// <param name="digest">The AlignmentDigest that follows them.</param>
    /// <exception cref="RuleBrokenException">The numbers differ.</exception>
    private void RequireAligned(EntryView digest)
    {
        Role sender = digest.Header.Sender;
        Role recipient = digest.Header.Recipient;
        digest.Require(
            Of(recipient).EvaluatedIds == Of(sender).Ids,
            Rules.Counts,
            $"'{digest.Party}' evaluated {Of(recipient).EvaluatedIds} ids of the {Of(sender).Ids} that it was sent.");
        digest.Require(
            Of(recipient).TotalFieldBytes == PayloadSizes.Field((ulong)Of(recipient).Ids),
            Rules.Counts,
            $"'{digest.Party}' announced another number of ids than the {Of(recipient).Ids} that it sent.");
    }

    private void Count(EntryView entry, Received to, ulong size)
    {
        bool isLink = entry.Header.Step is Step.LinkTables or Step.LinkRequest or Step.LinkResponse;
        entry.Require(
            !isLink || specification.Family != Family.Linear, Rules.Counts, $"A job of the family {specification.Family} has no {entry.Header.Step}.");
        switch (entry.Header.Step)
        {
            case Step.BlindedIds:
                CountBlinded(entry, to, size);
                break;
            case Step.EvaluatedIds:
                CountEvaluated(entry, to, size);
                break;
            case Step.AlignmentDigest:
                DigestBytes = (long)size;
                RequireAligned(entry);
                break;
            case Step.TrainSetup:
                to.SetupBytes = (long)size;
                break;
            case Step.LinkTables:
                Tables += size > VersionOnlyBytes ? 1 : 0;
                break;
            case Step.LinkRequest:
            case Step.LinkResponse:
                CountLink(entry);
                break;
            case Step.ResidualShare:
                entry.Require(
                    entry.Header.Sender != Role.LabelParty || _linkRound != entry.Header.Round || _responses == _requests,
                    Rules.Counts,
                    $"Round {entry.Header.Round} has {_requests} LinkRequest and {_responses} LinkResponse.",
                    entry.Party);
                break;
            case Step.MaskedScalars:
                CountGradient(entry, to, size);
                break;
            case Step.OptimiserScalars:
                to.OptimiserMessages++;
                to.OptimiserScalars += PayloadSizes.OptimiserValues(size)
                    ?? throw entry.Broken(Rules.Counts, $"A message of {size} bytes is no OptimiserScalars.");
                break;
            case Step.LossScalar:
                entry.Require(size <= 9, Rules.Counts, $"{size} bytes are more than the one number of a LossScalar.");
                HasLoss = true;
                break;
            case Step.PartialScores:
                ScoreBytes += (long)size;
                break;
            case Step.EvaluationSummary:
                HasSummary = true;
                break;
            case Step.ModelBinding:
                entry.Require(size == PayloadSizes.ModelBindingBytes, Rules.Counts, $"A message of {size} bytes is no ModelBinding.");
                break;
            case Step.ScoreShares:
                CountScores(entry, size);
                break;
        }
    }

    private static void CountBlinded(EntryView entry, Received to, ulong size)
    {
        long count = PayloadSizes.Elements(size, out int rest) ?? throw NotElements(entry, size);
        int total = rest - PayloadSizes.Field((ulong)to.Ids);
        entry.Require(
            count <= PartElements && total >= 0 && (to.Ids == 0 || total == to.TotalFieldBytes),
            Rules.Counts,
            $"A message of {size} bytes is no part of the id list after {to.Ids} ids.");
        to.TotalFieldBytes = total;
        to.Ids += count;
        entry.Require(to.Ids <= Limits.MaxRows, Rules.Counts, $"{to.Ids} ids are more than a party may bring.");
    }

    private static void CountEvaluated(EntryView entry, Received to, ulong size)
    {
        long count = PayloadSizes.Elements(size, out int rest) ?? throw NotElements(entry, size);
        entry.Require(
            count <= PartElements && rest == PayloadSizes.Field((ulong)to.EvaluatedIds),
            Rules.Counts,
            $"A message of {size} bytes is no part of the evaluated ids after {to.EvaluatedIds} of them.");
        to.EvaluatedIds += count;
    }

    private void CountLink(EntryView entry)
    {
        if (_linkRound != entry.Header.Round)
        {
            (_linkRound, _requests, _responses) = (entry.Header.Round, 0, 0);
        }

        if (entry.Header.Step == Step.LinkRequest)
        {
            _requests++;
            return;
        }

        _responses++;
        entry.Require(_responses <= _requests, Rules.Counts, $"Round {_linkRound} has more LinkResponse than the {_requests} LinkRequest.");
    }

    private void CountGradient(EntryView entry, Received to, ulong size)
    {
        long columns = PayloadSizes.Numbers(size) is { } count and > 0
            ? count
            : throw entry.Broken(Rules.Counts, $"A message of {size} bytes is no MaskedScalars.");
        entry.Require(
            to.Columns == 0 || columns == to.Columns,
            Rules.Counts,
            $"The gradient block has {columns} scalars; those before had {to.Columns}.");
        to.Columns = columns;
        to.Gradients++;
        if (to.Gradients == 1)
        {
            GuardCheck.Require(entry, specification, columns, MostAlignedRows);
        }
    }

    /// <summary>Every block is full, so that their number is all that shows of the rows.</summary>
    private void CountScores(EntryView entry, ulong size)
    {
        long before = ScoreBlocks * PayloadSizes.ScoreBlockRows;
        entry.Require(
            size == PayloadSizes.ScoreBlockBytes + (ulong)PayloadSizes.Field((ulong)before),
            Rules.Counts,
            $"A message of {size} bytes is no block of scores after {before} of them.");
        entry.Require(
            before < MostAlignedRows, Rules.Counts, $"There are more blocks of scores than the {MostAlignedRows} customers that can be shared.");
        ScoreBlocks++;
    }

    private static RuleBrokenException NotElements(EntryView entry, ulong size) =>
        entry.Broken(Rules.Counts, $"A message of {size} bytes holds no list of 32-byte elements.");
}
