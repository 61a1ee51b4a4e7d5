using Google.Protobuf;
using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Jobs;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Queue;

/// <summary>Many jobs of many parties at one coordinator.</summary>
public sealed class ManyJobsTests
{
    private const int Parties = 20;
    private const int Jobs = 50;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Fact]
    [Trait("Speed", "slow")]
    public async Task Twenty_parties_and_fifty_jobs_of_three_submitters_all_end_in_turn_with_four_at_a_time()
    {
        Identity[] identities = [.. Enumerable.Range(0, Parties).Select(_ => Identity.Create())];
        Identity[] submitters = [.. Enumerable.Range(0, 3).Select(_ => Identity.Create())];
        CheckpointSigner[] signers = [.. identities.Select(CheckpointSigner.Create)];
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with
        {
            Parties = identities.Select((identity, index) => new AdmittedParty(NameOf(index), identity.Fingerprint)).ToDictionary(party => party.Name, StringComparer.Ordinal),
            Principals = [.. submitters.Select((identity, index) => new Principal($"analyst{index}", [identity.Fingerprint], CallerRoles.Analyst))],
        });
        using var limit = new CancellationTokenSource(Patience);
        var counts = new Counts(limit.Token);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ScriptedParty[] parties =
        [
            .. identities.Select((identity, index) => new ScriptedParty(NameOf(index), identity, signers[index], fixture.ChannelOf(identity).CreateCallInvoker(), release.Task)
            {
                Offered = counts.Offered,
                Finishing = counts.Finishing,
            }),
        ];
        foreach (ScriptedParty party in parties)
            await party.RegisterAsync(limit.Token);

        // The first submitter floods with 30 before the others come with 10 each; every pair of parties meets several times.
        var roles = new Dictionary<string, (int Submitter, int Label, int Feature)>(StringComparer.Ordinal);
        for (int i = 0; i < Jobs; i++)
        {
            (int submitter, int label) = (i < 30 ? 0 : i < 40 ? 1 : 2, i % 10);
            int feature = 10 + ((i / 2) % 10);
            SignedJob job = fixture.NewJob(submitter: submitters[submitter], change: spec =>
            {
                spec.LabelParty = Reference(label);
                spec.FeatureParty = Reference(feature);
            });
            var client = new JobService.JobServiceClient(fixture.ChannelOf(submitters[submitter]));
            JobStatus status = await client.SubmitAsync(new SubmitRequest { Job = job.Message }, cancellationToken: limit.Token);
            roles.Add(status.Job, (submitter, label, feature));
        }

        JobHub hub = fixture.Host.Service<JobHub>();
        Assert.Equal(Jobs, hub.LiveJobs.Count());
        await CheckpointTests.WaitAsync(() => Task.FromResult(fixture.Host.Service<JobQueue>().Count == Jobs - 4));
        Task[] running =
        [
            .. parties.Select((party, index) => party.RunAsync(roles.Values.Count(job => job.Label == index || job.Feature == index), limit.Token)),
        ];
        release.SetResult();
        await Task.WhenAll(running);

        // All ended well, never more than four at once, and each party had to do with its own jobs alone.
        Assert.All(parties, party => Assert.All(party.Ended.Values, state => Assert.Equal(JobState.Done, state)));
        Assert.Equal(Jobs, counts.Order.Count);
        Assert.Equal(4, counts.Most);
        for (int index = 0; index < Parties; index++)
        {
            Assert.Equal(roles.Where(job => job.Value.Label == index || job.Value.Feature == index).Select(job => job.Key).Order(), parties[index].Received.Keys.Order());
            Assert.All(parties[index].Received, job => Assert.Equal(roles[job.Key].Label == index ? Role.FeatureParty : Role.LabelParty, Assert.Single(job.Value).Sender));
        }

        // Fair: by the time that those who came later have all started, the flood has had its turns and not more than a few besides.
        int[] started = [.. counts.Order.Select(job => roles[job].Submitter)];
        Assert.InRange(Array.FindLastIndex(started, submitter => submitter != 0), 0, 3 + 30 + 8);

        // Nothing is left of them in memory, a moment after the parties have heard of the last end.
        await CheckpointTests.WaitAsync(() => Task.FromResult(!hub.LiveJobs.Any()));
        Assert.Equal(0, fixture.Host.Service<JobQueue>().Count);
        foreach (ScriptedParty party in parties)
            await party.DisposeAsync();
        foreach (CheckpointSigner signer in signers)
            signer.Dispose();

        PartyRef Reference(int index) => new() { Name = NameOf(index), Fingerprint = ByteString.CopyFrom(identities[index].Public.FingerprintBytes) };
    }

    [Fact]
    public async Task An_envelope_of_one_job_has_no_place_in_another_between_the_same_parties()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string first, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        string second = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        foreach (FakeParty party in new[] { bank, retailer })
        {
            await party.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer);
            await party.SendAsync(new PartyFrame { Answer = new JobAnswer { Job = second, Attempt = 1, Accepted = true } });
        }

        await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Start);
        await retailer.ExpectAsync(CoordinatorFrame.FrameOneofCase.Start);
        await bank.DepositAsync(first, [1]);

        // The next of the first job's chain, under the second job's name.
        await HostilePartyTests.QuietlyAsync(bank.SendEnvelopeAsync(bank.Next(second, [2])));
        RpcException refused = await bank.ExpectStatusAsync();
        Assert.Equal((StatusCode.InvalidArgument, nameof(ErrorCode.ProtocolViolation)), (refused.StatusCode, refused.Trailers.GetValue("vertfed-code")));
        Assert.Contains(second, refused.Status.Detail, StringComparison.Ordinal);
        Assert.Equal(0UL, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = second })).Envelopes);
        Assert.Equal(1UL, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = first })).Envelopes);
    }

    private static string NameOf(int index) => $"p{index}";

    /// <summary>What the parties see of all jobs together.</summary>
    private sealed class Counts(CancellationToken ended)
    {
        private readonly Lock _gate = new();
        private readonly HashSet<string> _active = new(StringComparer.Ordinal);
        private readonly HashSet<string> _finishing = new(StringComparer.Ordinal);

        /// <summary>Jobs in the order in which they were first offered.</summary>
        public List<string> Order { get; } = [];

        /// <summary>Most jobs that were offered and not finished at one time.</summary>
        public int Most { get; private set; }

        public void Offered(string job)
        {
            ended.ThrowIfCancellationRequested();
            lock (_gate)
            {
                if (!_active.Add(job))
                    return;
                Order.Add(job);
                Most = Math.Max(Most, _active.Count(one => !_finishing.Contains(one)));
            }
        }

        /// <summary>The second word of a job frees its slot; it counts as finished from just before.</summary>
        public void Finishing(string job)
        {
            lock (_gate)
            {
                if (!_finishing.Add(job + "/1"))
                    _finishing.Add(job);
            }
        }
    }
}
