using VertFed.Testing;
using Xunit;

namespace VertFed.UnitTests.Storage;

public sealed class PostgresServerTests
{
    [SkippableFact]
    public async Task A_server_of_the_tests_own_is_durable_has_no_port_and_leaves_nothing_behind()
    {
        PostgresServer server = await PostgresServer.StartAsync();
        Assert.Equal(("on", ""), (await server.ScalarAsync<string>("SHOW fsync"), await server.ScalarAsync<string>("SHOW listen_addresses")));
        await server.ExecuteAsync("CREATE TABLE kept (n INT); INSERT INTO kept VALUES (7)");
        await server.StopAsync();
        await server.StartAgainAsync();
        await server.RestartAsync();
        Assert.Equal(7, await server.ScalarAsync<int>("SELECT n FROM kept"));
        await server.DisposeAsync();
        Assert.False(Directory.Exists(server.Folder));
    }
}
