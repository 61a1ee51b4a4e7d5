using VertFed.Horizontal.Learning;
using VertFed.PartyNode.Rounds;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>Which groups a party tells of: no number is of few rows, nor is what the told ones leave of the whole.</summary>
public sealed class RowGroupsTests
{
    [Theory]
    [InlineData("40 30 0", "x 40, y 30")]
    [InlineData("40 30 25", "x 40, y 30, (other) 25")]
    [InlineData("40 19 25", "x 40, (other) 44")]
    [InlineData("40 19 0", "(other) 59")]
    [InlineData("40 30 1", "x 40, (other) 31")]
    [InlineData("40 30 19", "x 40, (other) 49")]
    [InlineData("5 5 5", "")]
    [InlineData("40 0 0", "x 40")]
    public void Few_rows_are_told_of_with_others_or_not_at_all(string rows, string told)
    {
        int[] counts = [.. rows.Split(' ').Select(int.Parse)];
        int[] levels = [.. counts.SelectMany((count, level) => Enumerable.Repeat(level, count))];
        FederatedModel model = FederatedModel.Generalised(LossHead.Logistic, 1);
        Examples examples = Examples.FromRows([.. levels.Select(level => (double)level)], [.. levels.Select((_, row) => (double)(row % 2))], 1);

        IReadOnlyList<LevelMeasure> measures = new RowGroups(["x", "y"], levels, []).Measure(model, [0.5, 0.1], examples, levels);

        Assert.Equal(told, string.Join(", ", measures.Select(measure => $"{measure.Level} {measure.Measured.Rows}")));
    }
}
