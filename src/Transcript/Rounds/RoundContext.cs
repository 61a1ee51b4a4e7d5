using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>What the header of a horizontal job's transcript says, verified: who takes part in which job, by which keys.</summary>
internal sealed class RoundContext
{
    private readonly CheckpointVerifier[] _keys;

    private RoundContext(RoundTranscriptHeader header, SignedJob job, CheckpointVerifier coordinator, CheckpointVerifier[] parties)
    {
        Header = header;
        Job = job;
        _keys = [coordinator, .. parties];
        Origin = CheckpointNotes.OriginOf(header.Job, attempt: 1);
    }

    public RoundTranscriptHeader Header { get; }

    public SignedJob Job { get; }

    public JobSpecification Specification => Job.Specification;

    /// <summary>Of the job's log.</summary>
    public string Origin { get; }

    /// <summary>How many parties there are; their places count from 1.</summary>
    public int Parties => _keys.Length - 1;

    /// <summary>The key of a sender; 0 is the coordinator.</summary>
    public CheckpointVerifier KeyOf(uint place) => _keys[place];

    public string NameOf(uint place) => place == RoundCodec.Coordinator ? TranscriptContext.CoordinatorName : Specification.Parties[(int)place - 1].Name;

    /// <summary>Parses and verifies a header.</summary>
    /// <exception cref="RuleBrokenException">A rule does not hold.</exception>
    public static RoundContext Read(ReadOnlySpan<byte> body, VerifyOptions options)
    {
        RoundTranscriptHeader header = Parsing.Strictly(RoundTranscriptHeader.Parser, body, TranscriptFormat.MaxHeaderBytes, Rules.Format, "The header");
        Require(header.Version == TranscriptFormat.Version, $"The file has version {header.Version}; this software knows {TranscriptFormat.Version}.");
        Require(
            header.State is JobState.Done or JobState.Failed or JobState.Refused or JobState.Cancelled, $"The job's state {header.State} is not that of one that has ended.");
        Require(header.State != JobState.Done || header.Error is null, "A job that is done has no error.");
        SignedJob job = TranscriptContext.VerifyJob(header.SignedSpec);
        JobSpecification spec = job.Specification;
        Require(spec.Horizontal is not null, "The file is of a horizontal job, its job spec is not.");
        Require(header.Job == spec.Job, $"The header names the job {header.Job}, its spec {spec.Job}.");
        Require(header.Parties.Count == spec.Parties.Count, $"The header has the keys of {header.Parties.Count} parties; the job has {spec.Parties.Count}.");
        TranscriptContext.Pin(options.Job, header.Job, "job", TranscriptContext.CoordinatorName);
        TranscriptContext.Pin(options.Submitter, job.Submitter.Fingerprint, "submitter's key", TranscriptContext.SubmitterName);
        if (options.LabelParty is not null || options.FeatureParty is not null)
        {
            throw new RuleBrokenException(Rules.PinnedKey, "A label party and a feature party are pinned; a horizontal job has neither.", TranscriptContext.SubmitterName);
        }

        return new RoundContext(
            header, job, TranscriptContext.KeyOf(header.Coordinator, options.Coordinator, null, TranscriptContext.CoordinatorName),
            [.. spec.Parties.Select((party, i) => TranscriptContext.KeyOf(header.Parties[i], null, party.Fingerprint, party.Name))]);
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new RuleBrokenException(Rules.Header, otherwise, TranscriptContext.CoordinatorName);
        }
    }
}
