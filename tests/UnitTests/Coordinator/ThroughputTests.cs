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

/// <summary>A training job's traffic, from one party's journal through the coordinator into the other's, must not be what a job waits for.</summary>
public sealed class ThroughputTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_jobs_traffic_passes_three_durable_stores_in_a_fraction_of_the_job()
    {
        const int Envelopes = 300;
        const int Bytes = 512 * 1024;
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        using var folder = new TemporaryFolder();
        await using SqlitePartyStore outgoing = SqlitePartyStore.Open(folder.File("bank.db")), incoming = SqlitePartyStore.Open(folder.File("retailer.db"));
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        var attempt = new AttemptRecord(job, 1, new byte[32], new byte[32], new byte[32], new byte[32], "test");
        await outgoing.SaveAttemptAsync(attempt, CancellationToken.None);
        await incoming.SaveAttemptAsync(attempt, CancellationToken.None);
        byte[] payload = RandomNumberGenerator.GetBytes(Bytes);

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
        double seconds = watch.Elapsed.TotalSeconds;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Envelopes} envelopes of {Bytes} bytes in {seconds:0.00} s, {Envelopes * (double)Bytes / 1e6 / seconds:0} MB/s"));
        Assert.True(seconds < 20, string.Create(CultureInfo.InvariantCulture, $"{seconds} s"));
    }
}
