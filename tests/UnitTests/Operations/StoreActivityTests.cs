using VertFed.Protocol;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.UnitTests.Protocol;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Operations;

public sealed class StoreActivityTests
{
    [Fact]
    public async Task A_failed_write_counts_until_another_succeeded_and_its_time_is_over()
    {
        var time = new ManualTime();
        var activity = new StoreActivity("test", time);
        Assert.Null(activity.Failure);

        await Assert.ThrowsAsync<VertFedException>(() => activity.WatchAsync<int>(() => throw new VertFedException(ErrorCode.Storage, "disk full")));
        time.Advance(StoreActivity.FailureHeld * 2);
        Assert.Equal("disk full", activity.Failure);

        await activity.WatchAsync(() => Task.FromResult(1));
        Assert.Null(activity.Failure);
    }

    [Fact]
    public async Task A_fresh_failure_is_held_against_the_store_though_another_write_succeeded()
    {
        var time = new ManualTime();
        var activity = new StoreActivity("test", time);
        await Assert.ThrowsAsync<VertFedException>(() => activity.WatchAsync<int>(() => throw new VertFedException(ErrorCode.Storage, "disk full")));
        await activity.WatchAsync(() => Task.FromResult(1));

        Assert.NotNull(activity.Failure);
        time.Advance(StoreActivity.FailureHeld);
        Assert.Null(activity.Failure);
    }

    [Fact]
    public async Task A_full_store_tells_that_it_fails()
    {
        using var folder = new TemporaryFolder();
        await using SqliteCoordinatorStore store = SqliteCoordinatorStore.Open(folder.File("full.db"), new SqliteOptions { MaxPages = 60 });
        Assert.Null(store.Activity.Failure);
        var entry = new AccessEntry
        {
            TimeUnixMs = 1, Fingerprint = "", Name = "", Role = "", Call = "Submit", Job = "", Allowed = true, Detail = new string('x', 2000),
        };

        VertFedException full = await Assert.ThrowsAsync<VertFedException>(async () =>
        {
            while (true)
                await store.RecordAccessAsync(entry, CancellationToken.None);
        });

        Assert.Contains("full", full.Message, StringComparison.Ordinal);
        Assert.Equal(full.Message, store.Activity.Failure);
    }
}
