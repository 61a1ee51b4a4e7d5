using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Testing;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>A whole job whose coordinator and parties keep everything in PostgreSQL.</summary>
public sealed class PostgresJobTests
{
    [SkippableFact]
    [Trait("Speed", "slow")]
    public async Task A_job_runs_with_every_store_in_a_schema_of_one_database()
    {
        await using PostgresServer server = await PostgresServer.StartAsync();
        await using NodeFixture fixture = await NodeFixture.StartAsync(server.ConnectionString());
        fixture.WriteData(800);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync();

        JobStatus status = await fixture.CoSignedEndOfAsync(job);

        Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}\n{retailer.Log}");
        Assert.Empty(status.NotCoSigned);
        Assert.Empty(Directory.GetFiles(fixture.Folder, "*.db*", SearchOption.AllDirectories));
        foreach (IPartyStore store in new[] { bank.Store, retailer.Store })
            Assert.NotEmpty((await store.FindModelAsync(job, CancellationToken.None))!.Model!);
        foreach (string schema in new[] { "vertfed_coordinator", "vertfed_party_bank", "vertfed_party_retailer" })
            Assert.Equal(1, await server.ScalarAsync<long>($"SELECT COUNT(*) FROM {schema}.jobs WHERE state = 3"));
        Assert.NotEmpty(await fixture.ExportAsync(job));

        // The stores come back with what they held.
        await fixture.StopCoordinatorAsync();
        await fixture.StartCoordinatorAsync();
        Assert.Equal(JobState.Done, (await fixture.EndOfAsync(job)).State);
    }
}
