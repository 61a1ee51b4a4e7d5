using Grpc.Core;
using Grpc.Core.Interceptors;
using VertFed.Coordinator.Jobs;
using VertFed.Protocol;

namespace VertFed.Coordinator.Services;

/// <summary>Turns what a call throws into a status; what the store or nobody expected says is logged and told to the caller as an incident's number only.</summary>
internal sealed class ErrorInterceptor(StoreHealth health, ILogger<ErrorInterceptor> logger) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await continuation(request, context);
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            throw Translate(exception, context);
        }
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(request, responseStream, context);
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            throw Translate(exception, context);
        }
    }

    public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(requestStream, responseStream, context);
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            throw Translate(exception, context);
        }
    }

    private RpcException Translate(Exception exception, ServerCallContext context)
    {
        switch (exception)
        {
            case VertFedException own:
                health.Failed(own);
                return GrpcErrors.From(own, logger, context.Method);
            case OperationCanceledException:
                return GrpcErrors.Make(StatusCode.Cancelled, ErrorCode.Cancelled, "the call was cancelled");
            default:
                // A caller who went away surfaces as an IOException of the stream; that is no failure of ours, and nobody hears the answer.
                return context.CancellationToken.IsCancellationRequested
                    ? GrpcErrors.Make(StatusCode.Cancelled, ErrorCode.Cancelled, "the call was cancelled")
                    : GrpcErrors.Unexpected(exception, logger, context.Method);
        }
    }
}
