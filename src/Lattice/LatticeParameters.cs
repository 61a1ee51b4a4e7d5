using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace VertFed.Lattice;

/// <summary>
/// Checked parameters of the RLWE scheme (BFV-style, Fan and Vercauteren 2012) with everything that is derived from them: tables,
/// constants and scratch buffers. Immutable and safe for concurrent use.
/// </summary>
public sealed class LatticeParameters
{
    /// <summary>η of the centred binomial error: differences of two sums of η bits, standard deviation √(η/2) = 3.24.</summary>
    public const int ErrorEta = 21;

    /// <summary>Bytes of a parameter id on the wire.</summary>
    public const int IdBytes = 8;

    /// <summary>Bits kept of each coefficient of a response's second polynomial, which the secret key multiplies.</summary>
    public const int SecondSwitchedBits = 72;

    /// <summary>Bits kept of each coefficient of a response's first polynomial, whose rounding error is not multiplied.</summary>
    public const int FirstSwitchedBits = 64;

    private readonly byte[] _id;

    /// <summary>Checks a literal and derives its tables.</summary>
    /// <exception cref="LatticeException">A rule is broken; the message names it.</exception>
    public LatticeParameters(LatticeLiteral literal)
        : this(CheckSecurity(literal), Kernel.For(literal.Degree))
    {
    }

    private LatticeParameters(LatticeLiteral literal, Kernel kernel)
    {
        CheckArithmetic(literal);
        Literal = literal;
        Kernel = kernel;
        Plain = new PlainModulus(literal.PlainModulus);
        PlainTransform = new PlainTransform(Plain, literal.Degree);
        Primes = [.. literal.Primes.Select(p => new NttTables(p, literal.Degree, kernel.LogLanes))];
        Scaling = new PlainScaling(this);
        Switching = new ModulusSwitch(this);
        Doubles = new BufferPool<double>(literal.Degree * literal.Primes.Length);
        _id = SHA256.HashData(Encoding.ASCII.GetBytes(literal.ToCanonicalText()))[..IdBytes];
        LogQ = literal.Primes.Sum(p => Magnitude.Log2(p));
    }

    /// <summary>For slot-encoded products: about 200 bits of q.</summary>
    public static LatticeParameters Link => StandardSets.Link;

    /// <summary>For coefficient-packed products: about 150 bits of q.</summary>
    public static LatticeParameters Gradient => StandardSets.Gradient;

    /// <summary>The literal that was checked.</summary>
    public LatticeLiteral Literal { get; }

    /// <summary>N.</summary>
    public int Degree => Literal.Degree;

    /// <summary>t.</summary>
    public ulong PlainModulus => Literal.PlainModulus;

    /// <summary>Number of primes in q.</summary>
    public int PrimeCount => Literal.Primes.Length;

    /// <summary>Bits of the modulus that responses are switched down to.</summary>
    public int SwitchedBits => SecondSwitchedBits;

    /// <summary>log2 q, for display and for bounds with slack; not exact.</summary>
    public double LogQ { get; }

    /// <summary>The first eight bytes of the SHA-256 of the literal's canonical text; a copy.</summary>
    public byte[] Id => [.. _id];

    internal ReadOnlySpan<byte> IdSpan => _id;

    internal Kernel Kernel { get; }

    internal PlainModulus Plain { get; }

    internal PlainTransform PlainTransform { get; }

    internal ImmutableArray<NttTables> Primes { get; }

    internal PlainScaling Scaling { get; }

    internal ModulusSwitch Switching { get; }

    /// <summary>Buffers of N doubles a prime.</summary>
    internal BufferPool<double> Doubles { get; }

    /// <summary>The same parameters on a given kernel, so that tests and benchmarks can compare paths.</summary>
    internal LatticeParameters WithKernel(Kernel kernel) => new(Literal, kernel);

    /// <summary>Parameters of any degree, secure or not. For tests of the arithmetic alone.</summary>
    internal static LatticeParameters CreateInsecureForTests(LatticeLiteral literal) => new(literal, Kernel.For(literal.Degree));

    internal bool IsSameAs(LatticeParameters other) => ReferenceEquals(this, other) || _id.AsSpan().SequenceEqual(other._id);

    /// <summary>
    /// The largest log2 q for 128-bit security with ternary secrets and standard deviation 3.2: the values of the
    /// Homomorphic Encryption Standard (2018) are 109, 218 and 438; later estimates of the attacks are lower, hence the room.
    /// </summary>
    private static int MaximumLogQ(int degree) => degree switch
    {
        4096 => 109,
        8192 => 212,
        16384 => 430,
        _ => 0,
    };

    private static LatticeLiteral CheckSecurity(LatticeLiteral literal)
    {
        ArgumentNullException.ThrowIfNull(literal);
        int limit = MaximumLogQ(literal.Degree);
        if (limit == 0)
        {
            LatticeError.Parameters(Text($"degree {literal.Degree} is not 4096, 8192 or 16384"));
        }

        CheckArithmetic(literal);
        double logQ = literal.Primes.Sum(p => Magnitude.Log2(p));
        if (logQ > limit)
        {
            LatticeError.Parameters(Text($"log2 q = {logQ:F1} exceeds {limit}, the limit for 128-bit security at degree {literal.Degree}"));
        }

        return literal;
    }

    private static void CheckArithmetic(LatticeLiteral literal)
    {
        if (literal.Degree is < 16 or > 16384 || !System.Numerics.BitOperations.IsPow2(literal.Degree))
        {
            LatticeError.Parameters(Text($"degree {literal.Degree} is no power of two from 16 to 16384"));
        }

        if (literal.Primes.IsDefault || literal.Primes.Length is < 2 or > 8)
        {
            LatticeError.Parameters("q must have two to eight primes");
        }

        if (literal.Primes.Distinct().Count() != literal.Primes.Length)
        {
            LatticeError.Parameters("a prime of q is repeated");
        }

        CheckPrime(literal.PlainModulus, 1UL << VertFed.Lattice.PlainModulus.MaximumBits, literal.Degree, "t");
        foreach (ulong prime in literal.Primes)
        {
            CheckPrime(prime, NttTables.PrimeLimit, literal.Degree, "a prime of q");
        }

        if (literal.Primes.Contains(literal.PlainModulus))
        {
            LatticeError.Parameters("t divides q");
        }
    }

    private static void CheckPrime(ulong value, ulong limit, int degree, string what)
    {
        if (value >= limit)
        {
            LatticeError.Parameters(Text($"{what}, {value}, is not below {limit}"));
        }

        if (value % (2 * (ulong)degree) != 1)
        {
            LatticeError.Parameters(Text($"{what}, {value}, is not 1 modulo {2 * degree}"));
        }

        if (!PrimeNumbers.IsPrime(value))
        {
            LatticeError.Parameters(Text($"{what}, {value}, is not prime"));
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Built on first use.</summary>
    private static class StandardSets
    {
        internal static readonly LatticeParameters Link = new(LatticeLiteral.Link);
        internal static readonly LatticeParameters Gradient = new(LatticeLiteral.Gradient);
    }
}
