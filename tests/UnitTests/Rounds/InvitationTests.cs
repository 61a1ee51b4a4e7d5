using VertFed.Coordinator.Rounds;
using VertFed.Horizontal;
using VertFed.Horizontal.Service;
using VertFed.Primitives;
using VertFed.Protocol;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>Whom a round of five parties invites that needs two answers of at least two.</summary>
public sealed class InvitationTests
{
    private static readonly ulong[] Rows = [1, 1, 1_000_000, 1, 1_000_000];

    [Fact]
    public void Parties_that_are_connected_come_first_and_one_that_has_left_is_not_invited()
    {
        for (int round = 1; round <= 20; round++)
        {
            Assert.Equal([2u, 5u], Draw("by-availability", round, left: place => place != 4, connected: place => place is 2 or 4 or 5));
        }
    }

    [Fact]
    public void Parties_that_are_away_are_invited_where_the_others_alone_make_no_round()
    {
        uint[][] rounds = [.. Enumerable.Range(1, 40).Select(round => Draw("by-availability", round, connected: place => place == 3))];

        Assert.All(rounds, invited => Assert.True(invited.Length == 2 && invited.Contains(3u)));
        Assert.Equal([1u, 2u, 3u, 4u, 5u], rounds.SelectMany(invited => invited).Distinct().Order());
        Assert.Empty(Draw("by-availability", 1, left: _ => false));
    }

    [Fact]
    public void By_size_parties_of_many_rows_are_invited_and_uniformly_all_are()
    {
        Assert.All(Enumerable.Range(1, 20), round => Assert.Equal([3u, 5u], Draw("by-size", round)));
        int[] often = new int[6];
        foreach (uint place in Enumerable.Range(1, 200).SelectMany(round => Draw("uniform", round)))
        {
            often[place]++;
        }

        Assert.All(often.Skip(1), count => Assert.InRange(count, 50, 110));
    }

    private static uint[] Draw(string selection, int round, Func<uint, bool>? left = null, Func<uint, bool>? connected = null)
    {
        string parties = string.Join("\n", Enumerable.Range(1, 5).Select(place => $"  - {{name: p{place}, fingerprint: {new string((char)('a' + place), 64)}}}"));
        JobSpecification job = JobSpecificationYaml.Parse(
            $"kind: horizontal\nparties:\n{parties}\nhorizontal: {{model: logistic, clients_per_round: 2, over_selection: 1, selection: {selection}}}", "job.yaml");
        using RandomStreams streams = RandomStreams.InsecureFromSeed(3);
        using RandomStream stream = streams.For("selection", round, RandomStreams.Server);
        return Invitations.Of(JobPlan.Of(job), selection == "by-size" ? Rows : [], left ?? (_ => true), connected ?? (_ => true), stream);
    }
}
