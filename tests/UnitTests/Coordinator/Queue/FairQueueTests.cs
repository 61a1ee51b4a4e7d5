using FsCheck;
using FsCheck.Fluent;
using VertFed.Coordinator.Jobs;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Queue;

/// <summary>Who starts next, decided without a clock.</summary>
public sealed class FairQueueTests
{
    private static readonly Config ManyRuns = Config.QuickThrowOnFailure.WithMaxTest(300);

    [Fact]
    public void One_submitters_jobs_start_in_the_order_of_submission()
    {
        FairQueue queue = Queue((1, "x", "a", "b"), (2, "x", "a", "b"), (3, "x", "a", "b"));
        Assert.Equal(["1", "2", "3"], queue.Order());
        Assert.Equal(["1", "2", "3"], TakeAll(queue));
    }

    [Fact]
    public void Submitters_take_turns_however_many_jobs_one_of_them_has()
    {
        FairQueue queue = Queue((1, "x", "a", "b"), (2, "x", "a", "b"), (3, "x", "a", "b"), (4, "y", "a", "b"), (5, "y", "c", "d"), (6, "z", "a", "b"));
        Assert.Equal(["1", "4", "6", "2", "5", "3"], queue.Order());
        Assert.Equal(["1", "4", "6", "2", "5", "3"], TakeAll(queue));
    }

    [Fact]
    public void A_submitter_who_comes_back_waits_for_the_turn_of_the_others()
    {
        FairQueue queue = Queue((1, "x", "a", "b"), (2, "y", "a", "b"), (3, "y", "a", "b"));
        Assert.Equal("1", Take(queue));
        queue.Add(Job(4, "x", "a", "b"));
        Assert.Equal(["2", "4", "3"], TakeAll(queue));
    }

    [Fact]
    public void A_job_whose_party_is_busy_holds_up_nobody()
    {
        FairQueue queue = Queue((1, "x", "a", "b"), (2, "x", "c", "d"));
        Assert.Equal("2", queue.TakeNext(new QueueRoom(1, _ => true, party => party != "a"))?.Job);
        Assert.Null(queue.TakeNext(new QueueRoom(1, _ => true, party => party != "a")));
        Assert.Equal("1", Take(queue));
    }

    [Fact]
    public void Without_a_slot_nothing_starts()
    {
        FairQueue queue = Queue((1, "x", "a", "b"));
        Assert.Null(queue.TakeNext(new QueueRoom(0, _ => true, _ => true)));
        Assert.Equal(1, queue.Count);
    }

    [Fact]
    public void A_job_that_saw_eight_starts_keeps_its_parties_for_itself()
    {
        // 'a' and 'b' are each kept busy by jobs of the other pairs; never do both have room at once.
        FairQueue queue = Queue([(1, "x", "a", "b"), .. Enumerable.Range(2, 40).Select(ordinal => ((long)ordinal, "y", "a", "c"))]);
        var without = new QueueRoom(1, _ => true, party => party != "b");
        for (int i = 0; i < 8; i++)
            Assert.NotNull(queue.TakeNext(without));
        Assert.Null(queue.TakeNext(without));
        Assert.Equal("1", queue.Order()[0]);
        Assert.Equal("1", Take(queue));
    }

    [Fact]
    public void A_job_whose_party_is_away_neither_ages_nor_keeps_its_peer_from_others()
    {
        FairQueue queue = Queue([(1, "x", "a", "b"), .. Enumerable.Range(2, 40).Select(ordinal => ((long)ordinal, "y", "a", "c"))]);
        var away = new QueueRoom(1, party => party != "b", _ => true);
        for (int i = 0; i < 40; i++)
            Assert.NotNull(queue.TakeNext(away));
        Assert.Null(queue.TakeNext(away));
        Assert.Equal("1", Take(queue));
    }

    [Fact]
    public void A_removed_job_is_gone_and_a_job_is_added_once()
    {
        FairQueue queue = Queue((1, "x", "a", "b"), (2, "x", "a", "b"));
        queue.Add(Job(1, "x", "a", "b"));
        Assert.True(queue.Remove("1"));
        Assert.False(queue.Remove("1"));
        Assert.Equal(["2"], TakeAll(queue));
    }

    [Fact]
    public void After_a_restart_turns_go_on_with_who_has_no_running_job()
    {
        FairQueue queue = Queue((1, "x", "a", "b"), (2, "y", "a", "b"));
        queue.NoteStart("x");
        Assert.Equal(["2", "1"], TakeAll(queue));
    }

