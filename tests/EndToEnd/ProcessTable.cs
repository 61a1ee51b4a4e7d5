using System.Diagnostics;
using System.Globalization;

namespace VertFed.EndToEnd;

/// <summary>Who is whose child, from /proc (Linux).</summary>
internal static class ProcessTable
{
    /// <summary>Why SIGINT tests nothing here: a shell that starts a command in the background has it ignore the signal, and so do all programs that it starts.</summary>
    public const string InterruptIsIgnored = "the tests were started with SIGINT ignored, as a shell does in the background";

    /// <summary>Whether programs that are started from here ignore SIGINT.</summary>
    public static bool IgnoresInterrupt
    {
        get
        {
            const string Field = "SigIgn:";
            string ignored = File.ReadLines("/proc/self/status").First(line => line.StartsWith(Field, StringComparison.Ordinal));
            const ulong Interrupt = 1UL << (2 - 1);
            return (ulong.Parse(ignored.AsSpan(Field.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) & Interrupt) != 0;
        }
    }

    /// <summary>Ids of the direct children of a process.</summary>
    public static IReadOnlyList<int> ChildrenOf(int parent)
    {
        List<int> children = [];
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out int id) && Parent(id) == parent)
            {
                children.Add(id);
            }
        }

        return children;
    }

    /// <summary>Kills (signal 9) the child of a process whose command line has a text in it.</summary>
    /// <returns>False where there is none.</returns>
    public static bool Kill(int parent, string text) => Signal(parent, text, "KILL");

    /// <summary>Sends a signal, by name, to the child of a process whose command line has a text in it.</summary>
    /// <returns>False where there is none.</returns>
    public static bool Signal(int parent, string text, string signal)
    {
        foreach (int child in ChildrenOf(parent))
        {
            if (CommandLine(child).Contains(text, StringComparison.Ordinal))
            {
                using Process kill = Process.Start("kill", [$"-{signal}", child.ToString(CultureInfo.InvariantCulture)]);
                kill.WaitForExit();
                return kill.ExitCode == 0;
            }
        }

        return false;
    }

    /// <summary>Whether a process runs; one that has ended and was not waited for does not.</summary>
    public static bool Runs(int id) => Fields(id) is { } fields && fields[0] is not ("Z" or "X");

    /// <summary>Whether a process runs a program whose command line has a text in it.</summary>
    public static bool Runs(int id, string text) => Runs(id) && CommandLine(id).Contains(text, StringComparison.Ordinal);

    private static string CommandLine(int id)
    {
        try
        {
            return File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/cmdline"));
        }
        catch (IOException)
        {
            // It ended meanwhile.
            return "";
        }
    }

    private static int? Parent(int id) => Fields(id) is { } fields ? int.Parse(fields[1], CultureInfo.InvariantCulture) : null;

    // "pid (name) state ppid ...": the name may hold spaces and brackets, so read from its last bracket.
    private static string[]? Fields(int id)
    {
        try
        {
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/stat"));
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }
}
