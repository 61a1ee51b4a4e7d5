using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using VertFed.Bench;

// In this process: benchmarks reach internals of the projects, and the build's output folder is not where the tool would look.
IConfig config = DefaultConfig.Instance.WithOptions(ConfigOptions.DisableOptimizationsValidator);
Type[] micro = [typeof(TransformBenchmarks), typeof(LatticeBenchmarks), typeof(PsiBenchmarks), typeof(IterationBenchmarks), typeof(VerificationBenchmarks), typeof(SimulationBenchmarks)];
BenchmarkSwitcher.FromTypes(micro).Run(args, config);

namespace VertFed.Bench
{
    /// <summary>A short job for single operations.</summary>
    internal sealed class MicroConfig : ManualConfig
    {
        public MicroConfig() => AddJob(Job.ShortRun.WithIterationCount(7).WithToolchain(InProcessEmitToolchain.Instance));
    }

    /// <summary>Single invocations of something that takes seconds.</summary>
    internal sealed class MacroConfig : ManualConfig
    {
        public MacroConfig() => AddJob(Job.Dry
            .WithWarmupCount(1)
            .WithIterationCount(5)
            .WithInvocationCount(1)
            .WithUnrollFactor(1)
            .WithToolchain(InProcessEmitToolchain.Instance));
    }
}
