using BenchmarkDotNet.Attributes;
using VertFed.Primitives;
using VertFed.Psi.Group;

namespace VertFed.Bench;

/// <summary>Time per id of the alignment's two heavy steps, on one core: k·H(id) and k·E.</summary>
[Config(typeof(MicroConfig))]
public class PsiBenchmarks
{
    private const int Ids = 8 * RistrettoBatch.BatchSize;
    private readonly byte[] _uniform = new byte[Ids * RistrettoBatch.UniformBytes];
    private readonly byte[] _blinded = new byte[Ids * RistrettoBatch.ElementBytes];
    private readonly byte[] _output = new byte[Ids * RistrettoBatch.ElementBytes];
    private readonly string[] _ids = new string[Ids];
    private Scalar _scalar = null!;

    [GlobalSetup]
    public void Setup()
    {
        using RandomStream stream = new(new byte[RandomStream.KeyBytes]);
        _scalar = Scalar.Random(stream);
        for (int i = 0; i < Ids; i++)
        {
            _ids[i] = $"customer-{i:D9}";
            HashToGroup.Hash(_ids[i], _uniform.AsSpan(i * RistrettoBatch.UniformBytes, RistrettoBatch.UniformBytes));
        }

        RistrettoBatch.DeriveAndMultiply(_uniform, _scalar, _blinded);
    }

    [GlobalCleanup]
    public void Cleanup() => _scalar.Dispose();

    [Benchmark(OperationsPerInvoke = Ids)]
    public void Hash()
    {
        for (int i = 0; i < Ids; i++)
        {
            HashToGroup.Hash(_ids[i], _uniform.AsSpan(i * RistrettoBatch.UniformBytes, RistrettoBatch.UniformBytes));
        }
    }

    [Benchmark(OperationsPerInvoke = Ids)]
    public void Blind() => RistrettoBatch.DeriveAndMultiply(_uniform, _scalar, _output);

    [Benchmark(OperationsPerInvoke = Ids)]
    public int Evaluate() => RistrettoBatch.DecodeAndMultiply(_blinded, _scalar, _output);

    [Benchmark(OperationsPerInvoke = Ids)]
    public int Check() => RistrettoBatch.FindInvalid(_blinded);

    [Benchmark(OperationsPerInvoke = Ids)]
    public void BlindOneLane() => LaneBatch<FieldElement>.DeriveAndMultiply(_uniform, _scalar, _output);

    [Benchmark(OperationsPerInvoke = Ids)]
    public int EvaluateOneLane() => LaneBatch<FieldElement>.DecodeAndMultiply(_blinded, _scalar, _output);
}
