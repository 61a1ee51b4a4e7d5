namespace VertFed.Lattice;

/// <summary>
/// A prime of the chain with the twiddles of its negacyclic transform: psi^bitreverse(k), psi a primitive 2N-th root of
/// unity, centred in (−p/2, p/2), each with its correctly rounded quotient w/p.
/// </summary>
/// <remarks>
/// Index m + i holds the twiddle of group i in the layer with m groups (Longa and Naehrig, 2016, algorithms 1 and 2). The last
/// log2 L layers work on L×L blocks after a transposition, so their twiddles are stored again per block: for each stride
/// s = L/2 … 1 and each of the L/(2s) groups in a row one register whose lane i belongs to row i.
/// </remarks>
internal sealed class NttTables
{
    /// <summary>Primes stay under this: below 2^50 with room for |x| ≤ 4p in every product (see <see cref="Residues{TLanes,TVector}"/>).</summary>
    internal const ulong PrimeLimit = 1UL << 50;

    internal NttTables(ulong prime, int degree, int logLanes)
    {
        Prime = prime;
        Degree = degree;
        LogDegree = System.Numerics.BitOperations.Log2((uint)degree);
        P = prime;
        Inverse = 1.0 / P;
        ulong root = PrimeNumbers.RootOfUnity(prime, 2 * (ulong)degree);
        ulong rootInverse = PrimeNumbers.InverseMod(root, prime);
        Forward = Powers(root);
        ForwardQuotients = Quotients(Forward);
        Backward = Powers(rootInverse);
        BackwardQuotients = Quotients(Backward);
        ForwardTail = Tail(Forward, 1 << logLanes);
        ForwardTailQuotients = Quotients(ForwardTail);
        BackwardTail = Tail(Backward, 1 << logLanes);
        BackwardTailQuotients = Quotients(BackwardTail);
        DegreeInverse = Centred(PrimeNumbers.InverseMod((ulong)degree, prime));
        LastTwiddle = Centred(PrimeNumbers.MulMod(Lift(Backward[1]), PrimeNumbers.InverseMod((ulong)degree, prime), prime));
    }

    internal ulong Prime { get; }

    internal int Degree { get; }

    internal int LogDegree { get; }

    /// <summary>The prime as a double (exact).</summary>
    internal double P { get; }

    /// <summary>fl(1/p).</summary>
    internal double Inverse { get; }

    internal double[] Forward { get; }

    internal double[] ForwardQuotients { get; }

    internal double[] Backward { get; }

    internal double[] BackwardQuotients { get; }

    internal double[] ForwardTail { get; }

    internal double[] ForwardTailQuotients { get; }

    internal double[] BackwardTail { get; }

    internal double[] BackwardTailQuotients { get; }

    /// <summary>N^-1, centred.</summary>
    internal double DegreeInverse { get; }

    /// <summary>N^-1 times the only twiddle of the inverse transform's last layer, centred.</summary>
    internal double LastTwiddle { get; }

    /// <summary>The centred representative of a residue in [0, p), as a double.</summary>
    internal double Centred(ulong residue) => residue > Prime / 2 ? -(double)(Prime - residue) : residue;

    /// <summary>The representative in [0, p) of a loose residue. For set-up and tests.</summary>
    internal ulong Lift(double residue)
    {
        long value = (long)residue % (long)Prime;
        return (ulong)(value < 0 ? value + (long)Prime : value);
    }

    private double[] Powers(ulong root)
    {
        double[] powers = new double[Degree];
        ulong power = 1;
        for (int k = 0; k < Degree; k++)
        {
            powers[ReverseBits(k, LogDegree)] = Centred(power);
            power = PrimeNumbers.MulMod(power, root, Prime);
        }

        return powers;
    }

    private double[] Quotients(double[] values)
    {
        double[] quotients = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            quotients[i] = values[i] / P;
        }

        return quotients;
    }

    private double[] Tail(double[] twiddles, int lanes)
    {
        int perBlock = Math.Max((lanes - 1) * lanes, 1);
        int blocks = Degree / (lanes * lanes);
        double[] tail = new double[blocks * perBlock];
        int next = 0;
        for (int block = 0; block < blocks; block++)
        {
            for (int stride = lanes / 2; stride >= 1; stride /= 2)
            {
                int groups = lanes / (2 * stride);
                for (int group = 0; group < groups; group++)
                {
                    for (int row = 0; row < lanes; row++)
                    {
                        tail[next++] = twiddles[(Degree / (2 * stride)) + (((block * lanes) + row) * groups) + group];
                    }
                }
            }
        }

        return tail;
    }

    internal static int ReverseBits(int value, int bits)
    {
        int reversed = 0;
        for (int i = 0; i < bits; i++)
        {
            reversed = (reversed << 1) | ((value >> i) & 1);
        }

        return reversed;
    }
}
