using System.Globalization;
using Grpc.Core;
using VertFed.Coordinator.Services;
using VertFed.Protocol;

namespace VertFed.Coordinator.Security;

/// <summary>
/// Turns away keys that nobody pinned, by the connection's certificate alone: of such a caller not one message is read. The answer names
/// the fingerprint, so that an operator can compare and add it.
/// </summary>
internal static class KeyGate
{
    public static void Use(IApplicationBuilder application, TrustBook trust, AccessLog access, ILogger logger) => application.Use(async (context, next) =>
    {
        string fingerprint = PeerCertificate.FingerprintOf(context.Connection.ClientCertificate!);
        if (trust.Current.Find(fingerprint) is not null)
        {
            await next(context);
            return;
        }

        string why = Why(fingerprint);
        string method = context.Request.Path.Value ?? "";
        Log.CallDenied(logger, fingerprint, CallRules.Known(method), "the key is not known here");
        await access.DeniedAsync(fingerprint, principal: null, CallRules.Known(method), job: "", why);
        Answer(context.Response, GrpcErrors.Make(StatusCode.Unauthenticated, ErrorCode.DoesNotVerify, why));
    });

    /// <summary>What a key that nobody pinned is told.</summary>
    public static string Why(string fingerprint) =>
        $"the certificate's key {fingerprint} is not known here; the coordinator's operator can add it under parties or principals";

    /// <summary>A gRPC answer that is headers alone.</summary>
    private static void Answer(HttpResponse response, RpcException refusal)
    {
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "application/grpc";
        response.Headers["grpc-status"] = ((int)refusal.StatusCode).ToString(CultureInfo.InvariantCulture);
        response.Headers["grpc-message"] = Uri.EscapeDataString(refusal.Status.Detail);
        foreach (Metadata.Entry entry in refusal.Trailers)
            response.Headers[entry.Key] = entry.IsBinary ? Convert.ToBase64String(entry.ValueBytes) : entry.Value;
    }
}
