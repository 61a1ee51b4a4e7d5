using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage.Sqlite;
using VertFed.UnitTests.Storage;
using Xunit;
using Xunit.Abstractions;

namespace VertFed.UnitTests.Coordinator;

/// <summary>Tests that measure this process run while no other test does.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class MeasuredAlone
{
    public const string Name = "measured alone";
}

/// <summary>A training job's traffic, from one party's journal through the coordinator into the other's, must not be what a job waits for.</summary>
[Collection(MeasuredAlone.Name)]
public sealed class ThroughputTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_jobs_traffic_costs_a_fraction_of_the_jobs_processor_time()
    {
        const int Envelopes = 300;
        const int Bytes = 512 * 1024;
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        using var folder = new TemporaryFolder();
        await using SqlitePartyStore outgoing = SqlitePartyStore.Open(folder.File("bank.db"), TestSecrets.Key()), incoming = SqlitePartyStore.Open(folder.File("retailer.db"), TestSecrets.Key());
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        var attempt = new AttemptRecord(job, 1, new byte[32], new byte[32], new byte[32], new byte[32], "test");
        await outgoing.SaveAttemptAsync(attempt, CancellationToken.None);
        await incoming.SaveAttemptAsync(attempt, CancellationToken.None);
        byte[] payload = RandomNumberGenerator.GetBytes(Bytes);

        // Processor time, not wall time: what the machine does besides must not decide the test.
        TimeSpan before = Environment.CpuUsage.TotalTime;
        var watch = Stopwatch.StartNew();
        Task sending = Task.Run(async () =>
        {
            for (int i = 0; i < Envelopes; i++)
            {
                Envelope envelope = bank.Next(job, payload);
                await outgoing.AppendOutboundAsync(job, 1, (ulong)i, envelope, CancellationToken.None);
                await bank.SendEnvelopeAsync(envelope);
                bank.Advance(envelope);
            }
        });
        Task acknowledged = Task.Run(async () =>
        {
            for (int i = 0; i < Envelopes; i++)
                await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Deposited);
        });
        for (int i = 0; i < Envelopes; i++)
        {
            Envelope envelope = await retailer.ReceiveAsync();
            await incoming.AppendInboundAsync(job, 1, (ulong)i, envelope, CancellationToken.None);
            await retailer.AcknowledgeAsync(envelope);
        }

        await Task.WhenAll(sending, acknowledged);
        double seconds = (Environment.CpuUsage.TotalTime - before).TotalSeconds;
        string result = string.Create(
            CultureInfo.InvariantCulture,
            $"{Envelopes} envelopes of {Bytes} bytes: {seconds:0.00} s of processor time for both parties and the coordinator, {watch.Elapsed.TotalSeconds:0.00} s by the clock");
        output.WriteLine(result);
        Assert.True(seconds < 15, result);
    }
}
