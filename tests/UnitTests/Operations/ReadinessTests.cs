using global::VertFed.Operations.Health;
using VertFed.Protocol;
using VertFed.UnitTests.Protocol;
using Xunit;

namespace VertFed.UnitTests.Operations;

public sealed class ReadinessTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public async Task Every_check_has_its_finding_and_what_it_throws_is_a_reason()
    {
        using var readiness = new Readiness(
            [
                new("well", _ => Task.FromResult<string?>(null)),
                new("ill", _ => Task.FromResult<string?>("no room")),
                new("known", _ => throw new VertFedException(ErrorCode.Storage, "store: disk full")),
                new("unknown", _ => throw new InvalidOperationException("customer 4711")),
            ],
            _time);

        IReadOnlyList<ReadinessFinding> findings = await readiness.CheckAsync(CancellationToken.None);

        Assert.Equal([null, "no room", "store: disk full", "InvalidOperationException"], findings.Select(finding => finding.Reason));
    }

    [Fact]
    public async Task A_check_that_hangs_is_given_up_and_named()
    {
        var stopped = new TaskCompletionSource();
        using var readiness = new Readiness(
            [new("store", async token =>
            {
                token.Register(stopped.SetResult);
                await Task.Delay(Timeout.Infinite, token);
                return null;
            })],
            _time);

        Task<IReadOnlyList<ReadinessFinding>> findings = readiness.CheckAsync(CancellationToken.None);
        _time.Advance(Readiness.Patience);

        Assert.Equal("no answer within 5 s", Assert.Single(await findings).Reason);
        await stopped.Task;
    }

    [Fact]
    public async Task Requests_share_a_run_until_its_findings_are_old()
    {
        int runs = 0;
        using var readiness = new Readiness([new("store", _ => Task.FromResult<string?>(Interlocked.Increment(ref runs) > 1 ? "again" : null))], _time);

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => readiness.CheckAsync(CancellationToken.None)));
        Assert.Equal(1, runs);
        _time.Advance(Readiness.Kept);

        Assert.Equal("again", Assert.Single(await readiness.CheckAsync(CancellationToken.None)).Reason);
    }

    [Fact]
    public async Task A_disk_without_room_is_not_ready_and_the_reason_names_both_figures()
    {
        string folder = Path.GetTempPath();
        Assert.Null(await DiskSpace.Check(Path.Combine(folder, "not", "there", "yet"), least: 1).Probe(CancellationToken.None));

        string? reason = await DiskSpace.Check(folder, least: long.MaxValue).Probe(CancellationToken.None);

        Assert.Contains("MiB free", reason, StringComparison.Ordinal);
        Assert.Equal("10 MiB free on the data folder's disk, 64 MiB are needed", DiskSpace.Reason(10 << 20, DiskSpace.Least));
    }
}
