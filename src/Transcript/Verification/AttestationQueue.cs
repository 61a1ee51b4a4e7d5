using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>
/// Verifies signatures of entries in batches beside the reading, on all processors; at most two batches are in memory. Nothing is reported
/// before <see cref="FlushAsync"/>, so what is found first does not depend on timing.
/// </summary>
internal sealed class AttestationQueue(TranscriptContext context)
{
    private const int BatchEntries = 256;

    private List<EntryView> _batch = [];
    private Task<EntryView?> _running = Task.FromResult<EntryView?>(null);

    /// <summary>Adds an entry; waits when two batches are full.</summary>
    /// <exception cref="RuleBrokenException">An earlier entry is not its sender's.</exception>
    public async ValueTask AddAsync(EntryView entry)
    {
        _batch.Add(entry);
        if (_batch.Count < BatchEntries)
        {
            return;
        }

        await RequireAsync();
        List<EntryView> full = _batch;
        _batch = [];
        _running = Task.Run(() => FirstBad(full));
    }

    /// <summary>Waits until every entry that was added is verified.</summary>
    /// <exception cref="RuleBrokenException">One is not its sender's; the first is named.</exception>
    public async Task FlushAsync()
    {
        await RequireAsync();
        EntryView? bad = FirstBad(_batch);
        _batch = [];
        Require(bad);
    }

    private async Task RequireAsync()
    {
        EntryView? bad = await _running;
        Require(bad);
    }

    private void Require(EntryView? bad)
    {
        if (bad is not null)
        {
            throw bad.Broken(Rules.Attestation, $"The signature on envelope {bad.Header.Sequence} ({bad.Name}) is not by the identity of '{bad.Party}'.");
        }
    }

    private EntryView? FirstBad(List<EntryView> entries)
    {
        bool[] good = new bool[entries.Count];
        Parallel.For(0, entries.Count, i => good[i] = IsSigned(entries[i]));
        int first = Array.IndexOf(good, false);
        return first < 0 ? null : entries[first];
    }

    private bool IsSigned(EntryView entry)
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
}
