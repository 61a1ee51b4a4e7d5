using System.Diagnostics;
using System.Globalization;
using System.Net;
using VertFed.Protocol;

namespace VertFed.Operations.Doctor;

/// <summary>Connects to a coordinator as a node does, with its certificate and the pins of the configuration, and compares clocks.</summary>
public static class ReachCheck
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Adds the lines "coordinator" and, if it answered, "clock".</summary>
    public static async Task RunAsync(DoctorReport report, Uri coordinator, IdentityCertificate own, IReadOnlyCollection<string> pins, TimeProvider time)
    {
        (DateTimeOffset Theirs, DateTimeOffset Own, TimeSpan Took)? clocks = null;
        await report.CheckAsync("coordinator", "Compare coordinator_fingerprint with what the coordinator's operator tells you.", async () =>
        {
            try
            {
                clocks = await AskAsync(coordinator, own, pins, time);
                return DoctorLine.Ok("coordinator", string.Create(CultureInfo.InvariantCulture, $"{coordinator} answers with the pinned key, in {clocks.Value.Took.TotalMilliseconds:0} ms"));
            }
            catch (HttpRequestException exception) when (MutualTls.RefusalIn(exception) is { } refusal)
            {
                return DoctorLine.Fail("coordinator", refusal.Message, "Do not connect before both operators have compared fingerprints.");
            }
            catch (HttpRequestException exception)
            {
                string why = exception.InnerException is { } inner ? $"{exception.HttpRequestError}: {inner.Message}" : exception.HttpRequestError.ToString();
                return DoctorLine.Fail("coordinator", $"{coordinator}: {why}", "Is it running, and do name, port, firewall and its list of parties fit?");
            }
            catch (OperationCanceledException)
            {
                return DoctorLine.Fail("coordinator", $"{coordinator}: no answer within {Patience.TotalSeconds:0} s", "Is it running, and does a firewall swallow packets?");
            }
        });
        if (clocks is { } known)
            report.Add(NodeChecks.Clock(known.Theirs, known.Own, known.Took));
        else
            report.Add(DoctorLine.Warn("clock", "not compared, the coordinator did not answer", "Run the doctor again once it does."));
    }

    // Any answer will do, also that there is no such page: it carries the server's time.
    private static async Task<(DateTimeOffset Theirs, DateTimeOffset Own, TimeSpan Took)> AskAsync(
        Uri coordinator, IdentityCertificate own, IReadOnlyCollection<string> pins, TimeProvider time)
    {
        using SocketsHttpHandler handler = new()
        {
            SslOptions = MutualTls.Client(own, () => pins, "coordinator", time),
            ConnectTimeout = Patience,
            UseProxy = false,
            AllowAutoRedirect = false,
        };
        using HttpClient client = new(handler) { Timeout = Patience };
        using HttpRequestMessage request = new(HttpMethod.Get, coordinator)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        long start = Stopwatch.GetTimestamp();
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        TimeSpan took = Stopwatch.GetElapsedTime(start);
        DateTimeOffset now = time.GetUtcNow();
        return (response.Headers.Date ?? throw new VertFedException(ErrorCode.ProtocolViolation, $"{coordinator} answers without a time"), now, took);
    }
}
