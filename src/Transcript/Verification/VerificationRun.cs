using System.Diagnostics;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// One pass over a transcript. Records come in their order; signatures are verified beside the reading. The first broken rule in canonical
/// order is the one that counts, and of two at one entry the signature's.
/// </summary>
internal sealed class VerificationRun(TranscriptReader reader, VerifyOptions options, IProgress<VerifyProgress>? progress) : IVerificationRun
{
    private const long ProgressBytes = 16L * 1024 * 1024;

    private readonly MerkleTree _tree = new();
    private readonly Dictionary<Phase, PhaseEnd> _ends = [];
    private readonly Dictionary<Role, SenderChain> _chains = [];
    private TranscriptContext? _context;
    private AttestationQueue<EntryView>? _attestations;
    private PayloadCheck? _payload;
    private EntryCounts? _counts;
    private CheckpointCheck? _checkpoints;
    private EnvelopeHeader? _last;
    private bool _entriesAreOver;
    private ulong _payloadBytes;
    private long _reported;

    private TranscriptContext Context => _context ?? throw new UnreachableException();

    /// <summary>Reads and checks everything.</summary>
    /// <exception cref="RuleBrokenException">The first rule that does not hold.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (await reader.NextAsync(cancellationToken) is { } record)
            {
                await TakeAsync(record);
                Report(record.Type == RecordType.Trailer);
            }

            RequireComplete();
        }
        catch (RuleBrokenException e) when (e.Rule != Rules.Attestation)
        {
            RuleBrokenException? unsigned = await UnsignedAsync();
            if (unsigned is not null && (e.EntryIndex is null || unsigned.EntryIndex <= e.EntryIndex))
            {
                throw unsigned;
            }

            throw;
        }
    }

    /// <summary>What is known so far; with a failure, of the part that was read.</summary>
    public Verdict Describe(TranscriptFailure? failure)
    {
        Verdict verdict = new()
        {
            Failure = failure,
            Entries = _tree.Size,
            FileBytes = reader.Offset,
            PayloadBytes = (long)_payloadBytes,
            UncheckedPayloadBytes = (long)(_payloadBytes - (_payload?.CheckedBytes ?? 0)),
            FileHash = reader.FileHash is { } hash ? Convert.ToHexStringLower(hash) : "",
            Root = Convert.ToHexStringLower(_tree.Root()),
            Checkpoints = _checkpoints?.Verified ?? [],
        };
        if (_context is not { } context)
        {
            return verdict;
        }

        List<string> missing = failure is null && context.Header.State == JobState.Done ? NotCoSigned() : [];
        return verdict with
        {
            Job = context.Header.Job,
            Attempt = context.Header.Attempt,
            State = context.Header.State,
            Error = context.Header.Error,
            Submitter = context.Job.Submitter.Fingerprint,
            Coordinator = context.Coordinator.Identity.Fingerprint,
            IsPinned = options.Submitter is not null && options.Coordinator is not null,
            NotCoSigned = missing,
            Completeness = failure is not null ? Completeness.Unknown
                : context.Header.State != JobState.Done ? Completeness.Ended
                : missing.Count == 0 ? Completeness.CoSigned
                : Completeness.NotCoSigned,
            Ledger = failure is null && _counts is not null ? new LedgerBuilder(context.Specification, _counts).Build() : null,
        };
    }

    public void Dispose() => _payload?.Dispose();

    private async ValueTask TakeAsync(TranscriptRecord record)
    {
        switch (record.Type)
        {
            case RecordType.Header:
                Begin(TranscriptContext.Read(record.Body.Span, options));
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
                TrailerCheck.Require(record.Body.Span, reader.FileHash!, Context.Coordinator.Identity);
                break;
            default:
                throw new UnreachableException();
        }
    }

    private void Begin(TranscriptContext context)
    {
        _context = context;
        _attestations = new AttestationQueue<EntryView>(
            entry => IsSigned(entry, context),
            entry => entry.Broken(Rules.Attestation, $"The signature on envelope {entry.Header.Sequence} ({entry.Name}) is not by the identity of '{entry.Party}'."));
        _payload = new PayloadCheck(context);
        _counts = new EntryCounts(context.Specification);
        _checkpoints = new CheckpointCheck(context);
        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            _chains[role] = new SenderChain(role, context.NameOf(role));
        }
    }

    private static bool IsSigned(EntryView entry, TranscriptContext context)
    {
        try
        {
            EnvelopeCodec.VerifyAttestation(entry.Envelope, context.KeyOf(entry.Header.Sender).Identity);
            return true;
        }
        catch (VertFedException e) when (e.Code == ErrorCode.ProtocolViolation)
        {
            return false;
        }
    }

    private EntryView ParseEntry(ReadOnlySpan<byte> body)
    {
        try
        {
            TranscriptEntry entry = StrictParser.Parse(TranscriptEntry.Parser, body, TranscriptFormat.MaxEntryBytes, "An entry");
            EnvelopeView envelope = EnvelopeCodec.Parse(entry.Core, entry.Attestation);
            return new EntryView(_tree.Size, envelope, Context.NameOf(envelope.Header.Sender));
        }
        catch (VertFedException e)
        {
            throw new RuleBrokenException(Rules.EntryFormat, e.Message, TranscriptContext.CoordinatorName, e) { EntryIndex = _tree.Size };
        }
    }

    private async ValueTask TakeEntryAsync(EntryView entry)
    {
        EnvelopeHeader header = entry.Header;
        await _attestations!.AddAsync(entry);
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
        _tree.Append(entry.Envelope.CoreBytes.Span);
        _payloadBytes += entry.Envelope.Core.PayloadSize;
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
                _ends[phase] = new PhaseEnd(_tree.Size, _tree.Root());
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

        await _attestations!.FlushAsync();
        if ((ulong)_tree.Size != Context.Header.Entries)
        {
            throw new RuleBrokenException(
                Rules.Entries, $"The header says {Context.Header.Entries} entries; there are {_tree.Size}.", TranscriptContext.CoordinatorName);
        }

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
    private void RequireComplete()
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

    private async Task<RuleBrokenException?> UnsignedAsync()
    {
        if (_attestations is null)
        {
            return null;
        }

        try
        {
            await _attestations.FlushAsync();
            return null;
        }
        catch (RuleBrokenException e)
        {
            return e;
        }
    }

    private void Report(bool isLast)
    {
        if (progress is not null && (isLast || reader.Offset - _reported >= ProgressBytes))
        {
            _reported = reader.Offset;
            progress.Report(new VerifyProgress(_tree.Size, (long)Math.Min(Context.Header.Entries, long.MaxValue), reader.Offset));
        }
    }
}
