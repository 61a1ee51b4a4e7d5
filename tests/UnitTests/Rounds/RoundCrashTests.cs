using VertFed.Horizontal;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.UnitTests.Horizontal;
using VertFed.UnitTests.Rounds.Lab;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>
/// The coordinator and a party, killed at durable writes of a job: before one, after the next, and in the slow runs at both of each. What is durable after one write
/// and before the next is the same; what was said between differs.
/// </summary>
public sealed class RoundCrashTests
{
    [Fact]
    public async Task A_coordinator_killed_at_any_write_comes_to_the_same_model_bit_for_bit() => await CoordinatorAsync(SumProtection.None, first: 1, every: 1);

    [Fact]
    public async Task In_secure_sums_a_coordinator_killed_at_any_write_comes_to_the_same_sums() => await CoordinatorAsync(SumProtection.Bonawitz, first: 8, every: 5);

    [Theory]
    [Trait("Speed", "slow")]
    [InlineData(SumProtection.None, 0)]
    [InlineData(SumProtection.Bonawitz, 0)]
    [InlineData(SumProtection.Bonawitz, 1)]
    public async Task So_it_is_at_all_the_other_points(SumProtection protection, int odd) => await CoordinatorAsync(protection, first: 1, every: 1, odd);

    [Fact]
    public async Task A_party_killed_at_any_write_comes_to_the_same_model_bit_for_bit_and_is_refused_nothing()
    {
        using RoundCase roundCase = new(3);
        double[] expected = await RoundLab.UndisturbedAsync(roundCase);
        for (int point = 2; ; point++)
        {
            await using RoundLab lab = new(roundCase, party => new KillSwitch(party == 1 ? point / 2 : 0, after: point % 2 == 1));
            RoundJobRecord end = await lab.RunAsync();
            if (lab.Parties[1].Kills == 0)
            {
                Assert.True(point > 9, $"{point}");
                break;
            }

            await RequireSameAsync(expected, lab, end, $"point {point}");
            Assert.Empty((await lab.SummariesAsync()).SelectMany(round => round.Refusals));
        }
    }

    [Fact]
    public async Task A_party_killed_in_a_secure_sum_is_left_out_of_it_at_once_and_the_sum_is_that_of_the_others()
    {
        using RoundCase roundCase = new(5, spec =>
        {
            spec.SecureAggregation = SumProtection.Bonawitz;
            spec.MinimumClients = 4;
        });
        // The columns, the scaling and two rounds, of which each question and each answer is a write.
        for (int point = 6; point < 54; point += 3)
        {
            await using RoundLab lab = new(roundCase, party => new KillSwitch(party == 1 ? point / 2 : 0, after: point % 2 == 1));
            RoundJobRecord end = await lab.RunAsync();

            Assert.True(end.State == JobState.Done, $"point {point}: {end.Error}");
            Assert.Equal(1, lab.Parties[1].Kills);
            int[][] counted = [.. (await lab.SummariesAsync()).Select(round => round.Counted.Select(name => Array.IndexOf(roundCase.Names, name)).ToArray())];
            FederatedScaling scaling = FederatedScaling.FromSum(FederatedScaling.Contribution(RoundLab.Pool([.. counted[0].Select(party => roundCase.Rows[party])])));
            Given.AssertClose(RoundLab.Reference(roundCase, scaling, counted[1..]), lab.Parties[1].Parameters, 1e-6);
            Assert.All(counted, parties => Assert.InRange(parties.Length, 4, 5));
            Assert.All((await lab.SummariesAsync()).SelectMany(round => round.Refusals), note => Assert.Equal("p2", note.Party));
        }
    }

    private static async Task CoordinatorAsync(SumProtection protection, int first, int every, int odd = 1)
    {
        using RoundCase roundCase = new(3, spec => spec.SecureAggregation = protection);
        double[] expected = await RoundLab.UndisturbedAsync(roundCase);
        int fewest = protection == SumProtection.None ? 30 : 60;
        for (int write = first; ; write += every)
        {
            await using RoundLab lab = new(roundCase);
            RoundJobRecord end = await lab.RunAsync(new KillSwitch(write, after: write % 2 == odd));
            if (lab.Kills == 0)
            {
                Assert.True(write > fewest, $"{write}");
                break;
            }

            await RequireSameAsync(expected, lab, end, $"write {write}, after: {write % 2 == odd}");
            Assert.Empty((await lab.SummariesAsync()).SelectMany(round => round.Refusals));
        }
    }

    private static async Task RequireSameAsync(double[] expected, RoundLab lab, RoundJobRecord end, string what)
    {
        Assert.True(end.State == JobState.Done, $"{what}: {end.Error}");
        Assert.Equal([0u, 1u, 2u], (await lab.SummariesAsync()).Select(round => round.Round));
        Assert.All(await lab.SummariesAsync(), round => Assert.Equal(3, round.Counted.Count));
        Assert.All(lab.Parties, party => Assert.True(expected.AsSpan().SequenceEqual(party.Parameters), what));
    }
}
