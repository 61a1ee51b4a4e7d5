using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;
using VertFed.Horizontal.Updates;
using VertFed.PartyNode.Replay;
using VertFed.PartyNode.Rounds;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;
using VertFed.UnitTests.Horizontal;
using VertFed.UnitTests.PartyNode;
using VertFed.UnitTests.Rounds.Lab;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>FedMD in the service: outputs on public rows travel, and each party keeps a model of its own.</summary>
public sealed class RoundDistillationTests
{
    private const int Rounds = 5;

    [Theory]
    [InlineData(SumProtection.None, 1e-12)]
    [InlineData(SumProtection.Bonawitz, 1e-5)]
    public async Task Each_party_comes_to_the_model_that_the_simulation_has_for_it(SumProtection protection, double tolerance)
    {
        double[][] simulated = Simulate(out Examples[] parts, out Examples shared);
        using RoundCase roundCase = Distilling(parts, shared, spec => spec.SecureAggregation = protection);
        await using RoundLab lab = new(roundCase);

        RoundJobRecord end = await lab.RunAsync();

        Assert.True(end.State == JobState.Done, end.Error?.ToString());
        Assert.Equal(shared.Count, end.Checkpoint!.Parameters.Count);
        for (int party = 0; party < parts.Length; party++)
        {
            RoundStrategyTests.Near(simulated[party], lab.Parties[party].Result!.Parameters, tolerance);
        }

        Assert.NotEqual(lab.Parties[0].Result!.Parameters, lab.Parties[1].Result!.Parameters);
    }

    [Fact]
    public async Task A_party_that_is_killed_at_any_write_comes_to_the_same_bits_of_its_own_model()
    {
        _ = Simulate(out Examples[] parts, out Examples shared);
        using RoundCase roundCase = Distilling(parts, shared, spec => spec.Model = "logistic/tanh:2");
        double[][] expected = await ModelsAsync(roundCase, _ => new KillSwitch());
        Assert.NotEqual(expected[0], expected[1]);
        for (int point = 6; point < 20; point += 3)
        {
            double[][] found = await ModelsAsync(roundCase, party => new KillSwitch(party == 1 ? point / 2 : 0, after: point % 2 == 1), kills: 1);

            Assert.Equal(expected, found);
        }
    }

    [Fact]
    public void The_own_model_moves_on_with_the_rounds_that_counted_alone_and_a_party_that_none_counted_has_none()
    {
        using TemporaryPlace place = new();
        RoundMemory memory = RoundMemory.Load(place.Folder);
        memory.Pend(1, null, null, [1, 1]);
        memory.Settle(2, 0);
        Assert.Null(memory.Distilled);
        VertFedException none = Assert.Throws<VertFedException>(() => DistillationPart.Close(memory, new FinalModel { Rounds = 1, Taken = { 1, 2 }, Counted = { 1, 1, 0 } }, 3));
        Assert.Equal(ErrorCode.PeerUnavailable, none.Code);

        memory.Pend(2, null, null, [2, 2]);
        memory = RoundMemory.Load(place.Folder);
        memory.Settle(4, 2);
        Assert.Equal([2.0, 2], memory.Distilled!);
        memory.Pend(4, null, null, [4, 4]);
        memory = RoundMemory.Load(place.Folder);

        Assert.Equal([2.0, 2], memory.Distilled!);
        Assert.Equal([4.0, 4], DistillationPart.Close(memory, new FinalModel { Rounds = 5, Taken = { 1, 2 }, Counted = { 5, 5, 4 } }, 3));
    }

    [Fact]
    public async Task Nodes_distil_by_the_median_or_under_record_privacy_and_replay_it_and_refuse_public_rows_that_are_not_theirs()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(3);
        RunningNode[] nodes = fixture.StartNodes();
        PublicRowsSpec shared = fixture.Shared();

