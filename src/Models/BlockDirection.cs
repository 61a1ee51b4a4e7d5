namespace VertFed.Models;

/// <summary>
/// Search direction for a quadratic whose two diagonal curvature blocks are the identity: H = [I C; C' I] with C known to nobody.
/// A joint step (s_F, s_L) with gradient change (y_F, y_L) tells C s_L = y_F − s_F and C's_F = y_L − s_L, that is, the curvature along
/// (s_F, 0) and along (0, s_L) separately: two pairs a round. All pairs enter one block BFGS update (Schnabel 1983; Gower, Goldfarb
/// and Richtárik, ICML 2016): −p = D Δ⁻¹D'g + (I − DΔ⁻¹Y') γ (I − YΔ⁻¹D') g with Δ = D'Y, which is exact on the span of D. So the
/// minimum is reached after about the smaller block's dimension + 1 gradients.
/// </summary>
internal static class BlockDirection
{
    // Below this a block's step has too few digits above the rounding of the gradient to tell a curvature.
    private const double ShortestStep = 1e-6;

    // Relative pivot below which a pair adds nothing to those already taken.
    private const double DependencePivot = 1e-8;

    public static Combination Find(
        GramTable gram, int slots, int gradientSlot, List<int> pairs, bool isLabelParty, double inverseCurvature)
    {
        List<Combination> d = [];
        List<Combination> y = [];
        foreach (int pair in pairs)
        {
            // Feature block first at both parties.
            AddPair(gram, slots, pair, own: !isLabelParty, d, y);
            AddPair(gram, slots, pair, own: isLabelParty, d, y);
        }

        Solver solver = Solver.Create(gram, d, y);
        double[] t = solver.Solve(i => gram.Inner(d[i], gradientSlot));
        Combination q = new Combination(slots).Add(gradientSlot, 1);
        solver.AddAll(q, y, t, -1);
        q.Scale(inverseCurvature);
        double[] back = solver.Solve(i => gram.Inner(y[i], q));
        Combination direction = new(slots);
        solver.AddAll(direction, d, t, -1);
        direction.Add(q, -1);
        solver.AddAll(direction, d, back, 1);
        return direction;
    }

    private static void AddPair(GramTable gram, int slots, int pair, bool own, List<Combination> d, List<Combination> y)
    {
        int s = 2 * pair;
        Combination step = new(slots);
        Combination change = new(slots);
        (double[] here, double[] changeHere, double[] changeThere) = own
            ? (step.Own, change.Own, change.Peer)
            : (step.Peer, change.Peer, change.Own);
        here[s] = 1;
        changeHere[s] = 1;
        changeThere[s + 1] = 1;
        changeThere[s] = -1;
        if (gram.Inner(step, step) > ShortestStep * ShortestStep)
        {
            d.Add(step);
            y.Add(change);
        }
    }

    /// <summary>Δ symmetrised, scaled to a unit diagonal, and factored newest pair first; dependent pairs are left out.</summary>
    private sealed class Solver(int[] taken, double[] scales, Cholesky? factor)
    {
        public static Solver Create(GramTable gram, List<Combination> d, List<Combination> y)
        {
            int count = d.Count;
            double[] scales = new double[count];
            double[,] delta = new double[count, count];
            for (int i = 0; i < count; i++)
            {
                scales[i] = 1 / Math.Sqrt(gram.Inner(d[i], y[i]));
            }

            for (int i = 0; i < count; i++)
            {
                for (int j = 0; j < count; j++)
                {
                    delta[i, j] = 0.5 * (gram.Inner(d[i], y[j]) + gram.Inner(d[j], y[i])) * scales[i] * scales[j];
                }
            }

            List<int> taken = [];
            List<double[]> rows = [];
            for (int i = count - 1; i >= 0; i--)
            {
                double[] row = new double[taken.Count + 1];
                double pivot = 1;
                for (int j = 0; j < taken.Count; j++)
                {
                    row[j] = (delta[i, taken[j]] - Reductions.Dot(row.AsSpan(0, j), rows[j].AsSpan(0, j))) / rows[j][j];
                    pivot -= row[j] * row[j];
                }

                if (pivot > DependencePivot)
                {
                    row[^1] = Math.Sqrt(pivot);
                    taken.Add(i);
                    rows.Add(row);
                }
            }

            double[] matrix = new double[taken.Count * taken.Count];
            for (int i = 0; i < taken.Count; i++)
            {
                for (int j = 0; j < taken.Count; j++)
                {
                    matrix[(i * taken.Count) + j] = delta[taken[i], taken[j]];
                }
            }

            return new Solver([.. taken], scales, taken.Count == 0 ? null : Cholesky.Factor(matrix, taken.Count));
        }

        /// <summary>Δ⁻¹ b over the pairs taken, with b_i from the given inner products.</summary>
        public double[] Solve(Func<int, double> product)
        {
            double[] b = [.. taken.Select(i => product(i) * scales[i])];
            factor?.Solve(b);
            for (int k = 0; k < b.Length; k++)
            {
                b[k] *= scales[taken[k]];
            }

            return b;
        }

        public void AddAll(Combination target, List<Combination> vectors, double[] coefficients, double sign)
        {
            for (int k = 0; k < taken.Length; k++)
            {
                target.Add(vectors[taken[k]], sign * coefficients[k]);
            }
        }
    }
}
