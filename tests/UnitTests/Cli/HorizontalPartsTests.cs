using VertFed.Cli.Jobs;
using VertFed.Cli.Reports;
using Xunit;

namespace VertFed.UnitTests.Cli;

public sealed class HorizontalPartsTests
{
    [Fact]
    public void The_worst_decile_is_the_mean_of_the_tenth_that_fare_worst()
    {
        PartyPart[] parties = [.. Enumerable.Range(0, 11).Select(i => new PartyPart { Party = $"p{i}", Rows = 10 + i, Loss = 1, Accuracy = 0.5 + (0.04 * i) })];

        PartySpread spread = HorizontalParts.SpreadOf(parties)!;

        Assert.Equal(("accuracy", "p0", 0.5), (spread.Measure, spread.WorstParty, spread.Worst));
        Assert.Equal(0.52, spread.WorstDecile, 1e-12);
        Assert.Equal(0.7, spread.Mean, 1e-12);
        Assert.Equal(0.04 * Math.Sqrt(10), spread.Deviation, 1e-12);
        Assert.Equal(("loss", 3.0, "p1"), HorizontalParts.SpreadOf([new PartyPart { Party = "p0", Loss = 1 }, new PartyPart { Party = "p1", Loss = 3 }]) is { } losses ? (losses.Measure, losses.WorstDecile, losses.WorstParty) : default);
        Assert.Null(HorizontalParts.SpreadOf([new PartyPart { Party = "p0" }]));
    }

    [Fact]
    public void The_part_of_a_party_whose_job_was_cancelled_has_no_measures_and_is_printed()
    {
        byte[] text = """{"schema":1,"job":"j","kind":"horizontal","party":"north","status":"cancelled","error":{"code":"Cancelled","message":"by the submitter"}}"""u8.ToArray();

        PartyPart part = HorizontalJson.Read(text, "north", HorizontalJson.Default.PartyPart);

        Assert.Null(HorizontalParts.GroupsOf([part], "region"));
        Assert.Null(HorizontalParts.SpreadOf([part]));
        CapturedTerminal terminal = new();
        HorizontalText.Write(terminal.Terminal.OutputConsole(), new HorizontalReport { Job = "j", Status = "cancelled", Parties = [part] });
        Assert.Contains("by the submitter", terminal.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_of_a_level_count_alike_whichever_party_has_them()
    {
        PartyPart north = new() { ScoreName = "rmse", Groups = [new LevelScore("a", 30, 3, 1, null), new LevelScore("b", 20, 1, 1, null)] };
        PartyPart south = new() { ScoreName = "rmse", Groups = [new LevelScore("a", 60, 0, 4, null)] };

        GroupReport groups = HorizontalParts.GroupsOf([north, south], "region")!;

        Assert.Equal(new GroupLine("a", 2, 90, Math.Sqrt(3), 3, null), groups.Levels[0]);
        Assert.Equal(new GroupLine("b", 1, 20, 1, 1, null), groups.Levels[1]);
        Assert.Null(HorizontalParts.GroupsOf([new PartyPart()], "region"));
    }
}
