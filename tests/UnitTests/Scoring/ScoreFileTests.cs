using System.Globalization;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Scoring;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Scoring;

/// <summary>The file that the label party's people open.</summary>
public sealed class ScoreFileTests : IDisposable
{
    private readonly TemporaryPlace _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public void Every_row_of_the_input_is_there_in_its_order_with_a_score_or_the_reason_why_not()
    {
        string[] ids = ["a1", "a2", "a3", "A1", ""];

        ScoreCounts counts = ScoreFile.Write(_place.At("scores.csv"), ["id"], [ids], candidates: [0, 1, 2], aligned: [2, 0], scores: [0.25, 1e-300]);

        Assert.Equal(new ScoreCounts(2, 1, 2), counts);
        Assert.Equal(
            "id,score,status\na1,1E-300,scored\na2,,not_shared\na3,0.25,scored\nA1,,left_out\n,,left_out\n", File.ReadAllText(_place.At("scores.csv")));
        Assert.Equal([_place.At("scores.csv")], Directory.GetFiles(_place.Folder));
    }

    [Fact]
    public void Scores_come_back_as_the_very_same_numbers()
    {
        Random random = new(3);
        double[] scores = [.. Enumerable.Range(0, 2000).Select(_ => random.NextDouble() * Math.Pow(10, random.Next(-30, 30)))];
        string[] ids = [.. scores.Select((_, i) => $"c{i}")];
        int[] rows = [.. Enumerable.Range(0, scores.Length)];

        ScoreFile.Write(_place.At("scores.csv"), ["id"], [ids], rows, rows, scores);

        Assert.Equal(
            scores, File.ReadLines(_place.At("scores.csv")).Skip(1).Select(line => double.Parse(line.Split(',')[1], CultureInfo.InvariantCulture)));
    }

    [Theory]
    [InlineData("=HYPERLINK(1)", "'=HYPERLINK(1)")]
    [InlineData("+49 30", "'+49 30")]
    [InlineData("-17", "'-17")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData("\tx", "'\tx")]
    [InlineData("'quoted", "''quoted")]
    [InlineData("a=b", "a=b")]
    [InlineData("a,b", "\"a,b\"")]
    [InlineData("say \"hi\"", "\"say \"\"hi\"\"\"")]
    [InlineData("=\"x\"", "\"'=\"\"x\"\"\"")]
    [InlineData("\rx", "\"'\rx\"")]
    [InlineData("two\nlines", "\"two\nlines\"")]
    [InlineData("", "")]
    public void A_cell_that_a_spreadsheet_would_run_is_guarded_in_a_way_that_comes_back(string id, string cell)
    {
        Assert.Equal(cell, ScoreFile.Cell(id));
        string read = cell.StartsWith('"') ? cell[1..^1].Replace("\"\"", "\"", StringComparison.Ordinal) : cell;
        Assert.Equal(id, read.StartsWith('\'') ? read[1..] : read);
    }

    [Fact]
    public void Several_id_columns_stand_side_by_side_under_their_names()
    {
        ScoreFile.Write(_place.At("scores.csv"), ["name", "=born"], [["x", "y"], ["1990", "1991"]], [0, 1], [1], [0.5]);

        Assert.Equal("name,'=born,score,status\nx,1990,,not_shared\ny,1991,0.5,scored\n", File.ReadAllText(_place.At("scores.csv")));
    }

    [Fact]
    public void Quantiles_of_few_scores_are_not_told()
    {
        Assert.Null(ScorePart.QuantilesOf(null));
        Assert.Null(ScorePart.QuantilesOf([.. Enumerable.Range(0, 99).Select(i => (double)i)]));
        Assert.Equal([5, 25, 50, 75, 95], ScorePart.QuantilesOf([.. Enumerable.Range(0, 101).Reverse().Select(i => (double)i)])!);
    }
}
