using System.Diagnostics;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>One pass over the transcript of a vertical job, in canonical order.</summary>
internal sealed class VerificationRun(TranscriptReader reader, VerifyOptions options, IProgress<VerifyProgress>? progress)
    : VerificationPass<EntryView>(reader, options, progress)
{
    private readonly Dictionary<Phase, PhaseEnd> _ends = [];
    private readonly Dictionary<Role, SenderChain> _chains = [];
    private TranscriptContext? _context;
    private PayloadCheck? _payload;
    private EntryCounts? _counts;
    private CheckpointCheck? _checkpoints;
    private EnvelopeHeader? _last;
    private bool _entriesAreOver;

    private TranscriptContext Context => _context ?? throw new UnreachableException();

    protected override ulong DeclaredEntries => Context.Header.Entries;

    public override Verdict Describe(TranscriptFailure? failure)
    {
        Verdict verdict = DescribeFile(failure, _payload?.CheckedBytes ?? 0) with { Checkpoints = _checkpoints?.Verified ?? [] };
        if (_context is not { } context)
        {
            return verdict;
        }

        bool isDone = context.Header.State == JobState.Done;
        List<string> missing = failure is null && isDone ? NotCoSigned() : [];
        return verdict with
        {
            Job = context.Header.Job,
            Attempt = context.Header.Attempt,
            State = context.Header.State,
            Error = context.Header.Error,
            Submitter = context.Job.Submitter.Fingerprint,
            Coordinator = context.Coordinator.Identity.Fingerprint,
            IsPinned = Options.Submitter is not null && Options.Coordinator is not null,
            NotCoSigned = missing,
            Completeness = CompletenessOf(failure, isDone, missing),
            Ledger = failure is null && _counts is not null ? new LedgerBuilder(context.Specification, _counts).Build() : null,
        };
    }

    public override void Dispose() => _payload?.Dispose();

    protected override async ValueTask TakeAsync(TranscriptRecord record)
    {
        switch (record.Type)
        {
            case RecordType.Header:
                Begin(TranscriptContext.Read(record.Body.Span, Options));
                break;
            case RecordType.Entry:
                _payload!.End();
                await TakeEntryAsync(ParseEntry(record.Body.Span));
                break;
            case RecordType.Payload:
                _payload!.Append(record.Body.Span);
                break;
            case RecordType.Checkpoint:
                await EndEntriesAsync();
                _checkpoints!.Take(record.Body.Span, EndOf);
                break;
            case RecordType.Deliveries:
                await EndEntriesAsync();
                _ = Parsing.Strictly(DeliveryLog.Parser, record.Body.Span, TranscriptFormat.MaxDeliveriesBytes, Rules.Deliveries, "A part of the delivery log");
                break;
            case RecordType.Trailer:
                await EndEntriesAsync();
                TrailerCheck.Require(record.Body.Span, Reader.FileHash!, Context.Coordinator.Identity);
                break;
            default:
                throw new UnreachableException();
        }
    }

    private void Begin(TranscriptContext context)
    {
        _context = context;
        BeginEntries(
            entry => EnvelopeCodec.VerifyAttestation(entry.Envelope, context.KeyOf(entry.Header.Sender).Identity),
            entry => entry.Broken(Rules.Attestation, $"The signature on envelope {entry.Header.Sequence} ({entry.Name}) is not by the identity of '{entry.Party}'."));
        _payload = new PayloadCheck(context);
        _counts = new EntryCounts(context.Specification);
        _checkpoints = new CheckpointCheck(context);
        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            _chains[role] = new SenderChain(role, context.NameOf(role));
        }
    }

    private EntryView ParseEntry(ReadOnlySpan<byte> body)
    {
        try
        {
            TranscriptEntry entry = StrictParser.Parse(TranscriptEntry.Parser, body, TranscriptFormat.MaxEntryBytes, "An entry");
            EnvelopeView envelope = EnvelopeCodec.Parse(entry.Core, entry.Attestation);
            return new EntryView(Tree.Size, envelope, Context.NameOf(envelope.Header.Sender));
        }
        catch (VertFedException e)
        {
            throw new RuleBrokenException(Rules.EntryFormat, e.Message, TranscriptContext.CoordinatorName, e) { EntryIndex = Tree.Size };
        }
    }

    private async ValueTask TakeEntryAsync(EntryView entry)
    {
        EnvelopeHeader header = entry.Header;
        await CheckSignatureAsync(entry);
        entry.Require(
            header.Job == Context.Header.Job && header.Attempt == Context.Header.Attempt,
            Rules.Job,
            $"The entry belongs to attempt {header.Attempt} of job {header.Job}.",
            TranscriptContext.CoordinatorName);
        entry.Require(
            _last is null || CanonicalOrder.Instance.Compare(_last, header) < 0,
            Rules.Order,
            $"{entry.Name} number {header.Sequence} from '{entry.Party}' stands after {_last?.Step} number {_last?.Sequence}, before which it belongs, or is there twice.",
            TranscriptContext.CoordinatorName);
        if (_last is not null && header.Phase != _last.Phase)
        {
            EndPhases(header.Phase);
        }

        _chains[header.Sender].Take(entry);
        _counts!.Take(entry);
        RequireCommittedRows(entry);
        Tree.Append(entry.Envelope.CoreBytes.Span);
        PayloadBytes += entry.Envelope.Core.PayloadSize;
        _payload!.Begin(entry);
        _last = header;
    }

    /// <summary>No party can bring more ids than rows that it committed to.</summary>
    private void RequireCommittedRows(EntryView entry)
    {
        if (entry.Header.Step == Step.BlindedIds && _payload!.CommitmentOf(entry.Header.Sender) is { } commitment)
        {
            long ids = _counts!.Of(entry.Header.Recipient).Ids;
            entry.Require(
                (ulong)ids <= commitment.Rows,
                Rules.Counts,
                $"'{entry.Party}' sent {ids} ids; it committed to {commitment.Rows} rows.");
        }
    }

    /// <summary>Notes the tree as the end of every phase before this one.</summary>
    private void EndPhases(Phase next)
    {
        for (Phase phase = Phase.Session; phase < next; phase++)
        {
            if (!_ends.ContainsKey(phase))
            {
                _ends[phase] = new PhaseEnd(Tree.Size, Tree.Root());
            }
        }
    }

    private PhaseEnd? EndOf(Phase phase) => _chains.Values.All(chain => chain.IsBeyond(phase)) ? _ends.GetValueOrDefault(phase) : null;

    private async ValueTask EndEntriesAsync()
    {
        if (_entriesAreOver)
        {
            return;
        }

        _entriesAreOver = true;
        _payload!.End();
        foreach (SenderChain chain in _chains.Values)
        {
            chain.RequireWhole();
        }

        await RequireEntriesAsync();
        EndPhases(Phase.Close + 1);
        foreach ((Role role, SenderChain chain) in _chains)
        {
            if (Context.Header.State == JobState.Done && !chain.IsClosed)
            {
                throw new RuleBrokenException(
                    Rules.Complete, $"The job is done, but the last step of '{Context.NameOf(role)}' is {chain.Position.Step}.", Context.NameOf(role));
            }
        }
    }

    /// <summary>A job that is done has a checkpoint for each phase that brought entries.</summary>
    protected override void RequireComplete()
    {
        if (Context.Header.State != JobState.Done)
        {
            return;
        }

        long size = 0;
        for (Phase phase = Phase.Session; phase <= Phase.Close; phase++)
        {
            if (_ends[phase].Size > size && !_checkpoints!.Verified.Any(checkpoint => checkpoint.Phase == phase))
            {
                throw new RuleBrokenException(
                    Rules.Complete, $"The job is done, but there is no checkpoint of phase {phase}.", TranscriptContext.CoordinatorName);
            }

            size = _ends[phase].Size;
        }
    }

    private List<string> NotCoSigned()
    {
        VerifiedCheckpoint? close = _checkpoints!.Verified.FirstOrDefault(checkpoint => checkpoint.Phase == Phase.Close);
        return
        [
            .. new[] { Role.LabelParty, Role.FeatureParty }
                .Select(Context.NameOf)
                .Where(name => close?.CoSigners.Any(coSigner => coSigner.Party == name) != true),
        ];
    }
}
