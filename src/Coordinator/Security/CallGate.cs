using System.Globalization;
using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Operations;
using VertFed.Coordinator.Relay;
using VertFed.Coordinator.Services;
using VertFed.Protocol;

namespace VertFed.Coordinator.Security;

/// <summary>
/// What is decided of a call by the connection's certificate alone, before one byte of a message is read: whether the key is known, and whether
/// its holder makes too many calls, or has too many under way. The answer to an unknown key names its fingerprint, so that an operator can compare
/// and add it.
/// </summary>
internal sealed class CallGate(
    TrustBook trust, CallBudget budget, CoordinatorConfig config, AccessLog access, CoordinatorTelemetry telemetry, ILogger<CallGate> logger)
{
    /// <summary>Each holds a message as long as it is read, so their number bounds memory.</summary>
    private readonly ConnectionGate _underWay = new(
        new GateLimit(int.MaxValue), new GateLimit(config.Limits.MaxCallsAtOnce, "max_calls_at_once"), "calls");

    public async Task RunAsync(HttpContext context, RequestDelegate next)
    {
        string fingerprint = PeerCertificate.FingerprintOf(context.Connection.ClientCertificate!);
        Principal? principal = trust.Current.Find(fingerprint);
        string method = CallRules.Known(context.Request.Path.Value ?? "");
        if (budget.Refuse(principal, method) is { } tooMany)
        {
            TurnAway(context.Response, method, tooMany);
            return;
        }

        if (principal is null)
        {
            string why = Why(fingerprint);
            if (await access.DeniedAsync(fingerprint, principal, method, job: "", why))
                Log.CallDenied(logger, fingerprint, method, "the key is not known here");
            TurnAway(context.Response, method, GrpcErrors.Make(StatusCode.Unauthenticated, ErrorCode.DoesNotVerify, why));
            return;
        }

        using IDisposable? place = _underWay.TryEnter(principal.Name, out GateLimit full);
        if (place is null)
            TurnAway(context.Response, method, _underWay.Full(full));
        else
            await next(context);
    }

    /// <summary>What a key that nobody pinned is told.</summary>
    public static string Why(string fingerprint) =>
        $"the certificate's key {fingerprint} is not known here; the coordinator's operator can add it under parties or principals";

    /// <summary>A gRPC answer that is headers alone.</summary>
    private void TurnAway(HttpResponse response, string method, RpcException refusal)
    {
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "application/grpc";
        response.Headers["grpc-status"] = ((int)refusal.StatusCode).ToString(CultureInfo.InvariantCulture);
        response.Headers["grpc-message"] = Uri.EscapeDataString(refusal.Status.Detail);
        foreach (Metadata.Entry entry in refusal.Trailers)
            response.Headers[entry.Key] = entry.IsBinary ? Convert.ToBase64String(entry.ValueBytes) : entry.Value;
        telemetry.Called(method.Length == 0 ? "other" : method, refusal.StatusCode, seconds: null);
    }
}
