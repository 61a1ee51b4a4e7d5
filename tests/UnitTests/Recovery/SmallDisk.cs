using System.Diagnostics;
using Xunit;

namespace VertFed.UnitTests.Recovery;

/// <summary>A disk that a test may fill: a tmpfs of its own where it may mount one, else the machine's /dev/shm where that is small, as in containers.</summary>
internal sealed class SmallDisk : IDisposable
{
    private const long Size = 96L << 20;
    private readonly string _folder;
    private readonly bool _isMounted;

    private SmallDisk(string folder, bool isMounted) => (_folder, _isMounted) = (folder, isMounted);

    /// <summary>A folder on it.</summary>
    public string Folder => Path.Combine(_folder, "data");

    private string Ballast => Path.Combine(_folder, "ballast");

    /// <summary>Makes it; skips the test where there is none to be had.</summary>
    public static SmallDisk Make()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "only Linux has disks that a test can make");
        string folder = Directory.CreateTempSubdirectory("vertfed-disk-").FullName;
        bool isMounted = Environment.IsPrivilegedProcess && Run("mount", "-t", "tmpfs", "-o", FormattableString.Invariant($"size={Size},mode=700"), "tmpfs", folder);
        if (!isMounted)
        {
            Directory.Delete(folder);
            DriveInfo shared = new("/dev/shm");
            Skip.IfNot(shared.IsReady && shared.TotalSize <= 2 * Size, "no disk to fill: this user may not mount one, and /dev/shm is large");
            folder = Path.Combine("/dev/shm", Path.GetFileName(folder));
            Directory.CreateDirectory(folder);
        }

        SmallDisk disk = new(folder, isMounted);
        Directory.CreateDirectory(disk.Folder);
        return disk;
    }

    /// <summary>Takes all the room that is left.</summary>
    public void Fill()
    {
        using FileStream ballast = new(Ballast, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        for (int block = 1 << 20; block >= 512; block /= 8)
        {
            byte[] zeros = new byte[block];
            try
            {
                while (true)
                {
                    ballast.Write(zeros);
                }
            }
            catch (IOException)
            {
                // It is full, for blocks of this size.
            }
        }
    }

    /// <summary>Gives the room free again.</summary>
    public void Empty() => File.Delete(Ballast);

    public void Dispose()
    {
        if (!_isMounted)
        {
            Directory.Delete(_folder, recursive: true);
            return;
        }

        // What still has a file open there keeps it until it closes it.
        Run("umount", "-l", _folder);
        Directory.Delete(_folder);
    }

    private static bool Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
