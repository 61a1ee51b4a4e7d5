using VertFed.Lattice;

namespace VertFed.Vertical;

/// <summary>
/// How one party's columns are answered: c columns a response, and therefore ⌊N/c⌋ rows in each ciphertext of the peer's
/// residual share (docs/protocol.md, 6.1). A pure function of public numbers, so that both parties find the same plan.
/// </summary>
public sealed record PackingPlan
{
    private PackingPlan(int rows, int columns, int columnsPerResponse, int degree)
    {
        Rows = rows;
        Columns = columns;
        ColumnsPerResponse = columnsPerResponse;
        RowsPerCiphertext = degree / columnsPerResponse;
        Ciphertexts = DivideUp(rows, RowsPerCiphertext);
        Responses = DivideUp(columns, columnsPerResponse);
    }

    /// <summary>Training rows n.</summary>
    public int Rows { get; }

    /// <summary>Columns d that are answered, an intercept included.</summary>
    public int Columns { get; }

    /// <summary>c.</summary>
    public int ColumnsPerResponse { get; }

    /// <summary>⌊N/c⌋.</summary>
    public int RowsPerCiphertext { get; }

    /// <summary>⌈n/⌊N/c⌋⌉: ciphertexts of the peer's residual share.</summary>
    public int Ciphertexts { get; }

    /// <summary>⌈d/c⌉.</summary>
    public int Responses { get; }

    /// <summary>The plan with the fewest bytes; of equals the one with the fewest columns a response.</summary>
    /// <param name="rows">n, at least 1.</param>
    /// <param name="columns">d, at least 1.</param>
    /// <param name="parameters">The gradient level.</param>
    public static PackingPlan Choose(int rows, int columns, LatticeParameters parameters)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        long upload = SeededCiphertext.SerializedBytes(parameters);
        PackingPlan? best = null;
        long bestBytes = long.MaxValue;
        for (int c = 1; c <= Math.Min(columns, parameters.Degree); c++)
        {
            PackingPlan plan = new(rows, columns, c, parameters.Degree);
            long bytes = (plan.Ciphertexts * upload) + (plan.Responses * (long)SwitchedCiphertext.SerializedBytes(parameters, c));
            if (bytes < bestBytes)
            {
                (best, bestBytes) = (plan, bytes);
            }
        }

        return best!;
    }

    /// <summary>Rows [start, start + count) that stand in a ciphertext of the peer's share.</summary>
    public (int Start, int Count) RowsOf(int ciphertext)
    {
        int start = ciphertext * RowsPerCiphertext;
        return (start, Math.Min(RowsPerCiphertext, Rows - start));
    }

    /// <summary>Columns [start, start + count) that stand in a response.</summary>
    public (int Start, int Count) ColumnsOf(int response)
    {
        int start = response * ColumnsPerResponse;
        return (start, Math.Min(ColumnsPerResponse, Columns - start));
    }

    /// <summary>The coefficients that hold the inner products of a response: (k+1)⌊N/c⌋ − 1.</summary>
    public int[] PositionsOf(int response)
    {
        int[] positions = new int[ColumnsOf(response).Count];
        for (int k = 0; k < positions.Length; k++)
        {
            positions[k] = ((k + 1) * RowsPerCiphertext) - 1;
        }

        return positions;
    }

    private static int DivideUp(int a, int b) => (a + b - 1) / b;
}
