using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage.Sql;
using Xunit;

namespace VertFed.UnitTests.Recovery;

/// <summary>Nodes whose clocks differ by hours: times are signed and never compared, and only a certificate's dates are held to a clock.</summary>
public sealed class ClockSkewTests(UndisturbedLinear undisturbed) : IClassFixture<UndisturbedLinear>
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public async Task Clocks_that_differ_by_two_hours_and_one_that_is_set_back_between_two_lives_change_nothing()
    {
        int lives = 0;
        RunPlan plan = new()
        {
            Clock = actor => actor switch
            {
                Actor.Label => new OtherClock(lives++ == 0 ? Hour : -2 * Hour),
                Actor.Feature => new OtherClock(-Hour),
                _ => TimeProvider.System,
            },
        };
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        await using RecoveryRun run = await RecoveryRun.StartAsync(
            undisturbed.Job, plan, new Kill(Actor.Label, new KillPoint(undisturbed.Writes[Actor.Label] / 2, CommitStage.After)));
        undisturbed.RequireSame(await run.CompleteAsync(), "clocks\n" + run.Logs());
        Assert.Equal(2, lives);

        // Each envelope has the time of its sender's clock, as it was then.
        DateTimeOffset[] label = await TimesAsync(run, Actor.Label);
        Assert.Equal(Hour, Hours(label[0] - now));
        Assert.Equal(-2 * Hour, Hours(label[^1] - now));
        Assert.All(await TimesAsync(run, Actor.Feature), time => Assert.Equal(-Hour, Hours(time - now)));
    }

    [Fact]
    public async Task A_clock_by_which_the_coordinators_certificate_is_not_valid_yet_is_told_so()
    {
        // The coordinator's certificate is a day old, the party's own two days.
        RunPlan plan = new() { Clock = actor => actor == Actor.Label ? new OtherClock(-26 * Hour) : TimeProvider.System };
        await using RecoveryRun run = await RecoveryRun.StartAsync(undisturbed.Job, plan);
        VertFedException refused = await Assert.ThrowsAsync<VertFedException>(() => run.RunningOf(Actor.Label).WaitAsync(TimeSpan.FromMinutes(2)));
        Assert.Contains("is not valid before", refused.Message, StringComparison.Ordinal);
        Assert.Contains("Z here", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>Whole hours, which a job that takes less than half of one does not change.</summary>
    private static TimeSpan Hours(TimeSpan time) => TimeSpan.FromHours(Math.Round(time.TotalHours));

    private async Task<DateTimeOffset[]> TimesAsync(RecoveryRun run, Actor sender)
    {
        List<DateTimeOffset> times = [];
        while (await run.StoreOf(sender).ReadOutboundAsync(undisturbed.Job.JobId, 1, (ulong)times.Count, default) is { } envelope)
        {
            times.Add(DateTimeOffset.FromUnixTimeMilliseconds(Attestation.Parser.ParseFrom(envelope.Attestation).TimeUnixMs));
        }

        return [.. times];
    }
}
