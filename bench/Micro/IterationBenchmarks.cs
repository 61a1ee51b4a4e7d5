using BenchmarkDotNet.Attributes;
using VertFed.Lattice;
using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.Vertical;
using VertFed.Vertical;

namespace VertFed.Bench;

/// <summary>
/// One training iteration at the shape of FATE's published runs: both parties in one process on the machine's cores, seals,
/// signatures and journals included, network excluded.
/// </summary>
[Config(typeof(MacroConfig))]
[MemoryDiagnoser]
public class IterationBenchmarks
{
    private InMemoryChannelPair? _pair;
    private QuantisedColumns? _label;
    private QuantisedColumns? _feature;
    private GradientExchange? _atLabel;
    private GradientExchange? _atFeature;
    private ulong[] _share = [];
    private uint _round;

    [Params(100_000)]
    public int Rows { get; set; }

    [Params(4, 12)]
    public int Pairs { get; set; }

    [Params(30)]
    public int LabelColumns { get; set; }

    [Params(300)]
    public int FeatureColumns { get; set; }

    // The in-process tool does not await: set-up and benchmark wait themselves.
    [GlobalSetup]
    public void Open() => OpenAsync().GetAwaiter().GetResult();

    private async Task OpenAsync()
    {
        _pair = await VerticalPair.OpenAsync(VerticalPair.Specification(), 3);
        await VerticalPair.PassSetupAsync(_pair);
        _label = VerticalPair.QuantisedColumns(Rows, LabelColumns, 1);
        _feature = VerticalPair.QuantisedColumns(Rows, FeatureColumns, 2);
        PackingPlan labelPlan = PackingPlan.Choose(Rows, LabelColumns, LatticeParameters.Gradient);
        PackingPlan featurePlan = PackingPlan.Choose(Rows, FeatureColumns, LatticeParameters.Gradient);
        _atLabel = new GradientExchange(_pair.Label, _label, labelPlan, featurePlan, VerticalPair.Flood(_label, labelPlan));
        _atFeature = new GradientExchange(_pair.Feature, _feature, featurePlan, labelPlan, VerticalPair.Flood(_feature, featurePlan));
        _share = VerticalPair.RandomResidues(Rows, 3);
    }

    [GlobalCleanup]
    public void Close()
    {
        _atLabel?.Dispose();
        _atFeature?.Dispose();
        _pair?.Dispose();
    }

    [Benchmark]
    public void Iteration()
    {
        _round++;
        Task.WhenAll(Task.Run(() => LabelAsync(_round)), Task.Run(() => FeatureAsync(_round))).GetAwaiter().GetResult();
    }

    private async Task LabelAsync(uint round)
    {
        FloodingBound flood = new(LatticeParameters.Link, FloodingBound.SlotProductNoise(LatticeParameters.Link, Pairs), 120L * Rows);
        await _pair!.Label.SendAsync(Step.LinkTables, round, new Protocol.V1.LinkTables(), default);
        await new LinkResponder(_pair.Label).RunAsync(round, Rows, Pairs, Values, flood, default);
        await _atLabel!.RunAsync(round, _share, default);
        await _pair.Label.SendAsync(Step.OptimiserScalars, round, new OptimiserScalars(), default);
        await _pair.Label.ReceiveAsync(Step.OptimiserScalars, round, OptimiserScalars.Parser, default);
    }

    private async Task FeatureAsync(uint round)
    {
        await _pair!.Feature.ReceiveAsync(Step.LinkTables, round, Protocol.V1.LinkTables.Parser, default);
        await new LinkRequester(_pair.Feature).RunAsync(round, Rows, Pairs, Values, default);
        await _atFeature!.RunAsync(round, _share, default);
        await _pair.Feature.SendAsync(Step.OptimiserScalars, round, new OptimiserScalars(), default);
        await _pair.Feature.ReceiveAsync(Step.OptimiserScalars, round, OptimiserScalars.Parser, default);
    }

    private static void Values(int pair, int start, Span<long> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = ((start + i + pair) % 8191) - 4095;
        }
    }
}
