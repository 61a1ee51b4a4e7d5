using System.Security.Cryptography;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>Hashes the payload records of one entry after the other, and hands on those that travelled in the clear.</summary>
internal sealed class PayloadCheck(TranscriptContext context) : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly ClearMessages _clear = new(context);
    private readonly bool _full = context.Header.Payloads == Payloads.Full;
    private readonly MemoryStream _kept = new();
    private EntryView? _entry;
    private ulong _size;
    private bool _lastPartWasShort;

    /// <summary>Sealed bytes whose hash was compared.</summary>
    public ulong CheckedBytes { get; private set; }

    /// <summary>What the parties committed to, as far as the file has it.</summary>
    public Commitment? CommitmentOf(Role role) => _clear.CommitmentOf(role);

    /// <summary>The records that follow are this entry's payload.</summary>
    public void Begin(EntryView entry)
    {
        _entry = entry;
        _size = 0;
        _lastPartWasShort = false;
        _kept.SetLength(0);
    }

    /// <summary>Takes a payload record.</summary>
    /// <exception cref="RuleBrokenException">It is empty, follows a short one, is not wanted, or goes beyond the entry's size.</exception>
    public void Append(ReadOnlySpan<byte> part)
    {
        EntryView entry = _entry ?? throw new RuleBrokenException(Rules.Format, "A payload stands where no entry is.", TranscriptContext.CoordinatorName);
        entry.Require(
            part.Length > 0 && !_lastPartWasShort,
            Rules.Format,
            $"The payload is not cut into records of {TranscriptFormat.PayloadPartBytes} bytes and a last one.",
            TranscriptContext.CoordinatorName);
        _lastPartWasShort = part.Length < TranscriptFormat.PayloadPartBytes;
        _size += (ulong)part.Length;
        entry.Require(
            _full || IsClear(entry),
            Rules.Payload,
            "A sealed payload stands in a file that says it has none.",
            TranscriptContext.CoordinatorName);
        entry.Require(
            _size <= entry.Envelope.Core.PayloadSize,
            Rules.Payload,
            $"The payload is longer than the {entry.Envelope.Core.PayloadSize} bytes that its core says.",
            TranscriptContext.CoordinatorName);
        _hash.AppendData(part);
        if (IsClear(entry) && _kept.Length + part.Length <= ClearMessages.MaxBytes)
        {
            _kept.Write(part);
        }
    }

    /// <summary>The entry's payload is over: size, hash, and what stands in it if it is in the clear.</summary>
    /// <exception cref="RuleBrokenException">Another payload than the core's, none where one is due, or a message that breaks a rule.</exception>
    public void End()
    {
        if (_entry is not { } entry)
        {
            return;
        }

        _entry = null;
        EnvelopeCore core = entry.Envelope.Core;
        if (!_full && !IsClear(entry))
        {
            // Only the hash was kept; a record would have been refused.
            return;
        }

        Span<byte> hash = stackalloc byte[MerkleTree.HashBytes];
        _hash.GetHashAndReset(hash);
        entry.Require(
            _size == core.PayloadSize,
            Rules.Payload,
            $"The payload has {_size} bytes, its core says {core.PayloadSize}.",
            TranscriptContext.CoordinatorName);
        entry.Require(
            hash.SequenceEqual(core.PayloadHash.Span),
            Rules.Payload,
            "The payload is not the one whose hash its core holds.",
            TranscriptContext.CoordinatorName);
        CheckedBytes += _size;
        if (IsClear(entry))
        {
            entry.Require(_size <= ClearMessages.MaxBytes, Rules.EntryFormat, $"The message has more than {ClearMessages.MaxBytes} bytes.");
            _clear.Take(entry, _kept.GetBuffer().AsSpan(0, (int)_size));
        }
    }

    public void Dispose()
    {
        _hash.Dispose();
        _kept.Dispose();
    }

    private static bool IsClear(EntryView entry) => !PhaseGrammar.Rule(entry.Header.Step).Sealed;
}
