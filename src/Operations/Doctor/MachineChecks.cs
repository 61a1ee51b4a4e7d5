using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using VertFed.Protocol;

namespace VertFed.Operations.Doctor;

/// <summary>What a machine offers, whatever is configured.</summary>
public static class MachineChecks
{
    private const long ComfortableMemory = 2L << 30;

    public static async Task RunAsync(DoctorReport report)
    {
        await report.CheckAsync("system", "", System);
        await report.CheckAsync("runtime", "", Runtime);
        await report.CheckAsync("processor", "", Processor);
        await report.CheckAsync("memory", "", Memory);
    }

    private static DoctorLine System()
    {
        string name = $"{RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.OSArchitecture}, VertFed {SoftwareVersion.Current}";
        return OperatingSystem.IsLinux() ? DoctorLine.Ok("system", name)
            : DoctorLine.Warn("system", name, "Linux is what is tested; elsewhere file modes and the control socket are not guarded as described.");
    }

    private static DoctorLine Runtime() => Environment.Version.Major >= 10
        ? DoctorLine.Ok("runtime", RuntimeInformation.FrameworkDescription)
        : DoctorLine.Fail("runtime", RuntimeInformation.FrameworkDescription, "Install the ASP.NET Core runtime 10 or newer.");

    private static DoctorLine Processor()
    {
        string count = string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessorCount} processors");
        string vectors = Avx512F.IsSupported ? "AVX-512" : Avx2.IsSupported ? "AVX2" : "no AVX2";
        string finding = $"{count}, {vectors}{(Aes.IsSupported ? ", AES" : "")}";
        return Avx2.IsSupported && Aes.IsSupported ? DoctorLine.Ok("processor", finding)
            : DoctorLine.Warn("processor", finding, "Results are the same without these instructions, and alignment and training take several times as long.");
    }

    private static DoctorLine Memory()
    {
        long total = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        string finding = string.Create(CultureInfo.InvariantCulture, $"{total / (1024 * 1024)} MiB for this process");
        return total >= ComfortableMemory ? DoctorLine.Ok("memory", finding)
            : DoctorLine.Warn("memory", finding, "A million rows of 50 features need about 900 MiB at a party while they are loaded, a coordinator about 200 MiB.");
    }
}
