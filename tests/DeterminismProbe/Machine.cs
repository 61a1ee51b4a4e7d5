using System.Globalization;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;

namespace VertFed.DeterminismProbe;

/// <summary>What the process computes with: proof that a setting from outside took effect.</summary>
internal static class Machine
{
    private const int Points = 20_000;

    /// <summary>Names and values, in a fixed order.</summary>
    public static IEnumerable<(string Name, string Value)> Describe()
    {
        yield return ("avx2", Avx2.IsSupported.ToString());
        yield return ("fma", Fma.IsSupported.ToString());
        yield return ("vector128", Vector128.IsHardwareAccelerated.ToString());
        yield return ("vector512", Vector512.IsHardwareAccelerated.ToString());
        yield return ("avx512", Avx512F.IsSupported.ToString());
        yield return ("processors", Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture));
        yield return ("c-library", CLibraryHash());
    }

    /// <summary>
    /// A hash over the bits of exp and log of the C library, which picks its code by processor. Nothing of it may reach a message;
    /// here it shows whether another variant was picked.
    /// </summary>
    private static string CLibraryHash()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] bytes = new byte[3 * sizeof(double)];
        for (int i = 1; i <= Points; i++)
        {
            double x = i / 617.0;
            BitConverter.TryWriteBytes(bytes, Math.Exp(x - 16));
            BitConverter.TryWriteBytes(bytes.AsSpan(sizeof(double)), Math.Log(x));
            BitConverter.TryWriteBytes(bytes.AsSpan(2 * sizeof(double)), Math.Pow(x, 1.0 / 3));
            hash.AppendData(bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
