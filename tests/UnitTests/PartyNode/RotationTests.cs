using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Coordinator.Configuration;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>Keys and trust that change while jobs run.</summary>
public sealed class RotationTests
{
    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_party_changes_its_identity_under_a_running_job_and_the_old_key_is_refused_afterwards()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        string bankFile = fixture.WriteConfiguration(Role.LabelParty), retailerFile = fixture.WriteConfiguration(Role.FeatureParty);
        RunningNode bank = fixture.StartNodeFrom(bankFile), retailer = fixture.StartNodeFrom(retailerFile);
        string job = await fixture.SubmitAsync(spec => spec.DeadlineSeconds = 120);
        await bank.WaitForAsync("iteration", job);

        using Identity next = Identity.Create();
        TestTls.Save(next, Path.Combine(fixture.Folder, "bank-next.pem"));
        Pin(fixture, fixture.Bank.Fingerprint, next.Fingerprint);
        Replace(retailerFile, $"name: bank, fingerprint: {fixture.Bank.Fingerprint}", $"name: bank, fingerprint: [{fixture.Bank.Fingerprint}, {next.Fingerprint}]");
        retailer.Host.ReloadFrom(retailerFile);
        Replace(bankFile, "identity: bank.pem", "identity: bank-next.pem\nprevious_identities: [bank.pem]");
        bank.Host.ReloadFrom(bankFile);
        await bank.WaitForAsync("connected");

        JobStatus status = await fixture.CoSignedEndOfAsync(job);
        Assert.True(status is { State: JobState.Done, NotCoSigned.Count: 0 }, $"{status}\n{bank.Log}\n{retailer.Log}");
        Assert.Contains($"key {next.Fingerprint}", bank.Log, StringComparison.Ordinal);
        await VerifiesAsync(fixture, job, fixture.Bank.Fingerprint);

        // The old pin goes, and with it all that the old key could do.
        Replace(bankFile, "\nprevious_identities: [bank.pem]", "");
        bank.Host.ReloadFrom(bankFile);
        Pin(fixture, next.Fingerprint);
        using GrpcChannel old = TestTls.Connect(fixture.Address, fixture.Bank, fixture.CoordinatorIdentity.Fingerprint);
        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => new JobService.JobServiceClient(old).ListAsync(new ListJobsRequest()).ResponseAsync);
        Assert.Equal(StatusCode.Unauthenticated, refused.StatusCode);

        string later = await fixture.SubmitAsync(spec => spec.LabelParty.Fingerprint = ByteString.CopyFrom(next.Public.FingerprintBytes));
        status = await fixture.CoSignedEndOfAsync(later);
        Assert.True(status is { State: JobState.Done, NotCoSigned.Count: 0 }, $"{status}\n{bank.Log}\n{retailer.Log}");
        await VerifiesAsync(fixture, later, next.Fingerprint);
    }

    [Fact]
    public async Task A_submitter_whom_a_party_trusts_no_more_gets_no_job_from_the_next_reading_on()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(40);
        string bankFile = fixture.WriteConfiguration(Role.LabelParty);
        RunningNode bank = fixture.StartNodeFrom(bankFile);
        fixture.StartNode(Role.FeatureParty);
        await bank.WaitForAsync("ready");
        Replace(bankFile, fixture.Analyst.Fingerprint, "nonsense");
        bank.Host.ReloadFrom(bankFile);
        Assert.Contains("identities and trust stay as they were", bank.Log, StringComparison.Ordinal);
        Replace(bankFile, "nonsense", fixture.CoordinatorIdentity.Fingerprint);
        bank.Host.ReloadFrom(bankFile);

        JobStatus status = await fixture.EndOfAsync(await fixture.SubmitAsync());
        Assert.Equal((JobState.Refused, "bank"), (status.State, status.Error.Party));
        Assert.Contains("submitter-allowed", status.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_loses_its_last_peer_and_its_coordinator_while_it_runs_and_takes_the_coordinator_back()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        // So long a job that it runs still when trust is read again, however busy the machine.
        fixture.WriteData(800);
        string bankFile = fixture.WriteConfiguration(Role.LabelParty), trust = Path.Combine(fixture.Folder, "trust.yaml");
        string peer = File.ReadAllLines(bankFile).Single(line => line.StartsWith("peers:", StringComparison.Ordinal));
        Replace(bankFile, peer, "trust: trust.yaml");
        Replace(bankFile, $"coordinator_fingerprint: {fixture.CoordinatorIdentity.Fingerprint}\n", "");
        Replace(bankFile, $"coordinator: {fixture.Address}\n", "");
        global::VertFed.Protocol.TrustFile whole = global::VertFed.Protocol.TrustFile.ReadOrEmpty(trust)
            .With("retailer", peer.Split("fingerprint: ")[1].TrimEnd('}', ']'), "party")
            .With("main", fixture.CoordinatorIdentity.Fingerprint, "coordinator", new Uri(fixture.Address));
        whole.Save();
        RunningNode bank = fixture.StartNodeFrom(bankFile);
        fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync(spec => spec.DeadlineSeconds = 120);
        await bank.WaitForAsync("phase", job);

        whole.Without("retailer").Save();
        bank.Host.ReloadFrom(bankFile);
        JobStatus status = await fixture.EndOfAsync(job);
        Assert.True(status is { State: JobState.Refused, Error.Party: "bank" }, $"{status}\n{bank.Log}");
        Assert.Contains("does not trust the key of 'retailer' any more", status.Error.Message, StringComparison.Ordinal);

        whole.Without("retailer").Without("main").Save();
        bank.Host.ReloadFrom(bankFile);
        await bank.LoggedAsync("no key of the coordinator is trusted");
        string[] empty = [Assert.Throws<VertFedException>(() => global::VertFed.PartyNode.Configuration.PartyConfig.Load(bankFile)).Message];
        Assert.Contains("coordinator", empty[0], StringComparison.Ordinal);
        whole.Save();
        bank.Host.ReloadFrom(bankFile);
        await bank.WaitForAsync("connected");
    }

    private static void Pin(NodeFixture fixture, params string[] bank) => fixture.Coordinator.Reload(fixture.Config with
    {
        Parties = new Dictionary<string, AdmittedParty>(fixture.Config.Parties, StringComparer.Ordinal) { ["bank"] = new("bank", bank) },
    });

    private static void Replace(string file, string old, string with)
    {
        string text = File.ReadAllText(file);
        Assert.Contains(old, text, StringComparison.Ordinal);
        File.WriteAllText(file, text.Replace(old, with, StringComparison.Ordinal));
    }

    private static async Task VerifiesAsync(NodeFixture fixture, string job, string bank)
    {
        using MemoryStream file = new(await fixture.ExportAsync(job));
        Verdict verdict = await TranscriptVerifier.VerifyAsync(file, new VerifyOptions
        {
            Job = job, Submitter = fixture.Analyst.Fingerprint, Coordinator = fixture.CoordinatorIdentity.Fingerprint, LabelParty = bank,
        });
        Assert.True(verdict.IsVerified, verdict.Summary);
    }
}
