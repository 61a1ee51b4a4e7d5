using Grpc.Core;
using Grpc.Core.Interceptors;

namespace VertFed.Coordinator.Operations;

/// <summary>Counts every call by its method and the status that its caller gets; the outermost interceptor, so that none is missed.</summary>
internal sealed class CallMeter(CoordinatorTelemetry telemetry, TimeProvider time) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        TResponse? response = default;
        await CountAsync(context, isUnary: true, async () => response = await continuation(request, context));
        return response!;
    }

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
        CountAsync(context, isUnary: false, () => continuation(request, responseStream, context));

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        CountAsync(context, isUnary: false, () => continuation(requestStream, responseStream, context));

    private async Task CountAsync(ServerCallContext context, bool isUnary, Func<Task> call)
    {
        long start = time.GetTimestamp();
        StatusCode status = StatusCode.Unknown;
        try
        {
            await call();
            status = context.Status.StatusCode;
        }
        catch (RpcException exception)
        {
            status = exception.StatusCode;
            throw;
        }
        finally
        {
            telemetry.Called(context.Method, status, isUnary ? time.GetElapsedTime(start).TotalSeconds : null);
        }
    }
}
