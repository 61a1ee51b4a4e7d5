using Grpc.Core;
using Grpc.Health.V1;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Operations;
using VertFed.Coordinator.Security;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Services;

/// <summary>
/// grpc.health.v1. All services stand and fall together: not serving while the coordinator stops or its store fails.
/// </summary>
internal sealed class HealthEndpoint(StoreHealth store, ShutdownGate shutdown, WatchGate watchers, IHostApplicationLifetime lifetime) : Health.HealthBase
{
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "", JobService.Descriptor.FullName, AuditService.Descriptor.FullName, RelayService.Descriptor.FullName,
    };

    private HealthCheckResponse.Types.ServingStatus Now => store.IsFailing || shutdown.IsClosed || lifetime.ApplicationStopping.IsCancellationRequested
        ? HealthCheckResponse.Types.ServingStatus.NotServing
        : HealthCheckResponse.Types.ServingStatus.Serving;

    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context) => Known.Contains(request.Service)
        ? Task.FromResult(new HealthCheckResponse { Status = Now })
        : throw GrpcErrors.Make(StatusCode.NotFound, ErrorCode.Usage, "there is no such service");

    public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        using IDisposable place = watchers.Enter(Caller.Of(context));
        var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = lifetime.ApplicationStopping.Register(stopping.SetResult);
        HealthCheckResponse.Types.ServingStatus? last = null;
        while (true)
        {
            // Taken before the look, so that a change during the look is not missed.
            Task next = store.Changed.Next;
            HealthCheckResponse.Types.ServingStatus now = Known.Contains(request.Service) ? Now : HealthCheckResponse.Types.ServingStatus.ServiceUnknown;
            if (now != last)
                await responseStream.WriteAsync(new HealthCheckResponse { Status = now }, context.CancellationToken);
            last = now;
            if (stopping.Task.IsCompleted)
                throw GrpcErrors.Make(StatusCode.Unavailable, ErrorCode.PeerUnavailable, "the coordinator is stopping; connect again");
            await Task.WhenAny(next, stopping.Task).WaitAsync(context.CancellationToken);
        }
    }
}
