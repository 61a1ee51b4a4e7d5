using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>
/// What one pass over a file does whatever kind of job it is of: records come in their order, signatures are verified beside the reading, and progress
/// is told. The first broken rule in the file's order is the one that counts, and of two at one entry the signature's.
/// </summary>
internal abstract class VerificationPass<TEntry>(TranscriptReader reader, VerifyOptions options, IProgress<VerifyProgress>? progress) : IVerificationRun
    where TEntry : class
{
    private const long ProgressBytes = 16L * 1024 * 1024;

    private AttestationQueue<TEntry>? _attestations;
    private long _reported;

    protected TranscriptReader Reader => reader;

    protected VerifyOptions Options => options;

    /// <summary>The entries so far.</summary>
    protected MerkleTree Tree { get; } = new();

    /// <summary>Bytes of the payloads of the entries so far, by their cores.</summary>
    protected ulong PayloadBytes { get; set; }

    /// <summary>How many entries the header says there are.</summary>
    protected abstract ulong DeclaredEntries { get; }

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

    public abstract Verdict Describe(TranscriptFailure? failure);

    public abstract void Dispose();

    /// <summary>Checks one record.</summary>
    /// <exception cref="RuleBrokenException">It breaks a rule.</exception>
    protected abstract ValueTask TakeAsync(TranscriptRecord record);

    /// <summary>Checks, at the end of the file, that nothing is missing.</summary>
    /// <exception cref="RuleBrokenException">Something is.</exception>
    protected abstract void RequireComplete();

    /// <summary>Sets up the checks of signatures; before the first entry.</summary>
    /// <param name="verify">Throws <see cref="ErrorCode.ProtocolViolation"/> where an entry is not its sender's; called on any thread.</param>
    /// <param name="unsigned">The rule that such an entry breaks.</param>
    protected void BeginEntries(Action<TEntry> verify, Func<TEntry, RuleBrokenException> unsigned)
    {
        _attestations = new AttestationQueue<TEntry>(
            entry =>
            {
                try
                {
                    verify(entry);
                    return true;
                }
                catch (VertFedException e) when (e.Code == ErrorCode.ProtocolViolation)
                {
                    return false;
                }
            },
            unsigned);
    }

    /// <summary>Has the signature of an entry verified, now or later.</summary>
    /// <exception cref="RuleBrokenException">An earlier entry is not its sender's.</exception>
    protected ValueTask CheckSignatureAsync(TEntry entry) => _attestations!.AddAsync(entry);

    /// <summary>After the last entry: all are signed, and as many as the header says.</summary>
    /// <exception cref="RuleBrokenException">One is not, or the count differs.</exception>
    protected async ValueTask RequireEntriesAsync()
    {
        await _attestations!.FlushAsync();
        if ((ulong)Tree.Size != DeclaredEntries)
        {
            throw new RuleBrokenException(Rules.Entries, $"The header says {DeclaredEntries} entries; there are {Tree.Size}.", TranscriptContext.CoordinatorName);
        }
    }

    /// <summary>What a verdict says of a file of either kind, whether or not its header could be read.</summary>
    protected Verdict DescribeFile(TranscriptFailure? failure, ulong checkedBytes) => new()
    {
        Failure = failure,
        Entries = Tree.Size,
        FileBytes = reader.Offset,
        PayloadBytes = (long)PayloadBytes,
        UncheckedPayloadBytes = (long)(PayloadBytes - checkedBytes),
        FileHash = reader.FileHash is { } hash ? Convert.ToHexStringLower(hash) : "",
        Root = Convert.ToHexStringLower(Tree.Root()),
    };

    /// <summary>How complete a file is, by its verdict's failure, the job's end and the signatures that its last checkpoint lacks.</summary>
    protected static Completeness CompletenessOf(TranscriptFailure? failure, bool isDone, IReadOnlyList<string> notCoSigned) =>
        failure is not null ? Completeness.Unknown
        : !isDone ? Completeness.Ended
        : notCoSigned.Count == 0 ? Completeness.CoSigned
        : Completeness.NotCoSigned;

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
            progress.Report(new VerifyProgress(Tree.Size, (long)Math.Min(DeclaredEntries, long.MaxValue), reader.Offset));
        }
    }
}
