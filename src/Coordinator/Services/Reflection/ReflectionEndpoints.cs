using Google.Protobuf;
using Grpc.Core;
using Grpc.Reflection.V1;
using VertFed.Protocol;
using Alpha = Grpc.Reflection.V1Alpha;

namespace VertFed.Coordinator.Services.Reflection;

/// <summary>grpc.reflection.v1. Its streams share the places of the watchers.</summary>
internal sealed class ReflectionEndpoint(WatchGate watchers, IHostApplicationLifetime lifetime) : ServerReflection.ServerReflectionBase
{
    public override Task ServerReflectionInfo(
        IAsyncStreamReader<ServerReflectionRequest> requestStream, IServerStreamWriter<ServerReflectionResponse> responseStream, ServerCallContext context) =>
        AnswerAllAsync(requestStream, responseStream, ReflectionAnswers.Answer, watchers, lifetime, context);

    /// <summary>One answer a request: nothing is queued, so a client that does not read is not read either.</summary>
    internal static async Task AnswerAllAsync<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requests, IServerStreamWriter<TResponse> responses, Func<TRequest, TResponse> answer,
        WatchGate watchers, IHostApplicationLifetime lifetime, ServerCallContext context)
    {
        using IDisposable place = watchers.Gate.Enter();
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        try
        {
            while (await requests.MoveNext(ending.Token))
                await responses.WriteAsync(answer(requests.Current), ending.Token);
        }
        catch (Exception exception) when (lifetime.ApplicationStopping.IsCancellationRequested && exception is OperationCanceledException or RpcException)
        {
            throw GrpcErrors.Make(StatusCode.Unavailable, ErrorCode.PeerUnavailable, "the coordinator is stopping; connect again");
        }
    }
}

/// <summary>grpc.reflection.v1alpha, which older clients ask for: the same bytes under another name.</summary>
internal sealed class AlphaReflectionEndpoint(WatchGate watchers, IHostApplicationLifetime lifetime) : Alpha.ServerReflection.ServerReflectionBase
{
    public override Task ServerReflectionInfo(
        IAsyncStreamReader<Alpha.ServerReflectionRequest> requestStream, IServerStreamWriter<Alpha.ServerReflectionResponse> responseStream, ServerCallContext context) =>
        ReflectionEndpoint.AnswerAllAsync(requestStream, responseStream, Answer, watchers, lifetime, context);

    private static Alpha.ServerReflectionResponse Answer(Alpha.ServerReflectionRequest request) => Alpha.ServerReflectionResponse.Parser.ParseFrom(
        ReflectionAnswers.Answer(ServerReflectionRequest.Parser.ParseFrom(request.ToByteArray())).ToByteArray());
}
