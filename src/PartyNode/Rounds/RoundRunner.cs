using System.Security.Cryptography;
using VertFed.Horizontal.Service;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Policies;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Storage;

namespace VertFed.PartyNode.Rounds;

/// <summary>Runs this party's part of a horizontal job: what must be durable first, then the session.</summary>
internal sealed class RoundRunner(PartyConfig config, NodeKey key, IPartyStore store, RelayClient relay, TimeProvider time)
{
    private const uint JobAttempt = 1;

    /// <summary>Told of each round that was paid for, with what it has come to (<see cref="PrivacyMeter.Told"/>).</summary>
    public Action<uint, double> Spent { get; init; } = (_, _) => { };

    /// <summary>Runs to the final model.</summary>
    /// <param name="begun">Told of each round.</param>
    public async Task<RoundResult> RunAsync(SignedJob job, PreparedInput input, Action<uint> begun, CancellationToken cancellationToken)
    {
        JobSpecification spec = job.Specification;
        uint place = JobParties.PlaceOf(spec, config);
        AttemptRecord attempt = await AttemptAsync(job, input.Root, cancellationToken);
        RoundRecord record = await RoundRecord.LoadAsync(spec.Job, store, JobPlan.Of(spec).MostQuestions, cancellationToken);
        RoundVoice voice = new(spec.Job, place, key.Identity, store, record, relay, time);
        await voice.ResumeAsync(cancellationToken);
        string folder = Path.Combine(config.DataDirectory, "jobs", spec.Job);
        RoundMemory memory = RoundMemory.Load(folder);
        RoundInput rows = await Task.Run(() => RoundInput.Of(input, spec), cancellationToken);
        PrivacyMeter meter = new(spec.Job, JobPlan.Of(spec).Privacy, rows.Train.Count, store, time) { Told = Spent };
        await meter.ResumeAsync(cancellationToken);
        using RoundSession session = new(spec, job.SpecHash, place, rows, attempt.RootSeed, memory, voice, key.Identity)
        {
            RoundBegun = begun,
            Witness = new RoundWitness(spec.Job, record.Said, record.Heard, key.Checkpoints, config.Policy.CoSign, folder, time),
            SpendAsync = meter.SpendAsync,
            Capacity = memory.FixCapacity(config.LocalWork),
        };
        RoundResult result = await session.RunAsync(relay.OpenRounds(spec.Job).ReadAllAsync(cancellationToken), cancellationToken);
        return result with { Epsilon = meter.Epsilon };
    }

    private async Task<AttemptRecord> AttemptAsync(SignedJob job, byte[] root, CancellationToken cancellationToken)
    {
        string id = job.Specification.Job;
        AttemptRecord? known = await store.LoadAttemptAsync(id, JobAttempt, cancellationToken);
        if (known is null)
        {
            AttemptRecord fresh = new(id, JobAttempt, RandomNumberGenerator.GetBytes(32), job.SpecHash, config.Policy.Hash(), root, SoftwareVersion.Current);
            await store.SaveAttemptAsync(fresh, cancellationToken);
            return fresh;
        }

        // Another build may round otherwise: the same noise over two such updates would leave their difference bare.
        bool isSame = known.SpecHash.AsSpan().SequenceEqual(job.SpecHash) && known.DataRoot.AsSpan().SequenceEqual(root)
            && known.PolicyHash.AsSpan().SequenceEqual(config.Policy.Hash()) && known.SoftwareVersion == SoftwareVersion.Current;
        return isSame
            ? known
            : throw new VertFedException(ErrorCode.Diverges, "The job's spec, this party's data, its policy or its software is not what it was when the job began here.");
    }
}
