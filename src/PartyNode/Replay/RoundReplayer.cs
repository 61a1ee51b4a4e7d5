using System.Diagnostics;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Rounds;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Replay;

/// <summary>
/// Runs a party's part of a horizontal job again on what the coordinator said, with the party's own data and root seed, and holds every envelope that it makes to
/// the recorded one. The session is the one that ran the job. It is asked what the record has answers to: what the party left unanswered, since it was
/// down or not invited, is passed over.
/// </summary>
internal sealed class RoundReplayer(PartyConfig config, Identity identity, IPartyStore store, ProgressWriter progress)
{
    private const uint JobAttempt = 1;
    private const int Page = 512;

    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: the transcript is not of a job of this party, or its secrets are not here.
    /// <see cref="ErrorCode.BadInput"/>: the data file, or payloads that are not kept any more.</exception>
    public async Task<ReplayVerdict> RunAsync(RoundIndex transcript, CancellationToken cancellationToken)
    {
        JobSpecification job = transcript.Job.Specification;
        uint place = (uint)job.Parties.TakeWhile(party => party.Fingerprint != identity.Fingerprint).Count() + 1;
        if (place > job.Parties.Count)
        {
            throw new VertFedException(ErrorCode.Usage, $"No party of the transcript has the identity key that '{config.Name}' has.");
        }

        AttemptRecord secrets = await store.LoadAttemptAsync(job.Job, JobAttempt, cancellationToken)
            ?? throw new VertFedException(ErrorCode.Usage, $"'{config.Name}' has no record of job {job.Job}: without the root seed there is no replay.");
        Stopwatch clock = Stopwatch.StartNew();
        PreparedInput input = PreparedInput.Load(config, job, cancellationToken);
        RoundInput rows = await Task.Run(() => RoundInput.Of(input, job), cancellationToken);
        string folder = Path.Combine(config.DataDirectory, "jobs", job.Job);
        IReadOnlyList<RoundIndex.Entry> own = transcript.Of(place);
        RoundReplayVoice voice = new(job.Job, place, identity, own, reached => progress.Replayed(config.Name, reached, own.Count));
        RoundMemory memory = RoundMemory.ForReplay(folder);
        using RoundSession session = new(job, transcript.Job.SpecHash, place, rows, secrets.RootSeed, memory, voice, identity) { Capacity = memory.FixCapacity(1) };
        ReplayVerdict verdict = new() { Party = config.Name, Matched = 0, Recorded = own.Count };
        byte[]? model = null;
        try
        {
            RoundResult result = await session.RunAsync(FramesAsync(transcript, place, own, voice, cancellationToken), cancellationToken);
            model = RoundPart.Model(job, result with { TranscriptRoot = transcript.Root() });
        }
        catch (RoundDivergedException difference)
        {
            verdict = verdict with { Rounds = difference, Difference = Describe(difference) };
        }
        catch (VertFedException e) when (e.Code == ErrorCode.PeerUnavailable)
        {
            // With distillation the party may have none of its own though the job came to its end: the job ended so here too.
            verdict = verdict with { Ending = transcript.Final is null ? "the record ends here, without a final model" : e.Message };
        }
        catch (VertFedException e) when (e.Code == ErrorCode.ProtocolViolation)
        {
            verdict = voice.Matched == own.Count ? verdict with { Ending = e.Message } : verdict with { Difference = $"The replay ends after {voice.Matched} envelopes of '{config.Name}': {e.Message}" };
        }

        return verdict with
        {
            Matched = voice.Matched,
            Model = await CompareModelAsync(job.Job, folder, model, cancellationToken),
            ReplayedModel = model,
            Seconds = clock.Elapsed.TotalSeconds,
        };
    }

