using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>Names of the rules that a transcript is held to; docs/transcript-format.md explains each under the same name.</summary>
public static class Rules
{
    /// <summary>Records, their lengths, their order, and the one encoding of each.</summary>
    public const string Format = "format";

    /// <summary>The file ends before its trailer does.</summary>
    public const string Truncated = "truncated";

    /// <summary>Bytes after the trailer.</summary>
    public const string TrailingBytes = "trailing-bytes";

    /// <summary>The header's own fields agree with each other and with the job spec.</summary>
    public const string Header = "header";

    /// <summary>The job spec is valid and signed by the key beside it.</summary>
    public const string JobSpec = "job-spec";

    /// <summary>A key is the one that the auditor or the job spec names.</summary>
    public const string PinnedKey = "pinned-key";

    /// <summary>A checkpoint key is well-formed and bound to its owner's identity.</summary>
    public const string CheckpointKey = "checkpoint-key";

    /// <summary>An entry's messages are well-formed and in range.</summary>
    public const string EntryFormat = "entry-format";

    /// <summary>An entry carries its sender's signature.</summary>
    public const string Attestation = "attestation";

    /// <summary>An entry belongs to this job and attempt.</summary>
    public const string Job = "job";

    /// <summary>Entries stand in canonical order.</summary>
    public const string Order = "order";

    /// <summary>A sender's numbers count from 0 without gap or repetition.</summary>
    public const string Sequence = "sequence";

    /// <summary>An entry names its sender's entry before it.</summary>
    public const string Chain = "chain";

    /// <summary>A sender's steps follow each other as the protocol allows.</summary>
    public const string Grammar = "grammar";

    /// <summary>Payload bytes are the ones whose hash and size the entry holds, and are there when they should.</summary>
    public const string Payload = "payload";

    /// <summary>KeyExchange holds the sender's identity key.</summary>
    public const string KeyExchange = "key-exchange";

    /// <summary>Both parties committed to this job spec and to one software release.</summary>
    public const string Commitment = "commitment";

    /// <summary>Results are committed to by hashes.</summary>
    public const string ResultCommitment = "result-commitment";

    /// <summary>Steps, rounds and sizes agree with the job spec and with each other.</summary>
    public const string Counts = "counts";

    /// <summary>What was disclosed stays within the guards, or the job spec accepts the risk.</summary>
    public const string Disclosure = "disclosure";

    /// <summary>In a horizontal job, parties whose update counted were asked and answered, and are as many as the spec demands.</summary>
    public const string Counted = "counted";

    /// <summary>In a horizontal job, scaling and sizes of the models agree with each other, and the final model with its rounds.</summary>
    public const string Model = "model";

    /// <summary>There are as many entries as the header says.</summary>
    public const string Entries = "entries";

    /// <summary>A job that is done has every phase's entries up to both JobClose, and every checkpoint.</summary>
    public const string Complete = "complete";

    /// <summary>A checkpoint is a note of this job's log, of a phase that was over, in order.</summary>
    public const string Checkpoint = "checkpoint";

    /// <summary>A checkpoint is signed by the coordinator.</summary>
    public const string CheckpointSignature = "checkpoint-signature";

    /// <summary>A checkpoint has the size and root of the entries up to its phase.</summary>
    public const string Tree = "tree";

    /// <summary>A party's co-signature verifies.</summary>
    public const string CoSignature = "co-signature";

    /// <summary>The delivery log is well-formed.</summary>
    public const string Deliveries = "deliveries";

    /// <summary>The file's bytes are those that its trailer names.</summary>
    public const string FileHash = "file-hash";

    /// <summary>The trailer is signed by the coordinator.</summary>
    public const string FileSignature = "file-signature";
}

/// <summary>Carries a broken rule to where it becomes a verdict or a <see cref="Protocol.VertFedException"/>; it never leaves the library.</summary>
internal sealed class RuleBrokenException(string rule, string message, string party = "", Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>One of <see cref="Rules"/>.</summary>
    public string Rule { get; } = rule;

    /// <summary>Who broke it, by name; empty where the file does not tell.</summary>
    public string Party { get; } = party;

    /// <summary>Index of the entry from 0, where it is about one.</summary>
    public long? EntryIndex { get; init; }

    /// <summary>The entry's step.</summary>
    public Step Step { get; init; }

    /// <summary>The entry's round.</summary>
    public uint Round { get; init; }

    /// <summary>The entry's step in a horizontal job; unspecified in others.</summary>
    public RoundStep RoundStep { get; init; }

    /// <summary>The entry's number among its sender's, in a horizontal job.</summary>
    public ulong? Sequence { get; init; }
}
