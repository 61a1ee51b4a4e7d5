using System.Net.Sockets;
using System.Text;
using global::VertFed.Operations.Service;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Operations;

public sealed class ServiceNotifierTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_word_arrives_as_one_datagram_on_a_path_or_an_abstract_name(bool isAbstract)
    {
        using var folder = new TemporaryFolder();
        string name = isAbstract ? "@" + Path.GetFileName(folder.Path) : folder.File("notify");
        using Socket manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(isAbstract ? "\0" + name[1..] : name));

        Assert.True(ServiceNotifier.Send(name, "READY=1"));

        byte[] buffer = new byte[64];
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        int received = await manager.ReceiveAsync(buffer.AsMemory(), limit.Token);
        Assert.Equal("READY=1", Encoding.UTF8.GetString(buffer, 0, received));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("relative")]
    [InlineData("/nowhere/at/all")]
    public void Without_a_manager_that_listens_nothing_is_sent_and_nothing_fails(string? socket) => Assert.False(ServiceNotifier.Send(socket, "READY=1"));
}
