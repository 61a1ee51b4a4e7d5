using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using VertFed.Operations.Health;

namespace VertFed.Operations.Doctor;

/// <summary>Checks that a coordinator and a party have in common.</summary>
public static class NodeChecks
{
    /// <summary>A clock that differs by more than this is worth a look: certificates and co-signatures carry times.</summary>
    public static readonly TimeSpan LargestSkew = TimeSpan.FromSeconds(30);

    private const int ProbeBytes = 16 * 1024 * 1024;
    private const double SlowMiBPerSecond = 20;
    private const long ComfortableBytes = 2L << 30;
    private static readonly TimeSpan Soon = TimeSpan.FromDays(30);

    /// <summary>The data folder: is it there, its owner's alone, with room, and how fast a durable write is. The probe's file goes away again.</summary>
    public static async Task DataFolderAsync(DoctorReport report, string folder)
    {
        await report.CheckAsync("data folder", "Make it, or give the node's user the right to write there.", () => Mode(folder));
        await report.CheckAsync("disk", "Mount a disk, or name another data folder.", () => Room(folder));
        await report.CheckAsync("disk speed", "Give the node's user the right to write to the data folder.", () => SpeedAsync(folder));
    }

    /// <summary>Whether an address that the node listens on is free.</summary>
    public static DoctorLine Address(string check, IPEndPoint address)
    {
        if (address.Port == 0)
            return DoctorLine.Warn(check, $"{address}: the system chooses a port at each start", "Name a port, so that others find it.");
        try
        {
            using Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(address);
            return DoctorLine.Ok(check, $"{address} is free");
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return DoctorLine.Warn(check, $"{address} is in use", "All is well if that is this node, running; else stop the other program or choose another port.");
        }
        catch (SocketException exception)
        {
            return DoctorLine.Fail(check, $"{address} cannot be bound: {exception.SocketErrorCode}", "Choose an address of this machine and a port above 1023.");
        }
    }

    /// <summary>The dates of a certificate.</summary>
    public static DoctorLine Validity(string check, string name, DateTimeOffset notBefore, DateTimeOffset notAfter, DateTimeOffset now)
    {
        string finding = $"{name}, valid from {notBefore.UtcDateTime:yyyy-MM-dd} to {notAfter.UtcDateTime:yyyy-MM-dd}";
        if (now < notBefore)
            return DoctorLine.Fail(check, $"{finding}: not valid yet", "Set the clock right, or make the certificate again: vertfed identity renew.");
        if (now > notAfter)
            return DoctorLine.Fail(check, $"{finding}: expired", "vertfed identity renew; the fingerprint, and so the trust in it, stays.");
        return notAfter - now < Soon
            ? DoctorLine.Warn(check, $"{finding}: expires within {Soon.TotalDays:0} days", "vertfed identity renew; the fingerprint, and so the trust in it, stays.")
            : DoctorLine.Ok(check, finding);
    }

    /// <summary>This machine's clock against the time that another gave.</summary>
    /// <param name="took">How long the answer was on its way, which the difference cannot tell from skew.</param>
    public static DoctorLine Clock(DateTimeOffset theirs, DateTimeOffset own, TimeSpan took)
    {
        // Times in HTTP are whole seconds, cut off.
        TimeSpan skew = own - theirs;
        TimeSpan doubt = took + TimeSpan.FromSeconds(1);
        string finding = string.Create(CultureInfo.InvariantCulture, $"{skew.TotalSeconds:+0.0;-0.0;0.0} s against the coordinator's, within {doubt.TotalSeconds:0.0} s");
        return skew.Duration() <= LargestSkew + doubt ? DoctorLine.Ok("clock", finding)
            : DoctorLine.Warn("clock", finding, "Synchronise both clocks (chrony, systemd-timesyncd): certificates may seem expired or not yet valid, and the times of co-signatures are off.");
    }

    private static DoctorLine Mode(string folder)
    {
        if (!Directory.Exists(folder))
            return DoctorLine.Warn("data folder", $"{folder} is not there", "The first start makes it.");
        if (OperatingSystem.IsWindows())
            return DoctorLine.Ok("data folder", folder);
        UnixFileMode loose = File.GetUnixFileMode(folder) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return loose == UnixFileMode.None ? DoctorLine.Ok("data folder", $"{folder}, its owner's alone")
            : DoctorLine.Warn("data folder", $"{folder}: others have rights ({loose})", $"chmod 700 {folder}");
    }

    private static DoctorLine Room(string folder)
    {
        long free = DiskSpace.FreeBytes(folder);
        string finding = string.Create(CultureInfo.InvariantCulture, $"{free / (1024 * 1024)} MiB free");
        return free < DiskSpace.Least ? DoctorLine.Fail("disk", finding, "Free some room: the node is not ready below 64 MiB, and a full disk stops its jobs.")
            : free < ComfortableBytes ? DoctorLine.Warn("disk", finding, "A job of 100,000 rows writes some hundred MiB; see docs/performance.md.")
            : DoctorLine.Ok("disk", finding);
    }

    private static async Task<DoctorLine> SpeedAsync(string folder)
    {
        if (!Directory.Exists(folder))
            return DoctorLine.Warn("disk speed", "not measured, there is no data folder yet", "Run the doctor again after the first start.");
        string path = Path.Combine(folder, $".doctor-{Environment.ProcessId}");
        long start = Stopwatch.GetTimestamp();
        try
        {
            await using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
            await file.WriteAsync(new byte[ProbeBytes]);
            file.Flush(flushToDisk: true);
        }
        catch (IOException exception) when (!File.Exists(path))
        {
            return DoctorLine.Fail("disk speed", exception.Message, "Give the node's user the right to write to the data folder.");
        }

        double speed = ProbeBytes / (1024.0 * 1024) / Stopwatch.GetElapsedTime(start).TotalSeconds;
        string finding = string.Create(CultureInfo.InvariantCulture, $"{speed:0} MiB/s, durable");
        return speed >= SlowMiBPerSecond ? DoctorLine.Ok("disk speed", finding)
            : DoctorLine.Warn("disk speed", finding, "Every envelope waits for a durable write; jobs will be slow on this disk.");
    }
}
