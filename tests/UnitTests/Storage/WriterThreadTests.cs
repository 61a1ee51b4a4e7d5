using System.Data.Common;
using VertFed.Protocol;
using VertFed.Storage.Sql;
using Xunit;

namespace VertFed.UnitTests.Storage;

public sealed class WriterThreadTests
{
    [Fact]
    public async Task What_nobody_thought_of_fails_the_write_that_met_it_and_the_next_one_is_done()
    {
        await using OddDatabase database = new();
        VertFedException failure = await Assert.ThrowsAsync<VertFedException>(
            () => database.WriteAsync(_ => 1, CancellationToken.None).WaitAsync(TimeSpan.FromMinutes(2)));
        Assert.Equal(ErrorCode.Storage, failure.Code);
        Assert.Contains("unexpected InvalidCastException", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("quoted", failure.Message, StringComparison.Ordinal);
        Assert.Equal(2, await database.WriteAsync(_ => 2, CancellationToken.None).WaitAsync(TimeSpan.FromMinutes(2)));
    }

    /// <summary>Breaks at its first transaction in a way that no database is expected to.</summary>
    private sealed class OddDatabase : SqlDatabase
    {
        private bool _hasBroken;

        public OddDatabase() : base("odd", "test", TimeProvider.System) => StartWriter(4);

        protected override CommitResult TryCommit(WriteGroup group)
        {
            if (!_hasBroken)
            {
                _hasBroken = true;
                throw new InvalidCastException("quoted");
            }

            foreach (IWrite write in group.Writes)
            {
                write.Run(null!);
                write.Complete();
            }

            return CommitResult.Kept;
        }

        protected override Task<T> SnapshotAsync<T>(Func<DbConnection, T> work, CancellationToken cancellationToken) => throw new NotSupportedException();

        protected override Task CloseAsync() => Task.CompletedTask;
    }
}
