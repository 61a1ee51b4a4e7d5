using Grpc.Core;
using Grpc.Core.Interceptors;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Services;
using VertFed.Protocol;

namespace VertFed.Coordinator.Security;

/// <summary>
/// Decides each call before anything of it is acted on: whose key the connection's certificate holds, and whether a role of theirs may make
/// this call (<see cref="CallRules"/>); how many they make was decided before it (<see cref="CallGate"/>). What it decides, and what the endpoints deny for a job's sake, goes
/// into the <see cref="AccessLog"/>.
/// </summary>
internal sealed class AccessInterceptor(TrustBook trust, AccessLog access, TimeProvider time, ILogger<AccessInterceptor> logger) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        TResponse? response = null;
        await DecideAsync(request, context, async () => response = await continuation(request, context));
        return response!;
    }

    public override async Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
    {
        TResponse? response = null;
        await DecideAsync(null, context, async () => response = await continuation(requestStream, context));
        return response!;
    }

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
        DecideAsync(request, context, () => continuation(request, responseStream, context));

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        DecideAsync(null, context, () => continuation(requestStream, responseStream, context));

    private async Task DecideAsync(object? request, ServerCallContext context, Func<Task> call)
    {
        RequestPatience.MessageIsHere(context.GetHttpContext());
        Caller caller = await AdmitAsync(request, context);
        try
        {
            await call();
        }
        catch (Exception exception) when (AccessLog.IsDenial(exception))
        {
            _ = await access.DeniedAsync(caller.Key.Fingerprint, caller.Principal, context.Method, AccessLog.JobOf(request), AccessLog.ReasonOf(exception));
            throw;
        }

        if (AccessLog.Records(context.Method) && !caller.IsRecorded)
            throw new InvalidOperationException($"{context.Method} did not record whom it let through");
    }

    private async Task<Caller> AdmitAsync(object? request, ServerCallContext context)
    {
        // Once more than at the handshake: a connection may outlive its certificate, or the trust in it.
        PeerIdentity key = PeerCertificate.Read(context.GetHttpContext().Connection.ClientCertificate, time.GetUtcNow());
        Principal? principal = trust.Current.Find(key.Fingerprint);
        CallerRoles needed = CallRules.For(context.Method);
        if (principal is not null && principal.Is(needed))
        {
            var caller = new Caller(
                key, principal,
                job => AccessLog.Records(context.Method) ? access.AllowedAsync(key.Fingerprint, principal, context.Method, job) : Task.CompletedTask);
            caller.Attach(context);
            return caller;
        }

        (StatusCode status, ErrorCode code, string why) = principal is null
            ? (StatusCode.Unauthenticated, ErrorCode.DoesNotVerify,
                CallGate.Why(key.Fingerprint))
            : (StatusCode.PermissionDenied, ErrorCode.Refused,
                $"'{principal.Name}' is {CallRules.Describe(principal.Roles)}, and this call is for {CallRules.Describe(needed)}");
        if (await access.DeniedAsync(key.Fingerprint, principal, context.Method, AccessLog.JobOf(request), why))
            Log.CallDenied(logger, key.Fingerprint, context.Method, principal is null ? "the key is not known here" : "the role does not allow it");
        throw GrpcErrors.Make(status, code, why);
    }
}
