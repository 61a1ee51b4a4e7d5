using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.UnitTests.Recovery;

/// <summary>What a job came to, times and signatures aside: two runs that are the same have the same trace.</summary>
/// <param name="CoreRoot">Root over both parties' cores in the order (phase, round, step, sender, sequence).</param>
/// <param name="Payloads">SHA-256 over the sealed payloads in the same order.</param>
/// <param name="Reports">Both parties' report parts without what was measured in seconds, and their models.</param>
/// <param name="Scores">The label party's file of scores, if the job made one.</param>
internal sealed record JobTrace(int Envelopes, string CoreRoot, string Payloads, string Reports, string Scores)
{
    /// <summary>Reads it from the three stores, which must agree to the byte, signatures included.</summary>
    /// <param name="labelFolder">The label party's data folder.</param>
    public static async Task<JobTrace> ReadAsync(string job, IPartyStore label, IPartyStore feature, ICoordinatorStore coordinator, string labelFolder)
    {
        List<Envelope> all = [];
        foreach ((Role role, IPartyStore own, IPartyStore peer) in new[] { (Role.LabelParty, label, feature), (Role.FeatureParty, feature, label) })
        {
            List<Envelope> sent = await ReadAsync(i => own.ReadOutboundAsync(job, 1, i, default));
            RequireSame(sent, await ReadAsync(i => peer.ReadInboundAsync(job, 1, i, default)), $"what the {role} sent and its peer accepted");
            RequireSame(sent, await RelayedAsync(job, role, coordinator), $"what the {role} sent and the coordinator keeps");
            all.AddRange(sent);
        }

        MerkleTree tree = new();
        using IncrementalHash payloads = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (Envelope envelope in all.OrderBy(each => Place(each)))
        {
            tree.Append(envelope.Core.Span);
            payloads.AppendData(envelope.Payload.Span);
        }

        await RequireCheckpointsAsync(job, coordinator, tree.Root());
        string reports = await ResultAsync(job, label) + await ResultAsync(job, feature);
        string scores = Path.Combine(labelFolder, "jobs", job, ScoreFile.Name);
        return new JobTrace(
            all.Count, Convert.ToHexString(tree.Root()), Convert.ToHexString(payloads.GetHashAndReset()), reports, File.Exists(scores) ? await File.ReadAllTextAsync(scores) : "");
    }

    /// <summary>The coordinator's last checkpoint is over this tree, and both parties have co-signed all of them.</summary>
    private static async Task RequireCheckpointsAsync(string job, ICoordinatorStore coordinator, byte[] root)
    {
        IReadOnlyList<StoredCheckpoint> checkpoints = await coordinator.ReadCheckpointsAsync(job, 1, default);
        foreach (StoredCheckpoint checkpoint in checkpoints)
        {
            if (checkpoint.Label?.CoSignature is null || checkpoint.Feature?.CoSignature is null)
            {
                throw new InvalidDataException($"The checkpoint of {checkpoint.Checkpoint.Phase} is not co-signed by both parties: {checkpoint.Label?.Refusal} {checkpoint.Feature?.Refusal}");
            }
        }

        string note = Encoding.UTF8.GetString(checkpoints[^1].Checkpoint.Note);
        if (checkpoints[^1].Checkpoint.Phase != Phase.Close || !note.Contains(Convert.ToBase64String(root), StringComparison.Ordinal))
        {
            throw new InvalidDataException("The last checkpoint is over another tree.");
        }
    }

    private static (Phase, uint, Step, Role, ulong) Place(Envelope envelope)
    {
        EnvelopeHeader header = EnvelopeCodec.Parse(envelope).Header;
        return (header.Phase, header.Round, header.Step, header.Sender, header.Sequence);
    }

    private static async Task<List<Envelope>> ReadAsync(Func<ulong, ValueTask<Envelope?>> read)
    {
        List<Envelope> envelopes = [];
        while (await read((ulong)envelopes.Count) is { } envelope)
        {
            envelopes.Add(envelope);
        }

        return envelopes;
    }

    private static async Task<List<Envelope>> RelayedAsync(string job, Role sender, ICoordinatorStore coordinator)
    {
        List<Envelope> envelopes = [];
        foreach (StoredEnvelope stored in await coordinator.ReadEnvelopesAsync(job, 1, sender, 0, int.MaxValue, default))
        {
            List<byte> payload = [];
            for (int part = 0; part < stored.Parts; part++)
            {
                payload.AddRange(await coordinator.ReadPayloadPartAsync(stored.Key, part, default));
            }

            envelopes.Add(new Envelope
            {
                Core = Google.Protobuf.ByteString.CopyFrom(stored.Core),
                Attestation = Google.Protobuf.ByteString.CopyFrom(stored.Attestation),
                Payload = Google.Protobuf.ByteString.CopyFrom([.. payload]),
            });
        }

        return envelopes;
    }

    private static void RequireSame(List<Envelope> one, List<Envelope> other, string what)
    {
        if (!one.SequenceEqual(other))
        {
            throw new InvalidDataException($"{what} differ ({one.Count} and {other.Count} envelopes).");
        }
    }

    private static async Task<string> ResultAsync(string job, IPartyStore store)
    {
        PartyResult result = await store.ReadResultAsync(job, 1, default) ?? throw new InvalidDataException("A party keeps no result.");
        JsonNode report = JsonNode.Parse(result.Report)!;
        Strip(report);
        return report.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + Encoding.UTF8.GetString(result.Model ?? []);
    }

    private static void Strip(JsonNode node)
    {
        if (node is not JsonObject fields)
        {
            return;
        }

        foreach ((string name, JsonNode? value) in fields.ToList())
        {
            if (name.StartsWith("seconds", StringComparison.Ordinal))
            {
                fields.Remove(name);
            }
            else if (value is not null)
            {
                Strip(value);
            }
        }
    }
}
