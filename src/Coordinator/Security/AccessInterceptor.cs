using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Core.Interceptors;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Services;
using VertFed.Protocol;

namespace VertFed.Coordinator.Security;

/// <summary>
/// Decides each call before anything of it is looked at: whose key the connection's certificate holds, and whether a role of theirs may
/// make this call (<see cref="CallRules"/>).
/// </summary>
internal sealed class AccessInterceptor(TrustBook trust, TimeProvider time, ILogger<AccessInterceptor> logger) : Interceptor
{
    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        Admit(context);
        return continuation(request, context);
    }

    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
    {
        Admit(context);
        return continuation(requestStream, context);
    }

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        Admit(context);
        return continuation(request, responseStream, context);
    }

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        Admit(context);
        return continuation(requestStream, responseStream, context);
    }

    private void Admit(ServerCallContext context)
    {
        // Once more than at the handshake: a connection may outlive its certificate, or the trust in it.
        PeerIdentity key = PeerCertificate.Read(context.GetHttpContext().Connection.ClientCertificate, time.GetUtcNow());
        if (trust.Current.Find(key.Fingerprint) is not { } principal)
        {
            Log.CallDenied(logger, key.Fingerprint, context.Method, "the key is not known here");
            throw GrpcErrors.Make(
                StatusCode.Unauthenticated, ErrorCode.DoesNotVerify,
                $"the certificate's key {key.Fingerprint} is not known here; the coordinator's operator can add it under parties or principals");
        }

        CallerRoles needed = CallRules.For(context.Method);
        if (!principal.Is(needed))
        {
            Log.CallDenied(logger, key.Fingerprint, context.Method, "the role does not allow it");
            throw GrpcErrors.Make(
                StatusCode.PermissionDenied, ErrorCode.Refused,
                $"'{principal.Name}' is {CallRules.Describe(principal.Roles)}, and this call is for {CallRules.Describe(needed)}");
        }

        new Caller(key, principal).Attach(context);
    }
}
