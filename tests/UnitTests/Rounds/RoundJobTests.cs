using System.Text.Json;
using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>Horizontal jobs over the service. One full step each round, averaged by rows, is one step on all rows together: the reference.</summary>
public sealed class RoundJobTests
{
    [Fact]
    public async Task Three_parties_come_to_the_model_of_their_rows_together()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(3);
        fixture.StartNodes();
        string job = await fixture.SubmitAsync(fixture.NewJob());

        JobStatus end = await fixture.EndOfAsync(job);

        Assert.True(end.State == JobState.Done, end.ToString());
        Assert.Equal((4u, 4u), (end.Round, end.Rounds));
        AssertClose(Reference(fixture.Pooled, 4), fixture.ParametersAt(2, job), 1e-12);
        Assert.Equal(fixture.ParametersAt(0, job), fixture.ParametersAt(2, job));
        JsonElement rounds = (await fixture.RoundsAsync(job)).GetProperty("rounds");
        Assert.Equal(5, rounds.GetArrayLength());
        Assert.Equal(Math.Log(2), rounds[1].GetProperty("loss").GetDouble(), 1e-12);
        Assert.True(rounds[4].GetProperty("loss").GetDouble() < 0.6);
        Assert.All(rounds.EnumerateArray(), round => Assert.Equal(0, round.GetProperty("refusals").GetArrayLength()));
    }

    [Fact]
    public async Task Under_secure_aggregation_the_same_model_comes_of_sums_alone()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(4);
        fixture.StartNodes();
        string job = await fixture.SubmitAsync(fixture.NewJob(spec => spec.SecureAggregation = SumProtection.Bonawitz));

        JobStatus end = await fixture.EndOfAsync(job);

        Assert.True(end.State == JobState.Done, end.ToString());
        AssertClose(Reference(fixture.Pooled, 4), fixture.ParametersAt(1, job), 1e-6);
        JsonElement rounds = (await fixture.RoundsAsync(job)).GetProperty("rounds");
        Assert.Equal(Math.Log(2), rounds[1].GetProperty("loss").GetDouble(), 1e-6);
    }

    [Fact]
    public async Task A_job_whose_store_failed_goes_on_when_the_store_answers_again()
    {
        int kept = 0;
        await using RoundFixture fixture = await RoundFixture.StartAsync(3, hand: (call, _, inner) =>
            call == nameof(IRoundStore.SaveRoundCheckpointAsync) && ++kept is 6 or 7
                ? Task.FromException(new VertFedException(ErrorCode.Storage, "the disk is full"))
                : inner());
        fixture.StartNodes();
        string job = await fixture.SubmitAsync(fixture.NewJob());

        JobStatus end = await fixture.EndOfAsync(job);

        Assert.True(end.State == JobState.Done, end.ToString());
        Assert.True(kept > 7);
        AssertClose(Reference(fixture.Pooled, 4), fixture.ParametersAt(1, job), 1e-12);
    }

    [Fact]
    public async Task A_coordinator_that_is_stopped_in_a_round_begins_it_again_and_comes_to_the_same_model()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(3);
        RunningNode[] nodes = fixture.StartNodes();
        string job = await fixture.SubmitAsync(fixture.NewJob(spec => spec.Rounds = 12));
        await nodes[0].WaitForAsync("round", "\"round\":3");

        await fixture.StopCoordinatorAsync();
        await fixture.StartCoordinatorAsync();
        JobStatus end = await fixture.EndOfAsync(job);

        Assert.True(end.State == JobState.Done, end.ToString());
        AssertClose(Reference(fixture.Pooled, 12), fixture.ParametersAt(2, job), 1e-12);
    }

    [Fact]
    public async Task Open_jobs_count_against_the_submitters_limit_pages_list_all_and_a_cancelled_one_gives_its_place_back()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(2, openJobs: 3);
        List<string> jobs = [];
        for (int i = 0; i < 3; i++)
        {
            jobs.Add(await fixture.SubmitAsync(fixture.NewJob()));
        }

        Grpc.Core.RpcException full = await Assert.ThrowsAsync<Grpc.Core.RpcException>(() => fixture.SubmitAsync(fixture.NewJob()));
        Assert.Equal(Grpc.Core.StatusCode.ResourceExhausted, full.StatusCode);
        Assert.Contains("max_open_jobs_per_submitter", full.Status.Detail, StringComparison.Ordinal);
        ListJobsResponse first = await fixture.Jobs.ListAsync(new ListJobsRequest { PageSize = 2 });
        ListJobsResponse rest = await fixture.Jobs.ListAsync(new ListJobsRequest { PageSize = 2, PageToken = first.NextPageToken });
        Assert.Equal(jobs.AsEnumerable().Reverse(), first.Jobs.Concat(rest.Jobs).Select(job => job.Job));
        Assert.Equal("", rest.NextPageToken);

        JobStatus cancelled = await fixture.CancelAsync(jobs[0]);

        Assert.Equal(JobState.Cancelled, cancelled.State);
        await fixture.SubmitAsync(fixture.NewJob());
    }

    /// <summary>Full-batch descent on all rows, standardised, from zero.</summary>
    private static double[] Reference(Examples pooled, int rounds)
    {
        FederatedModel model = FederatedModel.Generalised(LossHead.Logistic, pooled.Features);
        Examples scaled = FederatedScaling.FromSum(FederatedScaling.Contribution(pooled)).Apply(pooled);
        LocalWork work = new() { Epochs = rounds, BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.5) };
        using RandomStreams streams = RandomStreams.InsecureFromSeed(1);
        using global::VertFed.Primitives.RandomStream stream = streams.For("reference", 0, 0);
        return LocalTrainer.Run(model, 0, scaled, new RoundOrder(0, new double[model.Layout.Length], null, work), null, stream).Delta;
    }

    private static void AssertClose(double[] expected, double[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], actual[i], tolerance);
        }
    }
}
