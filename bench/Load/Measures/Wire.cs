using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using VertFed.Load.Programs;
using VertFed.Protocol;

namespace VertFed.Load.Measures;

/// <summary>What a transfer took.</summary>
/// <param name="Seconds">By the clock.</param>
/// <param name="Processor">Of this process, which holds both ends.</param>
internal readonly record struct Transfer(double Seconds, double Processor);

/// <summary>The same bytes over loopback with and without the service's mutual TLS, both ends in this process.</summary>
internal sealed class Wire : IDisposable
{
    private readonly Person _server = new("server");
    private readonly Person _client = new("client");

    /// <summary>Connections one after the other, each to its first byte back.</summary>
    public async Task<(Transfer Sum, double Median)> ConnectAsync(bool isTls, int count, CancellationToken cancellationToken)
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        List<double> times = [];
        double processor = Environment.CpuUsage.TotalTime.TotalSeconds;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            long began = Stopwatch.GetTimestamp();
            (Stream near, Stream far) = await PairAsync(listener, isTls, cancellationToken);
            await near.WriteAsync(new byte[1], cancellationToken);
            await far.ReadExactlyAsync(new byte[1], cancellationToken);
            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            await near.DisposeAsync();
            await far.DisposeAsync();
        }

        times.Sort();
        return (new Transfer(Stopwatch.GetElapsedTime(start).TotalSeconds, Environment.CpuUsage.TotalTime.TotalSeconds - processor), times[times.Count / 2]);
    }

    /// <summary>A stream of so many bytes in writes of a size, without a protocol above.</summary>
    public async Task<Transfer> StreamAsync(bool isTls, long bytes, int size, CancellationToken cancellationToken)
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        (Stream near, Stream far) = await PairAsync(listener, isTls, cancellationToken);
        await using (near)
        await using (far)
        {
            double processor = Environment.CpuUsage.TotalTime.TotalSeconds;
            long start = Stopwatch.GetTimestamp();
            await Task.WhenAll(Task.Run(() => WriteAsync(near, bytes, size, cancellationToken), cancellationToken), Task.Run(() => ReadAsync(far, bytes, cancellationToken), cancellationToken));
            return new Transfer(Stopwatch.GetElapsedTime(start).TotalSeconds, Environment.CpuUsage.TotalTime.TotalSeconds - processor);
        }
    }

    /// <summary>A request of so many bytes over HTTP/2 to Kestrel, in writes of a size.</summary>
    public async Task<Transfer> Http2Async(bool isTls, long bytes, int size, CancellationToken cancellationToken)
    {
        await using WebApplication server = await StartServerAsync(isTls, cancellationToken);
        string address = server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        using SocketsHttpHandler handler = isTls ? _client.Handler(_server.Fingerprint) : new SocketsHttpHandler();
        using HttpMessageInvoker http = new(handler);

        // The connection is there before the clock starts.
        _ = await PostAsync(http, address, 1, 1, cancellationToken);
        double processor = Environment.CpuUsage.TotalTime.TotalSeconds;
        long start = Stopwatch.GetTimestamp();
        long arrived = await PostAsync(http, address, bytes, size, cancellationToken);
        Transfer transfer = new(Stopwatch.GetElapsedTime(start).TotalSeconds, Environment.CpuUsage.TotalTime.TotalSeconds - processor);
        MeasureException.Require(arrived == bytes, $"{arrived} of {bytes} bytes arrived");
        return transfer;
    }

    public void Dispose()
    {
        _server.Dispose();
        _client.Dispose();
    }

    private static async Task<long> PostAsync(HttpMessageInvoker http, string address, long bytes, int size, CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, address)
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new Zeros(bytes, size),
        };
        using HttpResponseMessage answer = await http.SendAsync(request, cancellationToken);
        return long.Parse(await answer.Content.ReadAsStringAsync(cancellationToken), System.Globalization.CultureInfo.InvariantCulture);
    }

    private static async Task WriteAsync(Stream stream, long bytes, int size, CancellationToken cancellationToken)
    {
        byte[] piece = new byte[size];
        for (long left = bytes; left > 0; left -= size)
        {
            await stream.WriteAsync(piece.AsMemory(0, (int)Math.Min(left, size)), cancellationToken);
        }

        await stream.FlushAsync(cancellationToken);
    }

    private static async Task<long> ReadAsync(Stream stream, long bytes, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[64 * 1024];
        long read = 0;
        while (read < bytes)
        {
            int got = await stream.ReadAsync(buffer, cancellationToken);
            if (got == 0)
            {
                break;
            }

            read += got;
        }

        return read;
    }

    private async Task<(Stream Near, Stream Far)> PairAsync(TcpListener listener, bool isTls, CancellationToken cancellationToken)
    {
        Task<TcpClient> accepting = listener.AcceptTcpClientAsync(cancellationToken).AsTask();
        TcpClient client = new() { NoDelay = true };
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, cancellationToken);
        TcpClient accepted = await accepting;
        accepted.NoDelay = true;
        if (!isTls)
        {
            return (client.GetStream(), accepted.GetStream());
        }

        SslStream near = new(client.GetStream()), far = new(accepted.GetStream());
        await Task.WhenAll(
            near.AuthenticateAsClientAsync(MutualTls.Client(_client.Certificate, () => [_server.Fingerprint], "server"), cancellationToken),
            far.AuthenticateAsServerAsync(MutualTls.Server(_server.Certificate, reason => throw new MeasureException(reason)), cancellationToken));
        return (near, far);
    }

    private async Task<WebApplication> StartServerAsync(bool isTls, CancellationToken cancellationToken)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            // As the coordinator has them.
            kestrel.Limits.Http2.InitialStreamWindowSize = 4 * Limits.MaxChunkBytes;
            kestrel.Limits.Http2.InitialConnectionWindowSize = 8 * Limits.MaxChunkBytes;
            kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = HttpProtocols.Http2;
                if (isTls)
                {
                    listen.UseHttps(new TlsHandshakeCallbackOptions
                    {
                        OnConnection = _ => ValueTask.FromResult(MutualTls.Server(_server.Certificate, reason => throw new MeasureException(reason))),
                    });
                }
            });
        });
        builder.WebHost.UseKestrelHttpsConfiguration();
        WebApplication server = builder.Build();
        server.Run(async context =>
        {
            long read = await ReadAsync(context.Request.Body, long.MaxValue, context.RequestAborted);
            await context.Response.WriteAsync(read.ToString(System.Globalization.CultureInfo.InvariantCulture), context.RequestAborted);
        });
        await server.StartAsync(cancellationToken);
        return server;
    }

    private sealed class Zeros(long bytes, int size) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) => WriteAsync(stream, bytes, size, cancellationToken);

        protected override bool TryComputeLength(out long length)
        {
            length = bytes;
            return true;
        }
    }
}
