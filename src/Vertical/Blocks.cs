using VertFed.Lattice;

namespace VertFed.Vertical;

/// <summary>Blocks of N consecutive aligned training rows; the last one is padded with zeros.</summary>
internal static class Blocks
{
    public static int Count(int rows) => (rows + LatticeParameters.Link.Degree - 1) / LatticeParameters.Link.Degree;

    public static (int Start, int Length) RowsOf(int block, int rows)
    {
        int start = block * LatticeParameters.Link.Degree;
        return (start, Math.Min(LatticeParameters.Link.Degree, rows - start));
    }
}
