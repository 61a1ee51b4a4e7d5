using System.Diagnostics;
using System.Globalization;
using VertFed.Psi.DiffieHellman;
using Xunit;
using Xunit.Abstractions;

namespace VertFed.UnitTests.Psi;

/// <summary>The measurement behind the figures of docs/psi.md: both parties in one process, half of the ids in common.</summary>
public sealed class PsiScaleTests(ITestOutputHelper output)
{
    private const string Variable = "VERTFED_PSI_IDS";
    private const long GiB = 1L << 30;

    [SkippableFact]
    [Trait("Speed", "slow")]
    public async Task Large_lists_stay_within_two_gibibytes_a_party()
    {
        string? wanted = Environment.GetEnvironmentVariable(Variable);
        Skip.If(string.IsNullOrEmpty(wanted), $"Set {Variable} to the number of ids a side, such as 1000000, to measure.");
        int size = int.Parse(wanted, CultureInfo.InvariantCulture);
        string[] label = [.. Enumerable.Range(0, size).Select(i => $"customer-{i:D9}")];
        string[] feature = [.. Enumerable.Range(size / 2, size).Select(i => $"customer-{i:D9}")];
        PairedChannels channels = new();
        Stopwatch watch = Stopwatch.StartNew();
        TimeSpan before = Environment.CpuUsage.TotalTime;
        (Alignment one, Alignment two) = await PsiPartyTests.Align(label, feature, channels);
        TimeSpan cpu = Environment.CpuUsage.TotalTime - before;
        using Process self = Process.GetCurrentProcess();
        long sent = channels.Label.Log.Sum(message => (long)message.Payload.Length);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{size} ids a side: {watch.Elapsed.TotalSeconds:F1} s, {cpu.TotalSeconds:F1} s of processor time for both, "
            + $"peak {self.PeakWorkingSet64 / 1048576} MiB for both, {sent / 1048576.0:F1} MiB sent by each."));
        Assert.Equal(size - (size / 2), one.Rows.Length);
        Assert.Equal(one.Digest, two.Digest);
        Assert.True(self.PeakWorkingSet64 < 4 * GiB, "Two parties in one process used more than 4 GiB.");
    }
}