        JobStatus end = await EndAsync(spec => spec.Strategy = "fedmd:5/median");
        Assert.True(end.State == JobState.Done, end.ToString());
        byte[] transcript = await fixture.ExportAsync(end.Job);
        Assert.Equal("complete, co-signed by all 3 parties", (await RoundTranscriptTests.VerifyAsync(transcript, new VerifyOptions())).Summary);
        ReplayVerdict replay = await fixture.ReplayAsync(1, nodes[1], transcript);
        Assert.True(replay.Model == ModelFinding.Same, replay.Difference);
        Assert.NotEqual(fixture.ParametersAt(0, end.Job), fixture.ParametersAt(1, end.Job));

        end = await EndAsync(spec =>
        {
            (spec.Strategy, spec.Batch, spec.Scaling) = ("fedmd:5", 30, ScalingChoice.None);
            spec.Privacy = new PrivacySpec { Level = PrivacyLevel.Record, Clip = 1, Noise = 3, Delta = 1e-5, Budget = 100 };
        });
        Assert.True(end.State == JobState.Done, end.ToString());
        PrivacySpending spent = Assert.Single(await nodes[1].Store.ListPrivacyAsync(CancellationToken.None));
        Assert.Equal((end.Job, 4, 4), (spent.Job, (int)spent.Rounds, (int)spent.LastRound));

        end = await EndAsync(spec => (spec.Strategy, spec.PublicRows.Rows) = ("fedmd:5", shared.Rows - 1));
        Assert.Equal(JobState.Refused, end.State);
        Assert.Contains("policy rule 'public-rows': this party's public rows 'shared' are 90, the job's 89", end.Error.Message, StringComparison.Ordinal);

        async Task<JobStatus> EndAsync(Action<HorizontalSpec> change) => await fixture.EndOfAsync(await fixture.SubmitAsync(fixture.NewJob(spec =>
        {
            spec.PublicRows = shared.Clone();
            change(spec);
        })));
    }

    /// <summary>The simulation's own FedMD: what each client comes to, its rows, and the public ones.</summary>
    private static double[][] Simulate(out Examples[] parts, out Examples shared)
    {
        Examples drawn = Given.Logistic(7, 120, 2);
        Examples all = Examples.FromRows([.. Enumerable.Range(0, drawn.Count).SelectMany(row => drawn.Row(row).ToArray()).Select(value => Math.Round(value, 6))], drawn.Labels(), 2);
        DistillingMethod method = new(OutputsOnly: true, Steps: 7, PublicShare: 0.25);
        SimulationOptions options = new()
        {
            Model = FederatedModel.Generalised(LossHead.Logistic, 2), Strategy = new FedAvg(), Partition = Partition.Parse("iid"), Clients = 3, Rounds = Rounds, Seed = 11, Method = method,
            Work = new LocalWork { Epochs = 2, BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.5) },
        };
        (shared, Examples own) = DistillingServer.Publish(all, method.PublicShare, options.Seed);
        using SimulatedClients clients = new(options, own, usesControl: false);
        parts = [.. Enumerable.Range(0, clients.Count).Select(clients.Of)];
        DistillingServer server = new(options, clients, all, new double[options.Model.Layout.Length], method, shared);
        for (int round = 0; round < Rounds; round++)
        {
            Assert.Null(server.Round(round, CancellationToken.None).Failure);
        }

        return [.. Enumerable.Range(0, clients.Count).Select(server.ModelOf)];
    }

    private static RoundCase Distilling(Examples[] parts, Examples shared, Action<HorizontalSpec> change) => new(
        parts.Length,
        spec =>
        {
            (spec.Strategy, spec.Rounds, spec.Epochs, spec.Scaling) = ("fedmd:7", Rounds, 2, ScalingChoice.None);
            change(spec);
        },
        given: parts, publicRows: shared);

    private static async Task<double[][]> ModelsAsync(RoundCase roundCase, Func<int, KillSwitch> life, int kills = 0)
    {
        await using RoundLab lab = new(roundCase, life);
        RoundJobRecord end = await lab.RunAsync();
        Assert.True(end.State == JobState.Done, end.Error?.ToString());
        Assert.Equal(kills, lab.Parties.Sum(party => party.Kills));
        return [.. lab.Parties.Select(party => party.Result!.Parameters)];
    }
}
