using FsCheck;
using FsCheck.Fluent;
using VertFed.Lattice;
using VertFed.Vertical;
using Xunit;

namespace VertFed.UnitTests.Vertical;

public sealed class PackingPlanTests
{
    private static readonly Arbitrary<(int Rows, int Columns)> Shapes = Gen.Choose(1, 200_000)
        .SelectMany(rows => Gen.Choose(1, 400).Select(columns => (rows, columns))).ToArbitrary();

    [Fact]
    public void Every_row_stands_in_exactly_one_ciphertext()
    {
        Prop.ForAll(Shapes, shape =>
        {
            PackingPlan plan = PackingPlan.Choose(shape.Rows, shape.Columns, LatticeParameters.Gradient);
            int next = 0;
            for (int k = 0; k < plan.Ciphertexts; k++)
            {
                (int start, int count) = plan.RowsOf(k);
                Assert.Equal(next, start);
                Assert.InRange(count, 1, plan.RowsPerCiphertext);
                next += count;
            }

            Assert.Equal(shape.Rows, next);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Every_column_stands_in_exactly_one_response_at_a_place_of_its_own()
    {
        Prop.ForAll(Shapes, shape =>
        {
            PackingPlan plan = PackingPlan.Choose(shape.Rows, shape.Columns, LatticeParameters.Gradient);
            int next = 0;
            for (int g = 0; g < plan.Responses; g++)
            {
                (int start, int count) = plan.ColumnsOf(g);
                int[] positions = plan.PositionsOf(g);
                Assert.Equal(next, start);
                Assert.Equal(count, positions.Length);
                Assert.Equal(positions.Length, positions.Distinct().Count());
                Assert.All(positions, p => Assert.InRange(p, 0, LatticeParameters.Gradient.Degree - 1));
                next += count;
            }

            Assert.Equal(shape.Columns, next);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Few_rows_share_one_ciphertext_among_many_columns()
    {
        PackingPlan plan = PackingPlan.Choose(600, 30, LatticeParameters.Gradient);
        Assert.Equal(1, plan.Ciphertexts);
        Assert.True(plan.ColumnsPerResponse >= 10, $"{plan.ColumnsPerResponse} columns a response");
    }

    [Fact]
    public void Many_rows_and_few_columns_are_answered_column_by_column()
    {
        PackingPlan plan = PackingPlan.Choose(2_000_000, 4, LatticeParameters.Gradient);
        Assert.Equal(1, plan.ColumnsPerResponse);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    public void Nothing_to_pack_is_refused(int rows, int columns) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => PackingPlan.Choose(rows, columns, LatticeParameters.Gradient));
}
