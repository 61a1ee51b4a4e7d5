namespace VertFed.Models;

/// <summary>A vector of both blocks as a combination of the optimiser's slots; the two blocks may take different coefficients.</summary>
internal sealed class Combination(int slots)
{
    public double[] Own { get; } = new double[slots];

    public double[] Peer { get; } = new double[slots];

    public Combination Add(int slot, double factor)
    {
        Own[slot] += factor;
        Peer[slot] += factor;
        return this;
    }

    public Combination Add(Combination other, double factor)
    {
        Reductions.MultiplyAdd(factor, other.Own, Own);
        Reductions.MultiplyAdd(factor, other.Peer, Peer);
        return this;
    }

    public void Scale(double factor)
    {
        for (int i = 0; i < Own.Length; i++)
        {
            Own[i] *= factor;
            Peer[i] *= factor;
        }
    }
}

/// <summary>
/// Inner products of the optimiser's slot vectors, kept apart by party. A joint inner product is the sum of the two terms; IEEE addition
/// commutes, so both parties get the same bits although each calls itself "own".
/// </summary>
internal sealed class GramTable(int slots)
{
    private readonly double[] _own = new double[slots * slots];
    private readonly double[] _peer = new double[slots * slots];

    public void Set(int i, int j, double own, double peer)
    {
        _own[(i * slots) + j] = own;
        _own[(j * slots) + i] = own;
        _peer[(i * slots) + j] = peer;
        _peer[(j * slots) + i] = peer;
    }

    public double Total(int i, int j) => _own[(i * slots) + j] + _peer[(i * slots) + j];

    public double Peer(int i, int j) => _peer[(i * slots) + j];

    public double Inner(Combination a, Combination b) => Form(_own, a.Own, b.Own) + Form(_peer, a.Peer, b.Peer);

    /// <summary>Inner product with one slot's joint vector.</summary>
    public double Inner(Combination a, int slot) => Row(_own, slot, a.Own) + Row(_peer, slot, a.Peer);

    public double PeerSquare(Combination a) => Form(_peer, a.Peer, a.Peer);

    private double Form(double[] gram, double[] a, double[] b)
    {
        double sum = 0;
        for (int i = 0; i < slots; i++)
        {
            if (a[i] != 0)
            {
                sum = Math.FusedMultiplyAdd(a[i], Row(gram, i, b), sum);
            }
        }

        return sum;
    }

    // Slots that hold no vector have coefficient 0 and entries that are finite: zero, or left over from an older vector.
    private double Row(double[] gram, int i, double[] b) => Reductions.Dot(gram.AsSpan(i * slots, slots), b);
}
