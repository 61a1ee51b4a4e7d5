using System.Net.Sockets;
using System.Text;

namespace VertFed.Operations.Service;

/// <summary>
/// Tells systemd how the service is, if it asked for that: one datagram on the socket that NOTIFY_SOCKET names (sd_notify(3)). Elsewhere
/// it does nothing.
/// </summary>
public static class ServiceNotifier
{
    public const string Variable = "NOTIFY_SOCKET";

    /// <summary>The service has started.</summary>
    public static bool Ready() => Send(Environment.GetEnvironmentVariable(Variable), "READY=1");

    /// <summary>The service is stopping.</summary>
    public static bool Stopping() => Send(Environment.GetEnvironmentVariable(Variable), "STOPPING=1");

    /// <param name="socket">A path, or an abstract name after '@'; null or empty: nobody asked.</param>
    /// <returns>Whether the word was sent. A service manager that does not listen is no reason to stop: it has its own timeout.</returns>
    internal static bool Send(string? socket, string state)
    {
        if (string.IsNullOrEmpty(socket) || socket[0] is not ('/' or '@'))
            return false;
        try
        {
            using Socket sender = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            sender.SendTo(Encoding.UTF8.GetBytes(state), new UnixDomainSocketEndPoint(socket[0] == '@' ? "\0" + socket[1..] : socket));
            return true;
        }
        catch (Exception exception) when (exception is SocketException or ArgumentException or PlatformNotSupportedException)
        {
            return false;
        }
    }
}
