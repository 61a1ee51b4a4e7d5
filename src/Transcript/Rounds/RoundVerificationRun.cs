using System.Diagnostics;
using System.Security.Cryptography;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// One pass over the transcript of a horizontal job, in the order of the coordinator's record. Memory: a leaf hash an entry, since a checkpoint may be
/// of any number of entries.
/// </summary>
internal sealed class RoundVerificationRun(TranscriptReader reader, VerifyOptions options, IProgress<VerifyProgress>? progress)
    : VerificationPass<RoundEntryView>(reader, options, progress)
{
    private readonly List<byte[]> _leaves = [];
    private RoundContext? _context;
    private RoundTrail[] _chains = [];
    private RoundGrammar? _grammar;
    private RoundLedgerBuilder? _ledger;
    private RoundHeadCheck? _heads;
    private RoundEntryView? _awaited;
    private bool _entriesAreOver;
    private ulong _checkedBytes;

    private RoundContext Context => _context ?? throw new UnreachableException();

    protected override ulong DeclaredEntries => Context.Header.Entries;

    public override Verdict Describe(TranscriptFailure? failure)
    {
        Verdict verdict = DescribeFile(failure, _checkedBytes) with { Checkpoints = _heads?.Verified ?? [], Remarks = _grammar?.Remarks ?? [] };
        if (_context is not { } context)
        {
            return verdict;
        }

        bool isDone = context.Header.State == JobState.Done;
        IReadOnlyList<string> missing = failure is null && isDone ? _heads!.NotCoSigned() : [];
        return verdict with
        {
            Job = context.Header.Job,
            Attempt = 1,
            State = context.Header.State,
            Error = context.Header.Error,
            Submitter = context.Job.Submitter.Fingerprint,
            Coordinator = context.KeyOf(RoundCodec.Coordinator).Identity.Fingerprint,
            IsPinned = Options.Submitter is not null && Options.Coordinator is not null,
            Parties = [.. context.Specification.Parties.Select(party => party.Name)],
            NotCoSigned = missing,
            Completeness = CompletenessOf(failure, isDone, missing),
            RoundLedger = failure is null ? _ledger!.Build() : null,
        };
    }

    public override void Dispose()
    {
    }

    protected override async ValueTask TakeAsync(TranscriptRecord record)
    {
        if (record.Type != RecordType.Payload)
        {
            EndEntry();
        }

        switch (record.Type)
        {
            case RecordType.Header:
                Begin(RoundContext.Read(record.Body.Span, Options));
                break;
            case RecordType.Entry:
                await TakeEntryAsync(ParseEntry(record.Body.Span));
                break;
            case RecordType.Payload:
                TakePayload(record.Body);
                break;
            case RecordType.Checkpoint:
                await EndEntriesAsync();
                _heads!.Take(record.Body.Span, _leaves);
                break;
            case RecordType.Deliveries:
                throw new RuleBrokenException(Rules.Format, "The transcript of a horizontal job has no delivery log.", TranscriptContext.CoordinatorName);
            case RecordType.Trailer:
                await EndEntriesAsync();
                TrailerCheck.Require(record.Body.Span, Reader.FileHash!, Context.KeyOf(RoundCodec.Coordinator).Identity);
                break;
            default:
                throw new UnreachableException();
        }
    }

    private void Begin(RoundContext context)
    {
        _context = context;
        _chains = [.. Enumerable.Range(0, context.Parties + 1).Select(place => new RoundTrail(context.Header.Job, (uint)place))];
        BeginEntries(
            entry => RoundCodec.Verify(entry.Envelope, context.KeyOf(entry.Header.Sender).Identity),
            entry => entry.Broken(Rules.Attestation, $"The signature on envelope {entry.Header.Sequence} ({entry.Name}) is not by the identity of '{entry.Party}'."));
        _grammar = new RoundGrammar(context);
        _ledger = new RoundLedgerBuilder(context);
        _heads = new RoundHeadCheck(context);
    }

    protected override void RequireComplete() => _heads!.RequireComplete(Tree.Size);

    private RoundEntryView ParseEntry(ReadOnlySpan<byte> body)
    {
        try
        {
            TranscriptEntry entry = StrictParser.Parse(TranscriptEntry.Parser, body, TranscriptFormat.MaxEntryBytes, "An entry");
            RoundEnvelope envelope = RoundCodec.Parse(new Envelope { Core = entry.Core, Attestation = entry.Attestation }, withPayload: false);
            uint most = (uint)Context.Parties;
            return envelope.Header.Sender <= most && (envelope.Header.Recipient <= most || envelope.Header.Recipient == RoundCodec.Everyone)
                ? new RoundEntryView(Tree.Size, envelope, RoundCore.Parser.ParseFrom(entry.Core), Context.NameOf(envelope.Header.Sender))
                : throw new VertFedException(ErrorCode.ProtocolViolation, $"The entry is between place {envelope.Header.Sender} and {envelope.Header.Recipient}; the job has {most} parties.");
        }
        catch (VertFedException e)
        {
            throw new RuleBrokenException(Rules.EntryFormat, e.Message, TranscriptContext.CoordinatorName, e) { EntryIndex = Tree.Size };
        }
    }

    private async ValueTask TakeEntryAsync(RoundEntryView entry)
    {
        RoundHeader header = entry.Header;
        await CheckSignatureAsync(entry);
        entry.Require(header.Job == Context.Header.Job, Rules.Job, $"The entry belongs to job {header.Job}.", TranscriptContext.CoordinatorName);
        RoundTrail chain = _chains[header.Sender];
        entry.Require(
            header.Sequence == chain.Next, Rules.Sequence,
            $"Envelope {header.Sequence} of '{entry.Party}' comes where its envelope {chain.Next} is due: one is missing, or is there twice.", TranscriptContext.CoordinatorName);
        entry.Require(
            chain.Objection(entry.Envelope) is null, Rules.Chain,
            $"Envelope {header.Sequence} of '{entry.Party}' names another envelope before it than the one in the transcript.");
        chain.Add(entry.Envelope);
        PayloadBytes += entry.Core.PayloadSize;
        if (header.Sender != RoundCodec.Coordinator)
        {
            if (_grammar!.Answer(entry))
            {
                _ledger!.Answer(entry);
            }

            Append(entry);
        }
        else if (!entry.HasPayload)
        {
            _grammar!.Say(entry, default);
            Append(entry);
        }
        else
        {
            // What it says stands in the record that follows.
            _awaited = entry;
        }
    }

    private void TakePayload(ReadOnlyMemory<byte> body)
    {
        RoundEntryView entry = _awaited ?? throw new RuleBrokenException(
            Rules.Payload, "A payload stands where none belongs: the file holds those of the coordinator's words alone, one record each.", TranscriptContext.CoordinatorName) { EntryIndex = Tree.Size - 1 };
        entry.Require((ulong)body.Length == entry.Core.PayloadSize && body.Length > 0, Rules.Payload, $"The payload has {body.Length} bytes; its core says {entry.Core.PayloadSize}.", TranscriptContext.CoordinatorName);
        entry.Require(SHA256.HashData(body.Span).AsSpan().SequenceEqual(entry.Core.PayloadHash.Span), Rules.Payload, "The payload is not the one whose hash the core holds.", TranscriptContext.CoordinatorName);
        _checkedBytes += (ulong)body.Length;
        _awaited = null;
        _grammar!.Say(entry, body);
        _ledger!.Say(entry, body);
        Append(entry);
    }

    private void EndEntry()
    {
        if (_awaited is { } entry)
        {
            throw entry.Broken(Rules.Payload, $"The payload of {entry.Name}, of {entry.Core.PayloadSize} bytes, is missing.", TranscriptContext.CoordinatorName);
        }
    }

    private void Append(RoundEntryView entry)
    {
        byte[] leaf = MerkleTree.HashLeaf(entry.Envelope.Message.Core.Span);
        _leaves.Add(leaf);
        Tree.AppendHash(leaf);
    }

    private async ValueTask EndEntriesAsync()
    {
        if (_entriesAreOver)
        {
            return;
        }

        _entriesAreOver = true;
        await RequireEntriesAsync();
        if (Context.Header.State == JobState.Done && !_grammar!.IsClosed)
        {
            throw new RuleBrokenException(Rules.Complete, "The job is done, but there is no final model.", TranscriptContext.CoordinatorName);
        }
    }
}
