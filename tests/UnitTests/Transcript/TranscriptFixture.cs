using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using VertFed.UnitTests.Protocol;

namespace VertFed.UnitTests.Transcript;

/// <summary>Transcripts of jobs that really ran between two channels.</summary>
internal static class TranscriptFixture
{
    /// <summary>A scripted job, done and co-signed by all.</summary>
    /// <param name="change">Changes the job spec before it is signed.</param>
    public static async Task<TranscriptModel> ScriptedAsync(
        Family family = Family.Logistic, int rounds = 2, Action<JobSpec>? change = null, byte seed = 1, Family? script = null)
    {
        JobSpec spec = InMemoryParties.DefaultSpec(family);
        spec.AcceptDisclosureRisk = true;
        spec.LabelParty.Fingerprint = Google.Protobuf.ByteString.CopyFrom(Enumerable.Repeat((byte)1, 32).ToArray());
        spec.FeatureParty.Fingerprint = Google.Protobuf.ByteString.CopyFrom(Enumerable.Repeat((byte)2, 32).ToArray());
        change?.Invoke(spec);
        InMemoryParties parties = await InMemoryParties.CreateAsync(JobSpecification.FromMessage(spec), seed, default);
        (InMemoryTransport labelEnd, InMemoryTransport featureEnd) = InMemoryTransport.CreatePair();
        Task<SealedChannel> label = parties.OpenAsync(Role.LabelParty, labelEnd, default);
        Task<SealedChannel> feature = parties.OpenAsync(Role.FeatureParty, featureEnd, default);
        using (SealedChannel labelChannel = await label)
        using (SealedChannel featureChannel = await feature)
        {
            await ScriptedJob.RunAsync(labelChannel, featureChannel, script ?? family, rounds);
        }

        return await CollectAsync(parties, seed);
    }

    /// <summary>The transcript of whatever the parties' journals hold.</summary>
    public static async Task<TranscriptModel> CollectAsync(InMemoryParties parties, byte seed = 1)
    {
        TranscriptKeys keys = new(parties, seed);
        JobSpecification spec = parties.Job.Specification;
        List<ModelEntry> entries = [];
        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            for (ulong sequence = 0; await parties.Journal(role).ReadOutboundAsync(spec.Job, 1, sequence, default) is { } envelope; sequence++)
            {
                entries.Add(new ModelEntry(envelope.Core.ToByteArray(), envelope.Attestation.ToByteArray(), envelope.Payload.ToByteArray()));
            }
        }

        TranscriptHeader header = new()
        {
            Version = 1,
            Job = spec.Job,
            Attempt = 1,
            SignedSpec = parties.Job.Message,
            Coordinator = keys.CoordinatorSigner.Key,
            LabelParty = keys.Signer(Role.LabelParty).Key,
            FeatureParty = keys.Signer(Role.FeatureParty).Key,
            State = JobState.Done,
            Payloads = spec.Payloads,
        };
        TranscriptModel model = new(keys, header, entries);
        model.SortCanonically();
        model.RemakeCheckpoints();
        model.Deliveries.Add(Google.Protobuf.MessageExtensions.ToByteArray(new DeliveryLog
        {
            Deliveries =
            {
                new Delivery { Event = DeliveryEvent.Connected, Party = Role.LabelParty, TimeUnixMs = 1_700_000_000_000 },
                new Delivery { Event = DeliveryEvent.Deposited, Party = Role.LabelParty, Sequence = 1, TimeUnixMs = 1_700_000_000_100 },
            },
        }));
        return model;
    }

    /// <summary>All pins that an auditor of the model's job would have.</summary>
    public static VerifyOptions Pins(TranscriptModel model) => new()
    {
        Job = model.Header.Job,
        Submitter = model.Keys.Parties.Job.Submitter.Fingerprint,
        Coordinator = model.Keys.Coordinator.Fingerprint,
        LabelParty = model.Keys.Identity(Role.LabelParty).Fingerprint,
        FeatureParty = model.Keys.Identity(Role.FeatureParty).Fingerprint,
    };

    public static async Task<Verdict> VerifyAsync(byte[] file, VerifyOptions options)
    {
        using MemoryStream stream = new(file, writable: false);
        return await TranscriptVerifier.VerifyAsync(stream, options);
    }
}
