using VertFed.Lattice;
using VertFed.Models;

namespace VertFed.Vertical;

/// <summary>
/// Own columns as ct×pt operands: for ciphertext b of the peer's share and response g, the polynomial Σ_k Σ_i x_{k,i} X^{(k+1)L − 1 − i}
/// with L rows a ciphertext. Columns never change in a job, so operands are kept up to a budget; past it they are made anew each
/// time, which costs three transforms and keeps memory bounded whatever the number of rows.
/// </summary>
internal sealed class PreparedColumns : IDisposable
{
    /// <summary>Bytes of operands that are kept.</summary>
    private const long CacheBytes = 256L * 1024 * 1024;

    private readonly QuantisedColumns _columns;
    private readonly PackingPlan _plan;
    private readonly PreparedPlaintext?[]? _cache;

    public PreparedColumns(QuantisedColumns columns, PackingPlan plan)
    {
        _columns = columns;
        _plan = plan;
        LatticeParameters parameters = LatticeParameters.Gradient;
        long bytes = (long)plan.Ciphertexts * plan.Responses * parameters.Degree * sizeof(double) * parameters.PrimeCount;
        _cache = bytes <= CacheBytes ? new PreparedPlaintext?[plan.Ciphertexts * plan.Responses] : null;
    }

    /// <summary>
    /// Adds ciphertext b of the peer's share times the operand of (b, response) to a sum. Threads may work on different responses at
    /// once, not on the same.
    /// </summary>
    public void MultiplyInto(ResponseBuilder sum, Ciphertext share, int ciphertext, int response)
    {
        if (_cache is null)
        {
            using PreparedPlaintext once = Make(ciphertext, response);
            sum.MultiplyAdd(share, once);
            return;
        }

        ref PreparedPlaintext? kept = ref _cache[(ciphertext * _plan.Responses) + response];
        kept ??= Make(ciphertext, response);
        sum.MultiplyAdd(share, kept);
    }

    public void Dispose()
    {
        foreach (PreparedPlaintext? operand in _cache ?? [])
        {
            operand?.Dispose();
        }
    }

    private PreparedPlaintext Make(int ciphertext, int response)
    {
        (int start, int rows) = _plan.RowsOf(ciphertext);
        (int firstColumn, int count) = _plan.ColumnsOf(response);
        long[] coefficients = new long[LatticeParameters.Gradient.Degree];
        for (int k = 0; k < count; k++)
        {
            ReadOnlySpan<int> column = _columns[firstColumn + k].Slice(start, rows);
            int top = ((k + 1) * _plan.RowsPerCiphertext) - 1;
            for (int i = 0; i < column.Length; i++)
            {
                coefficients[top - i] = column[i];
            }
        }

        return PreparedPlaintext.FromSignedCoefficients(LatticeParameters.Gradient, coefficients);
    }
}