    /// <summary>The questions that the record has this party's answers to, in the order of the answers, and the final model.</summary>
    private async IAsyncEnumerable<RoundFrame> FramesAsync(
        RoundIndex transcript, uint place, IReadOnlyList<RoundIndex.Entry> own, RoundReplayVoice voice, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Dictionary<ulong, ulong> kept = await KeptAsync(transcript.Job.Specification.Job, cancellationToken);
        for (int i = 0; i < own.Count; i++)
        {
            RoundHeader answer = own[i].Header;
            if (answer.Step == RoundStep.SumLost)
            {
                // The node had started again in this sum: that is no matter of data or seed, and nothing follows from it.
                await voice.AnswerAsync(answer, RoundStep.SumLost, new SumLost(), cancellationToken);
                continue;
            }

            RoundIndex.Entry question = QuestionsOf(answer.Step).Select(step => transcript.Question(step, answer.Round, answer.Attempt, place)).FirstOrDefault(found => found is not null)
                ?? throw new RoundDivergedException(own[i], "");
            yield return await FrameAsync(transcript, question, kept, cancellationToken);
            if (voice.Matched != i + 1)
            {
                throw new RoundDivergedException(own[i], "");
            }
        }

        if (transcript.Final is { } final)
        {
            yield return await FrameAsync(transcript, final, kept, cancellationToken);
        }
    }

    private async Task<RoundFrame> FrameAsync(RoundIndex transcript, RoundIndex.Entry entry, Dictionary<ulong, ulong> kept, CancellationToken cancellationToken)
    {
        RoundEnvelope envelope = await transcript.ReadAsync(
            entry,
            async sequence => kept.TryGetValue(sequence, out ulong number)
                ? await store.ReadInboundAsync(transcript.Job.Specification.Job, JobAttempt, number, cancellationToken)
                : null,
            cancellationToken);
        return new RoundFrame(envelope, ResumeFrom: 0, transcript.Coordinator);
    }

    /// <summary>[the coordinator's sequence] = the number under which this party has kept what it heard.</summary>
    private async Task<Dictionary<ulong, ulong>> KeptAsync(string job, CancellationToken cancellationToken)
    {
        Dictionary<ulong, ulong> kept = [];
        while (true)
        {
            IReadOnlyList<JournalEntry> page = await store.ReadEntriesAsync(job, JobAttempt, inbound: true, (ulong)kept.Count, Page, cancellationToken);
            foreach (JournalEntry entry in page)
            {
                Envelope envelope = new() { Core = ByteString.CopyFrom(entry.Core), Attestation = ByteString.CopyFrom(entry.Attestation) };
                kept[RoundCodec.Parse(envelope, withPayload: false).Header.Sequence] = (ulong)kept.Count;
            }

            if (page.Count < Page)
            {
                return kept;
            }
        }
    }

    private static RoundStep[] QuestionsOf(RoundStep answer) => answer switch
    {
        RoundStep.Schema => [RoundStep.SchemaOrder],
        RoundStep.ScalingSums => [RoundStep.ScalingOrder],
        RoundStep.ModelUpdate => [RoundStep.ModelOrder],
        RoundStep.SumKeys => [RoundStep.ModelOrder, RoundStep.ScalingOrder],
        RoundStep.SumShares => [RoundStep.SumKeyList],
        RoundStep.SumMasked => [RoundStep.SumShareBundle],
        RoundStep.SumUnmasking => [RoundStep.SumSurvivors],
        _ => [],
    };

    private string Describe(RoundDivergedException difference)
    {
        RoundHeader header = difference.Entry.Header;
        string what = header.Round == 0 ? $"{header.Step}" : $"{header.Step} of round {header.Round}, attempt {header.Attempt}";
        return difference.Field.Length == 0
            ? $"The replay has no answer where '{config.Name}' sent {what} as its envelope {header.Sequence}."
            : $"{what}, envelope {header.Sequence} of '{config.Name}': its {difference.Field} is not what the data and the seed give.";
    }

    /// <summary>Both places where a party keeps the model are held to the replayed one.</summary>
    private async Task<ModelFinding> CompareModelAsync(string job, string folder, byte[]? replayed, CancellationToken cancellationToken)
    {
        if (replayed is null)
        {
            return ModelFinding.None;
        }

        byte[]? stored = (await store.ReadResultAsync(job, JobAttempt, cancellationToken))?.Model;
        string file = Path.Combine(folder, "model.json");
        byte[]? written = File.Exists(file) ? await File.ReadAllBytesAsync(file, cancellationToken) : null;
        byte[]?[] kept = [stored, written];
        return kept.All(model => model is null) ? ModelFinding.None
            : kept.All(model => model is null || model.AsSpan().SequenceEqual(replayed)) ? ModelFinding.Same
            : ModelFinding.Differs;
    }
}