    /// <summary>Random arrivals of jobs between random parties by random submitters, random lengths; the bound is the one that <see cref="FairQueue"/> states.</summary>
    [Fact]
    public void Every_job_starts_within_the_stated_bound_whatever_arrives()
    {
        Gen<(int Submitter, int Label, int Feature, int Length, int Gap)> one =
            from submitter in Gen.Choose(0, 5)
            from label in Gen.Choose(0, 4)
            from shift in Gen.Choose(1, 4)
            from length in Gen.Choose(1, 12)
            from gap in Gen.Choose(0, 3)
            select (submitter, label, (label + shift) % 5, length, gap);
        Gen<((int, int, int, int, int)[] Jobs, int Slots, int PerParty)> all =
            from jobs in Gen.ArrayOf(one, 120)
            from slots in Gen.Choose(1, 5)
            from perParty in Gen.Choose(1, 3)
            select (jobs, slots, perParty);
        Prop.ForAll(all.ToArbitrary(), run => Simulation.Run(run.Jobs, run.Slots, run.PerParty)).Check(ManyRuns);
    }

    private static FairQueue Queue(params (long Ordinal, string Submitter, string Label, string Feature)[] jobs)
    {
        var queue = new FairQueue();
        foreach ((long ordinal, string submitter, string label, string feature) in jobs)
            queue.Add(Job(ordinal, submitter, label, feature));
        return queue;
    }

    private static QueuedJob Job(long ordinal, string submitter, string label, string feature) =>
        new(ordinal.ToString(System.Globalization.CultureInfo.InvariantCulture), ordinal, submitter, label, feature);

    private static string? Take(FairQueue queue) => queue.TakeNext(new QueueRoom(1, _ => true, _ => true))?.Job;

    private static List<string> TakeAll(FairQueue queue)
    {
        var taken = new List<string>();
        while (Take(queue) is { } job)
            taken.Add(job);
        return taken;
    }

    /// <summary>Jobs arrive, start, run for their length and end, tick by tick.</summary>
    private static class Simulation
    {
        public static void Run((int Submitter, int Label, int Feature, int Length, int Gap)[] jobs, int slots, int perParty)
        {
            var queue = new FairQueue();
            var running = new List<(QueuedJob Job, int Until)>();
            var first = new Dictionary<string, int>(StringComparer.Ordinal);
            var waiting = new List<QueuedJob>();
            int arrived = 0, next = 0, started = 0, widest = 0;
            for (int tick = 0; started < jobs.Length; tick++)
            {
                Assert.True(tick < 20_000, "the jobs do not come to an end");
                while (arrived < jobs.Length && next <= tick)
                {
                    var (submitter, label, feature, _, gap) = jobs[arrived];
                    QueuedJob job = FairQueueTests.Job(arrived, $"s{submitter}", $"p{label}", $"p{feature}");
                    queue.Add(job);
                    waiting.Add(job);
                    arrived++;
                    next = tick + gap;
                }

                running.RemoveAll(one => one.Until <= tick);
                while (queue.TakeNext(new QueueRoom(slots - running.Count, _ => true, party => Load(party) < perParty)) is { } taken)
                {
                    int lines = waiting.Select(job => job.Submitter).Distinct(StringComparer.Ordinal).Count();
                    widest = Math.Max(widest, lines);
                    foreach (QueuedJob other in waiting.GroupBy(job => job.Submitter, StringComparer.Ordinal).Select(line => line.First()))
                    {
                        if (other != taken && (Uses(taken, other.LabelParty) || Uses(taken, other.FeatureParty)))
                            first[other.Job] = first.GetValueOrDefault(other.Job) + 1;
                    }

                    waiting.Remove(taken);
                    running.Add((taken, tick + jobs[taken.Ordinal].Length));
                    started++;
                    Assert.True(running.Count <= slots, "more run than may");
                    Assert.All(new[] { taken.LabelParty, taken.FeatureParty }, party => Assert.True(Load(party) <= perParty, "a party has more than it may"));
                    Assert.InRange(first.GetValueOrDefault(taken.Job), 0, Math.Max(8, 2 * widest) + widest);
                }

                // Nothing that could start is left standing: the next in line is blocked, or there is no slot.
                Assert.True(running.Count > 0 || queue.Count == 0, "jobs wait while nothing runs");
            }

            int Load(string party) => running.Count(one => Uses(one.Job, party));
        }

        private static bool Uses(QueuedJob job, string party) => job.LabelParty == party || job.FeatureParty == party;
    }
}
