using Google.Protobuf;
using Grpc.Core;
using Grpc.Reflection.V1;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Security;
using VertFed.Protocol;
using Alpha = Grpc.Reflection.V1Alpha;

namespace VertFed.Coordinator.Services.Reflection;

/// <summary>grpc.reflection.v1.</summary>
internal sealed class ReflectionEndpoint(ReflectionStreams streams) : ServerReflection.ServerReflectionBase
{
    public override Task ServerReflectionInfo(
        IAsyncStreamReader<ServerReflectionRequest> requestStream, IServerStreamWriter<ServerReflectionResponse> responseStream, ServerCallContext context) =>
        streams.AnswerAllAsync(requestStream, responseStream, ReflectionAnswers.Answer, context);
}

/// <summary>grpc.reflection.v1alpha, which older clients ask for: the same bytes under another name.</summary>
internal sealed class AlphaReflectionEndpoint(ReflectionStreams streams) : Alpha.ServerReflection.ServerReflectionBase
{
    public override Task ServerReflectionInfo(
        IAsyncStreamReader<Alpha.ServerReflectionRequest> requestStream, IServerStreamWriter<Alpha.ServerReflectionResponse> responseStream, ServerCallContext context) =>
        streams.AnswerAllAsync(requestStream, responseStream, Answer, context);

    private static Alpha.ServerReflectionResponse Answer(Alpha.ServerReflectionRequest request) => Alpha.ServerReflectionResponse.Parser.ParseFrom(
        ReflectionAnswers.Answer(ServerReflectionRequest.Parser.ParseFrom(request.ToByteArray())).ToByteArray());
}

/// <summary>What both have in common. Their streams share the places of the watchers.</summary>
internal sealed class ReflectionStreams(WatchGate watchers, CallBudget budget, CoordinatorConfig config, TimeProvider time, IHostApplicationLifetime lifetime)
{
    /// <summary>One answer a request: nothing is queued, so a client that does not read is not read either. Who asks nothing for a while, or takes no
    /// answer, gives the place back.</summary>
    public async Task AnswerAllAsync<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requests, IServerStreamWriter<TResponse> responses, Func<TRequest, TResponse> answer, ServerCallContext context)
    {
        Caller caller = Caller.Of(context);
        using IDisposable place = watchers.Enter(caller);
        TimeSpan patience = TimeSpan.FromSeconds(config.Limits.FrameSeconds);
        using var clock = new CancellationTokenSource(patience, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping, clock.Token);
        try
        {
            while (await requests.MoveNext(ending.Token))
            {
                // Each question counts as a call.
                if (budget.Refuse(caller.Principal, context.Method) is { } tooMany)
                    throw tooMany;
                await responses.WriteAsync(answer(requests.Current), ending.Token);
                clock.CancelAfter(patience);
            }
        }
        catch (Exception exception) when (lifetime.ApplicationStopping.IsCancellationRequested && exception is OperationCanceledException or RpcException)
        {
            throw GrpcErrors.Make(StatusCode.Unavailable, ErrorCode.PeerUnavailable, "the coordinator is stopping; connect again");
        }
        catch (Exception exception) when (clock.IsCancellationRequested && exception is OperationCanceledException or RpcException)
        {
            throw GrpcErrors.Make(StatusCode.DeadlineExceeded, ErrorCode.PeerUnavailable, "nothing was asked for too long (frame_seconds)");
        }
    }
}
