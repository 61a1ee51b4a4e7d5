using System.Globalization;
using System.Text;
using VertFed.PartyNode.Configuration;
using VertFed.Protocol;

namespace VertFed.PartyNode.Control;

/// <summary>Where a node listens for its operator.</summary>
internal static class ControlSocket
{
    /// <summary>Longest path in bytes: a socket's address holds 108 on Linux and 104 elsewhere, the closing zero included.</summary>
    public const int MostBytes = 100;

    private const string FileName = "control.sock";

    public static string PathOf(PartyConfig config) => Path.Combine(config.DataDirectory, FileName);

    /// <summary>Why no socket can be at this path; null where one can.</summary>
    public static string? Objection(string path)
    {
        int bytes = Encoding.UTF8.GetByteCount(path);
        return bytes <= MostBytes
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"the path of the control socket, data_dir/{FileName}, has {bytes} bytes where {MostBytes} are possible; give the node a data_dir with a shorter path");
    }

    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: the path is too long.</exception>
    public static void Require(string path)
    {
        if (Objection(path) is { } why)
        {
            throw new VertFedException(ErrorCode.Usage, why);
        }
    }
}
