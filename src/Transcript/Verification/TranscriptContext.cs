using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>What a transcript's header says, verified: who takes part in which job, by which keys.</summary>
internal sealed class TranscriptContext
{
    /// <summary>Name of the file's maker in failures.</summary>
    public const string CoordinatorName = "coordinator";

    /// <summary>Name of who signed the job spec in failures.</summary>
    public const string SubmitterName = "submitter";

    private TranscriptContext(TranscriptHeader header, SignedJob job, CheckpointVerifier coordinator, CheckpointVerifier label, CheckpointVerifier feature)
    {
        Header = header;
        Job = job;
        Coordinator = coordinator;
        LabelParty = label;
        FeatureParty = feature;
        Origin = CheckpointNotes.OriginOf(header.Job, header.Attempt);
    }

    public TranscriptHeader Header { get; }

    public SignedJob Job { get; }

    public JobSpecification Specification => Job.Specification;

    public CheckpointVerifier Coordinator { get; }

    public CheckpointVerifier LabelParty { get; }

    public CheckpointVerifier FeatureParty { get; }

    /// <summary>Of the job's log.</summary>
    public string Origin { get; }

    public CheckpointVerifier KeyOf(Role role) => role == Role.LabelParty ? LabelParty : FeatureParty;

    public string NameOf(Role role) => Specification.Party(role).Name;

    /// <summary>Parses and verifies a header.</summary>
    /// <exception cref="RuleBrokenException">A rule does not hold.</exception>
    public static TranscriptContext Read(ReadOnlySpan<byte> body, VerifyOptions options)
    {
        TranscriptHeader header = Parsing.Strictly(TranscriptHeader.Parser, body, TranscriptFormat.MaxHeaderBytes, Rules.Format, "The header");
        Require(header.Version == TranscriptFormat.Version, Rules.Header, $"The file has version {header.Version}; this software knows {TranscriptFormat.Version}.");
        Require(
            header.State is JobState.Done or JobState.Failed or JobState.Refused or JobState.Cancelled,
            Rules.Header,
            $"The job's state {header.State} is not that of one that has ended.");
        Require(header.State != JobState.Done || header.Error is null, Rules.Header, "A job that is done has no error.");
        Require(header.Attempt >= 1, Rules.Header, "Attempts count from 1.");
        Require(header.Payloads is Payloads.Full or Payloads.Hashes, Rules.Header, "The header does not say whether payloads follow.");
        SignedJob job = VerifyJob(header.SignedSpec);
        Require(header.Job == job.Specification.Job, Rules.Header, $"The header names the job {header.Job}, its spec {job.Specification.Job}.");
        Require(
            header.Payloads == Payloads.Hashes || job.Specification.Payloads == Payloads.Full,
            Rules.Header,
            "The file has payloads that the job spec asks the coordinator not to keep.");
        Pin(options.Job, header.Job, "job", CoordinatorName);
        Pin(options.Submitter, job.Submitter.Fingerprint, "submitter's key", SubmitterName);
        JobSpecification spec = job.Specification;
        return new TranscriptContext(
            header,
            job,
            KeyOf(header.Coordinator, options.Coordinator, null, CoordinatorName),
            KeyOf(header.LabelParty, options.LabelParty, spec.LabelParty.Fingerprint, spec.LabelParty.Name),
            KeyOf(header.FeatureParty, options.FeatureParty, spec.FeatureParty.Fingerprint, spec.FeatureParty.Name));
    }

    /// <exception cref="RuleBrokenException">There is none, or it is not one that its submitter signed.</exception>
    internal static SignedJob VerifyJob(SignedJobSpec? spec)
    {
        Require(spec is not null, Rules.JobSpec, "The header has no job spec.");
        try
        {
            return SignedJob.Verify(spec!);
        }
        catch (VertFedException e)
        {
            throw new RuleBrokenException(Rules.JobSpec, e.Message, SubmitterName, e);
        }
    }

    /// <param name="pinned">The fingerprint that the auditor pins; null: any.</param>
    /// <param name="named">The fingerprint that the job spec names; null: none.</param>
    /// <exception cref="RuleBrokenException">It is missing, malformed, or another's.</exception>
    internal static CheckpointVerifier KeyOf(CheckpointKey? key, string? pinned, string? named, string who)
    {
        if (key is null)
        {
            throw new RuleBrokenException(Rules.CheckpointKey, $"The header has no key of '{who}'.", who);
        }

        string fingerprint = FingerprintOf(key.IdentityKey, who);
        Pin(named, fingerprint, $"identity of '{who}'", who);
        Pin(pinned, fingerprint, $"identity of '{who}'", who);
        try
        {
            return CheckpointVerifier.Parse(key, fingerprint, who);
        }
        catch (VertFedException e)
        {
            throw new RuleBrokenException(Rules.CheckpointKey, e.Message, who, e);
        }
    }

    private static string FingerprintOf(ByteString identity, string who)
    {
        try
        {
            return PeerIdentity.Parse(identity.Span).Fingerprint;
        }
        catch (VertFedException e)
        {
            throw new RuleBrokenException(Rules.CheckpointKey, e.Message, who, e);
        }
    }

    /// <exception cref="RuleBrokenException">Something else was expected.</exception>
    internal static void Pin(string? expected, string found, string what, string who)
    {
        if (expected is not null && expected != found)
        {
            throw new RuleBrokenException(Rules.PinnedKey, $"The {what} is {found}; {expected} was expected.", who);
        }
    }

    private static void Require(bool holds, string rule, string otherwise)
    {
        if (!holds)
        {
            throw new RuleBrokenException(rule, otherwise, rule == Rules.JobSpec ? SubmitterName : CoordinatorName);
        }
    }
}
