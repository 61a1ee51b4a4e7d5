using Xunit;

namespace VertFed.EndToEnd;

/// <summary>
/// One job, the same keys and seeds, in processes that compute otherwise: every message and every result has the same bits.
/// </summary>
public sealed class DeterminismTests : IClassFixture<DeterminismTests.Undisturbed>
{
    // The C library picks exp and log by processor; this makes it pick as on one without FMA and AVX2.
    private const string OlderLibrary = "glibc.cpu.hwcaps=-FMA,-AVX2,-AVX2_Usable,-FMA_Usable,-FMA4";
    private const string Rows = "2000";

    private static readonly string[] s_results =
        [.. new[] { "logistic", "linear" }.SelectMany(family => new[] { "envelopes", "iterations", "core-root", "payloads", "result" }.Select(what => $"{family}-{what}"))];

    private readonly Undisturbed _undisturbed;

    public DeterminismTests(Undisturbed undisturbed) => _undisturbed = undisturbed;

    [Fact]
    public async Task One_thread_gives_the_same_bytes_as_many()
    {
        IReadOnlyDictionary<string, string> other = await SameAsync("DOTNET_PROCESSOR_COUNT", "1");
        Assert.Equal("1", other["processors"]);
    }

    [SkippableFact]
    public async Task Another_variant_of_the_C_library_gives_the_same_bytes()
    {
        Skip.IfNot(OperatingSystem.IsLinux() && _undisturbed.Lines["fma"] == "True", "the C library has one variant here");
        IReadOnlyDictionary<string, string> other = await SameAsync("GLIBC_TUNABLES", OlderLibrary);
        Assert.NotEqual(_undisturbed.Lines["c-library"], other["c-library"]);
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task Without_AVX_512_come_the_same_bytes()
    {
        IReadOnlyDictionary<string, string> other = await SameAsync("DOTNET_EnableAVX512", "0");
        Assert.Equal("False", other["avx512"]);
        Assert.Equal("False", other["vector512"]);
        Assert.Equal(_undisturbed.Lines["avx2"], other["avx2"]);
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task Without_AVX2_and_FMA_come_the_same_bytes()
    {
        IReadOnlyDictionary<string, string> other = await SameAsync("DOTNET_EnableAVX2", "0");
        Assert.Equal("False", other["avx2"]);
        Assert.Equal("False", other["fma"]);
        Assert.Equal(_undisturbed.Lines["vector128"], other["vector128"]);
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task Scalar_arithmetic_gives_the_same_bytes()
    {
        IReadOnlyDictionary<string, string> other = await SameAsync("DOTNET_EnableHWIntrinsic", "0");
        Assert.Equal("False", other["vector128"]);
    }

    /// <summary>Runs the probe under a setting, and requires the results of the undisturbed run.</summary>
    private async Task<IReadOnlyDictionary<string, string>> SameAsync(string variable, string value)
    {
        IReadOnlyDictionary<string, string> other = await RunAsync(new Dictionary<string, string?>(StringComparer.Ordinal) { [variable] = value });
        Assert.All(s_results, name => Assert.Equal($"{name} {_undisturbed.Lines[name]}", $"{name} {other[name]}"));
        return other;
    }

    private static async Task<IReadOnlyDictionary<string, string>> RunAsync(Dictionary<string, string?> environment)
    {
        string program = Path.Combine(Repository.Built("DeterminismProbe"), "VertFed.DeterminismProbe.dll");
        using RunningProgram probe = RunningProgram.Start("dotnet", [program, Rows], environment);
        ProgramResult result = await probe.EndAsync();
        Assert.True(result.ExitCode == 0, result.ToString());
        return result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', 2))
            .ToDictionary(parts => parts[0], parts => parts[1], StringComparer.Ordinal);
    }

    /// <summary>What the probe prints when nothing is set, run once.</summary>
    public sealed class Undisturbed : IAsyncLifetime
    {
        internal IReadOnlyDictionary<string, string> Lines { get; private set; } = new Dictionary<string, string>(StringComparer.Ordinal);

        public async Task InitializeAsync() => Lines = await RunAsync([]);

        public Task DisposeAsync() => Task.CompletedTask;
    }
}
