using System.Security.Cryptography;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Psi.DiffieHellman;
using VertFed.Psi.Ids;
using VertFed.Transcript;
using VertFed.Vertical;

namespace VertFed.DeterminismProbe;

/// <summary>What a job came to, as lower-case hexadecimal digits.</summary>
/// <param name="CoreRoot">Root of the Merkle tree over both parties' cores in the order (phase, round, step, sender, sequence).</param>
/// <param name="PayloadHash">SHA-256 over all payloads, sealed as sent, in the same order.</param>
/// <param name="ResultHash">SHA-256 over both parties' coefficients and metrics, to the bit.</param>
internal sealed record ProbeResult(int Envelopes, int Iterations, string CoreRoot, string PayloadHash, string ResultHash);

/// <summary>
/// A whole job of two parties in this process, from the files to the close: the parties' own code over an in-memory transport, with keys
/// and root seeds from a fixed number.
/// </summary>
internal static class ProbeJob
{
    private const uint MaxIterations = 4;

    public static async Task<ProbeResult> RunAsync(Family family, int rows)
    {
        string folder = Directory.CreateTempSubdirectory("vertfed-probe-").FullName;
        try
        {
            ProbeData.Write(folder, family, rows);
            JobSpec spec = InMemoryParties.DefaultSpec(family);
            spec.AcceptDisclosureRisk = true;
            spec.Train.MaxIterations = MaxIterations;
            spec.DeadlineSeconds = 600;
            spec.LabelParty.Fingerprint = Google.Protobuf.ByteString.CopyFrom(new byte[32]);
            spec.FeatureParty.Fingerprint = Google.Protobuf.ByteString.CopyFrom([.. new byte[31], 1]);
            using InMemoryParties parties = await InMemoryParties.CreateAsync(JobSpecification.FromMessage(spec), seed: 1, CancellationToken.None);
            (InMemoryTransport label, InMemoryTransport feature) = InMemoryTransport.CreatePair();
            Task<(ResultValues Values, int Iterations)> bank = Task.Run(() => RunSideAsync(parties, Role.LabelParty, label, folder));
            Task<(ResultValues Values, int Iterations)> retailer = Task.Run(() => RunSideAsync(parties, Role.FeatureParty, feature, folder));
            await Task.WhenAll(bank, retailer);
            return await HashAsync(parties, (await bank).Values, (await retailer).Values, (await bank).Iterations);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(ResultValues Values, int Iterations)> RunSideAsync(
        InMemoryParties parties, Role role, InMemoryTransport transport, string folder)
    {
        JobSpecification specification = parties.Job.Specification;
        PartyConfig config = ProbeData.Configuration(folder, parties, role);
        PreparedInput input = PreparedInput.Load(config, specification, CancellationToken.None);
        SealedChannelOptions known = parties.Options(role);
        SealedChannelOptions options = new()
        {
            Job = known.Job,
            Attempt = known.Attempt,
            Self = role,
            Identity = known.Identity,
            PolicyHash = known.PolicyHash,
            DataRoot = known.DataRoot,
            CommitToRows = salts => RowCommitment.Of(input.Table, salts),
        };
        using SealedChannel channel = await SealedChannel.OpenAsync(options, transport, parties.Journal(role), CancellationToken.None);
        Alignment alignment = await new PsiParty(channel).AlignAsync(input.Ids.Ids, progress: null, CancellationToken.None);
        string[] ids = Array.ConvertAll(alignment.Rows, row => input.Ids.Ids[row]);
        HoldoutRule holdout = new(specification.Holdout);
        int[] rows = Array.ConvertAll(alignment.Rows, row => input.Ids.SourceRows[row]);
        (VerticalInput aligned, _, _) = AlignedRows.Take(input.Table, rows, Array.ConvertAll(ids, holdout.IsTest), input.Dataset);
        SilentObserver observer = new();
        VerticalResult result = role == Role.LabelParty
            ? await new LabelParty(channel, aligned, specification, observer).RunAsync(CancellationToken.None)
            : await new FeatureParty(channel, aligned, specification, observer).RunAsync(CancellationToken.None);
        ResultValues values = Results.Of(result, AlignedRows.Sha256(ids));
        await channel.CloseAsync(values, CancellationToken.None);
        return (values, result.Iterations);
    }

    private static async Task<ProbeResult> HashAsync(InMemoryParties parties, ResultValues bank, ResultValues retailer, int iterations)
    {
        List<(EnvelopeHeader Header, Envelope Envelope)> all = [];
        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            IJournal journal = parties.Journal(role);
            string job = parties.Job.Specification.Job;
            for (ulong i = 0; await journal.ReadOutboundAsync(job, 1, i, CancellationToken.None) is { } envelope; i++)
            {
                all.Add((EnvelopeCodec.Parse(envelope).Header, envelope));
            }
        }

        MerkleTree tree = new();
        using IncrementalHash payloads = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((_, Envelope envelope) in all
            .OrderBy(each => each.Header.Phase).ThenBy(each => each.Header.Round).ThenBy(each => each.Header.Step)
            .ThenBy(each => each.Header.Sender).ThenBy(each => each.Header.Sequence))
        {
            tree.Append(envelope.Core.Span);
            payloads.AppendData(envelope.Payload.Span);
        }

        byte[] result = SHA256.HashData([.. bank.Coefficients, .. bank.Metrics, .. retailer.Coefficients, .. retailer.Metrics, .. bank.AlignedIds]);
        return new ProbeResult(
            all.Count,
            iterations,
            Convert.ToHexStringLower(tree.Root()),
            Convert.ToHexStringLower(payloads.GetHashAndReset()),
            Convert.ToHexStringLower(result));
    }

    private sealed class SilentObserver : IVerticalObserver
    {
        public void PhaseStarted(Phase phase)
        {
        }

        public void IterationFinished(IterationProgress progress)
        {
        }
    }
}
