using System.Globalization;

namespace VertFed.Operations.Health;

/// <summary>Room on the disk of a data folder.</summary>
public static class DiskSpace
{
    /// <summary>A node with less free room than this is not ready: 64 MiB, some envelopes of the largest size and their log.</summary>
    public const long Least = 64L * 1024 * 1024;

    /// <summary>The free bytes for this user on the folder's disk; of the nearest folder above it that exists.</summary>
    public static long FreeBytes(string folder)
    {
        string at = Path.GetFullPath(folder);
        while (!Directory.Exists(at) && Path.GetDirectoryName(at) is { } above)
            at = above;
        return new DriveInfo(at).AvailableFreeSpace;
    }

    /// <summary>The check that there is room.</summary>
    public static ReadinessCheck Check(string folder, long least = Least) => new("disk", _ => Task.FromResult(Reason(FreeBytes(folder), least)));

    internal static string? Reason(long free, long least) => free >= least
        ? null
        : string.Create(CultureInfo.InvariantCulture, $"{free >> 20} MiB free on the data folder's disk, {least >> 20} MiB are needed");
}
