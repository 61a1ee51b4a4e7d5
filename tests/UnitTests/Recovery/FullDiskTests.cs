using System.Net;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using VertFed.Protocol;
using VertFed.Storage;
using VertFed.Storage.Sql;
using Xunit;
using Serving = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace VertFed.UnitTests.Recovery;

/// <summary>A disk that is really full while a job runs, and has room again: nothing is lost, and whoever asks is told.</summary>
public sealed class FullDiskTests(UndisturbedLinear undisturbed) : IClassFixture<UndisturbedLinear>
{
    [SkippableFact]
    public async Task A_coordinator_on_a_full_disk_says_so_and_goes_on_with_the_job_when_there_is_room()
    {
        SmallDisk disk = SmallDisk.Make();
        OtherClock clock = new(TimeSpan.Zero);
        await using RecoveryRun run = await RecoveryRun.StartAsync(
            undisturbed.Job,
            new RunPlan { Homes = HomeOf(Actor.Coordinator, disk), Ground = disk, Clock = actor => actor == Actor.Coordinator ? clock : TimeProvider.System, HasPages = true },
            PointOf(Actor.Coordinator));
        run.InsteadOfDeath = () => Fill(disk);
        using GrpcChannel channel = run.Connect();
        using AsyncServerStreamingCall<HealthCheckResponse> watch = new Health.HealthClient(channel).Watch(new HealthCheckRequest());
        Assert.Equal(Serving.Serving, await NextAsync(watch));

        Task<JobTrace> job = run.CompleteAsync();
        Assert.Equal(Serving.NotServing, await NextAsync(watch));
        using HttpClient pages = new();
        using (HttpResponseMessage page = await pages.GetAsync(run.ReadyPage))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, page.StatusCode);
            Assert.Contains("full", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        Assert.False(job.IsCompleted);
        disk.Empty();
        clock.Advance(StoreActivity.FailureHeld);
        Assert.Equal(Serving.Serving, await NextAsync(watch));
        using (HttpResponseMessage page = await pages.GetAsync(run.ReadyPage))
        {
            Assert.DoesNotContain("full", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        undisturbed.RequireSame(await job, "full disk\n" + run.Logs());
        Assert.Empty(run.Faults);
        Assert.Equal(0, run.Revived);
    }

    [SkippableTheory]
    [InlineData("Label")]
    [InlineData("Feature")]
    public async Task A_party_on_a_full_disk_ends_with_a_typed_error_and_goes_on_when_it_is_started_with_room(string actor)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        SmallDisk disk = SmallDisk.Make();
        await using RecoveryRun run = await RecoveryRun.StartAsync(undisturbed.Job, new RunPlan { Homes = HomeOf(victim, disk), Ground = disk }, PointOf(victim));
        run.InsteadOfDeath = () => Fill(disk);
        run.BeforeRevival = disk.Empty;
        undisturbed.RequireSame(await run.CompleteAsync(), "full disk\n" + run.Logs());
        VertFedException fault = Assert.IsType<VertFedException>(Assert.Single(run.Faults));
        Assert.Equal(ErrorCode.Storage, fault.Code);
        Assert.Contains("full", fault.Message, StringComparison.Ordinal);
    }

    private static Dictionary<Actor, string> HomeOf(Actor actor, SmallDisk disk) => new() { [actor] = disk.Folder };

    private static Task Fill(SmallDisk disk)
    {
        disk.Fill();
        return Task.CompletedTask;
    }

    private static async Task<Serving> NextAsync(AsyncServerStreamingCall<HealthCheckResponse> watch)
    {
        using CancellationTokenSource patience = new(TimeSpan.FromMinutes(2));
        Assert.True(await watch.ResponseStream.MoveNext(patience.Token));
        return watch.ResponseStream.Current.Status;
    }

    private Kill PointOf(Actor actor) => new(actor, new KillPoint(undisturbed.Writes[actor] / 2, CommitStage.Before));
}
