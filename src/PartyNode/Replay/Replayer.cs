using System.Diagnostics;
using System.Globalization;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Scoring;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Replay;

/// <summary>
/// Runs a party's role again on the recorded messages of the peer, with the party's own data, policy and root seed, and holds every
/// envelope that it makes to the recorded one. The role code is the one that ran the job; only journal and transport are others.
/// </summary>
internal sealed class Replayer(PartyConfig config, Identity identity, IPartyStore store, ProgressWriter progress, NodeLog log)
{
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: the transcript is not of a job of this party, or its secrets are
    /// not here. <see cref="ErrorCode.DoesNotVerify"/>: the transcript is damaged. <see cref="ErrorCode.BadInput"/>: the data file.</exception>
    public async Task<ReplayVerdict> RunAsync(TranscriptIndex transcript, CancellationToken cancellationToken)
    {
        JobSpecification job = transcript.Job.Specification;
        if (job.Party(config.Role).Fingerprint != identity.Fingerprint)
        {
            throw new VertFedException(
                ErrorCode.Usage, $"The transcript's {config.Role} is '{job.Party(config.Role).Name}' with another identity key than '{config.Name}' has.");
        }

        AttemptRecord secrets = await store.LoadAttemptAsync(job.Job, transcript.Header.Attempt, cancellationToken)
            ?? throw new VertFedException(
                ErrorCode.Usage, $"'{config.Name}' has no record of job {job.Job}, attempt {transcript.Header.Attempt}: without the root seed there is no replay.");
        Stopwatch clock = Stopwatch.StartNew();
        PreparedInput input = await LoadAsync(job, cancellationToken);
        SessionRecord record = new(job, config.Name, config.Role);
        Comparison comparison = new(transcript, config, progress);

        // What the party recorded of spec, policy and build is not taken from it: Commitment holds the present ones to the transcript. The
        // data root only keys the randomness; whether the rows are the same, Commitment shows as well.
        AttemptRecord present = secrets with
        {
            SpecHash = transcript.Job.SpecHash,
            PolicyHash = config.Policy.Hash(),
            SoftwareVersion = SoftwareVersion.Current,
        };
        ReplayJournal journal = new(transcript, config.Role, present, store, comparison.Reached);
        try
        {
            SessionRunner runner = new(config, identity, journal, history: null, progress, log);
            await runner.RunAsync(transcript.Job, secrets.Attempt, input, secrets.DataRoot, record, journal, cancellationToken);
            comparison.End();
        }
        catch (TranscriptEndException end)
        {
            comparison.End(end, transcript.Header.State);
        }
        catch (VertFedException e) when (e.Code is not (ErrorCode.Storage or ErrorCode.DoesNotVerify or ErrorCode.Internal))
        {
            comparison.End(e);
        }

        record.TranscriptRoot = transcript.Root();
        byte[]? model = record.Result is not null && record.Close is not null
            ? ReportWriter.SerialiseModel(record.ToPart(JobState.Done, error: null))
            : null;
        return comparison.Verdict with
        {
            Model = await CompareModelAsync(job.Job, secrets.Attempt, model, cancellationToken),
            ReplayedModel = model,
            Seconds = clock.Elapsed.TotalSeconds,
            Session = record,
        };
    }

    private async Task<PreparedInput> LoadAsync(JobSpecification job, CancellationToken cancellationToken) => job.Kind == JobKind.Score
        ? PreparedInput.Load(config, job, await ScoringModel.LoadAsync(store, job, config.Role, mayBeArchived: true, cancellationToken), cancellationToken)
        : PreparedInput.Load(config, job, cancellationToken);

    /// <summary>Both places where a party keeps its half of the model are held to the replayed one.</summary>
    private async Task<ModelFinding> CompareModelAsync(string job, uint attempt, byte[]? replayed, CancellationToken cancellationToken)
    {
        if (replayed is null)
        {
            return ModelFinding.None;
        }

        byte[]? stored = (await store.ReadResultAsync(job, attempt, cancellationToken))?.Model;
        string file = Path.Combine(config.DataDirectory, "jobs", job, "model.json");
        byte[]? written = File.Exists(file) ? await File.ReadAllBytesAsync(file, cancellationToken) : null;
        byte[]?[] kept = [stored, written];
        return kept.All(model => model is null) ? ModelFinding.None
            : kept.All(model => model is null || model.AsSpan().SequenceEqual(replayed)) ? ModelFinding.Same
            : ModelFinding.Differs;
    }

    /// <summary>Counts what matched and says in words where it stopped matching.</summary>
    private sealed class Comparison(TranscriptIndex transcript, PartyConfig config, ProgressWriter progress)
    {
        private readonly long _recorded = transcript.CountOf(config.Role);
        // Own envelopes that the role has made; the last of them may be the one that differs.
        private long _made;

        public ReplayVerdict Verdict { get; private set; } = new() { Party = config.Name, Matched = 0, Recorded = 0 };

        /// <summary>The role has made this envelope, and those before it came out as recorded.</summary>
        public void Reached(ulong sequence)
        {
            _made = (long)sequence + 1;
            progress.Replayed(config.Name, (long)sequence, _recorded);
        }

        /// <summary>The role ran to its end.</summary>
        public void End() => Verdict = Make(IsShort() ? Short("") : "");

        /// <summary>The role wants more than the transcript has: so it must be where a job without a result ended.</summary>
        public void End(TranscriptEndException end, JobState state)
        {
            string difference = state != JobState.Done
                ? (IsShort() ? Short("it waits for an envelope of the peer that the transcript does not have") : "")
                : end.Header is { } header
                    ? $"The replay sends {header.Step} as envelope {header.Sequence}, which the transcript does not have."
                    : "The replay waits for an envelope of the peer that the transcript does not have.";
            Verdict = Make(difference) with
            {
                Ending = difference.Length == 0 ? $"the record ends here, as the job did ({ReportWriter.StatusName(state)})" : "",
            };
        }

        /// <summary>The role ended by an error: by a difference, or as the recorded job ended.</summary>
        public void End(VertFedException error)
        {
            if (error.Code == ErrorCode.Diverges)
            {
                _made = (long?)error.Divergence?.Sequence ?? _made;
                Verdict = Make(error.Message) with
                {
                    Divergence = error.Divergence,
                    Entry = error.Divergence is { } where ? transcript.IndexOf(where.Sender, where.Sequence) : null,
                };
                return;
            }

            Verdict = IsShort() ? Make(Short(error.Message)) : Make("") with { Ending = error.Message };
        }

        private bool IsShort() => _made < _recorded;

        private string Short(string why) => string.Create(
            CultureInfo.InvariantCulture,
            $"The replay ends after {_made} envelopes of '{config.Name}'; the transcript has {_recorded}{(why.Length > 0 ? $" ({why})" : "")}.");

        private ReplayVerdict Make(string difference) => new()
        {
            Party = config.Name,
            Matched = Math.Min(_made, _recorded),
            Recorded = _recorded,
            Difference = difference,
        };
    }
}
