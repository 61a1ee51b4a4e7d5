using System.Security.Cryptography;
using System.Text;
using BenchmarkDotNet.Attributes;
using VertFed.Lattice;
using VertFed.Primitives;

namespace VertFed.Bench;

/// <summary>One transform of 8192 residues modulo one prime, on each path.</summary>
[Config(typeof(MicroConfig))]
public class TransformBenchmarks
{
    private readonly double[] _values = GC.AllocateArray<double>(8192, pinned: true);
    private readonly ulong[] _slots = new ulong[8192];
    private Kernel _kernel = Kernel.Best;
    private NttTables _tables = LatticeParameters.Link.Primes[0];

    /// <summary>Lanes: 1, 4 or 8. Eight lanes without AVX-512 are emulated and slow.</summary>
    [Params(1, 4, 8)]
    public int Lanes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _kernel = Lanes switch { 1 => Kernel.Scalar, 4 => Kernel.Wide256, _ => Kernel.Wide512 };
        _tables = new NttTables(LatticeParameters.Link.Literal.Primes[0], 8192, _kernel.LogLanes);
        using RandomStream stream = new(SHA256.HashData("transform"u8));
        for (int i = 0; i < _values.Length; i++)
        {
            _values[i] = stream.NextBelow(_tables.Prime);
            _slots[i] = stream.NextBelow(PlainField.Modulus);
        }
    }

    [Benchmark]
    public void Forward() => _kernel.Forward(_tables, _values);

    [Benchmark]
    public void Inverse() => _kernel.Inverse(_tables, _values);

    [Benchmark]
    public void SlotsOfPlaintext() => LatticeParameters.Link.PlainTransform.Forward(_slots);
}

/// <summary>The operations of the protocol on real parameters: four primes at the link level, three at the gradient level.</summary>
[MemoryDiagnoser]
[Config(typeof(MicroConfig))]
public class LatticeBenchmarks
{
    private const int LastCoefficient = 8191;
    private readonly byte[] _seed = SHA256.HashData("public seed"u8);
    private RandomStream _stream = null!;
    private readonly long[] _column = new long[8192];
    private LatticeParameters _parameters = LatticeParameters.Link;
    private SecretKey _secretKey = null!;
    private PublicKey _publicKey = null!;
    private Plaintext _plaintext = null!;
    private Ciphertext _ciphertext = null!;
    private PreparedPlaintext _prepared = null!;
    private ResponseBuilder _builder = null!;
    private FloodingBound _flood = null!;
    private SwitchedCiphertext _whole = null!;
    private SwitchedCiphertext _single = null!;
    private byte[] _sent = [];

    [Params(false, true)]
    public bool Gradient { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _parameters = Gradient ? LatticeParameters.Gradient : LatticeParameters.Link;
        _stream = RandomStream.Derive(_seed, "secret stream"u8);
        _secretKey = SecretKey.Generate(_parameters, _stream);
        _publicKey = PublicKey.Generate(_secretKey, SHA256.HashData(Encoding.ASCII.GetBytes("uniform")), _stream);
        _plaintext = new Plaintext(_parameters);
        _plaintext.FillRandom(_stream);
        for (int i = 0; i < _column.Length; i++)
        {
            _column[i] = (long)_stream.NextBelow(1 << 14) - (1 << 13);
        }

        SeededCiphertext seeded = SeededCiphertext.Encrypt(_secretKey, _plaintext, _seed, _stream);
        _sent = seeded.Serialize();
        _ciphertext = seeded.Expand();
        _prepared = PreparedPlaintext.FromSignedCoefficients(_parameters, _column);
        _builder = new ResponseBuilder(_parameters);
        _flood = new FloodingBound(
            _parameters, Gradient ? Math.ScaleB(1, 28) : FloodingBound.SlotProductNoise(_parameters, 12), 1 << 14);
        _whole = _builder.Finish(_publicKey, _flood, _stream);
        _single = _builder.Finish(_publicKey, _flood, _stream, [LastCoefficient]);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _secretKey.Dispose();
        _prepared.Dispose();
        _stream.Dispose();
    }

    [Benchmark]
    public SeededCiphertext Encrypt() => SeededCiphertext.Encrypt(_secretKey, _plaintext, _seed, _stream);

    [Benchmark]
    public Ciphertext ReadAndExpand() => SeededCiphertext.Deserialize(_parameters, _sent).Expand();

    [Benchmark]
    public void PrepareColumn() => PreparedPlaintext.FromSignedCoefficients(_parameters, _column).Dispose();

    [Benchmark]
    public void PreparePlaintext() => PreparedPlaintext.FromPlaintext(_parameters, _plaintext).Dispose();

    [Benchmark]
    public void CiphertextTimesPlaintext() => _builder.MultiplyAdd(_ciphertext, _prepared);

    [Benchmark]
    public void CiphertextPlusCiphertext() => _builder.Add(_ciphertext);

    [Benchmark]
    public SwitchedCiphertext FinishWhole() => _builder.Finish(_publicKey, _flood, _stream);

    [Benchmark]
    public SwitchedCiphertext FinishOneCoefficient() => _builder.Finish(_publicKey, _flood, _stream, [LastCoefficient]);

    [Benchmark]
    public Plaintext DecryptWhole() => _whole.Decrypt(_secretKey);

    [Benchmark]
    public ulong[] DecryptOneCoefficient() => _single.DecryptCoefficients(_secretKey, [LastCoefficient]);
}
