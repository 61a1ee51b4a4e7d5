namespace Grpc.Core.Interceptors;

/// <summary>Puts interceptors in front of a service.</summary>
public static class ServerServiceDefinitionExtensions
{
    public static ServerServiceDefinition Intercept(this ServerServiceDefinition serverServiceDefinition, Interceptor interceptor)
    {
        ArgumentNullException.ThrowIfNull(serverServiceDefinition);
        ArgumentNullException.ThrowIfNull(interceptor);
        var binder = new InterceptingBinder(interceptor);
        serverServiceDefinition.BindService(binder);
        return binder.Build();
    }

    /// <summary>The first interceptor sees a call first.</summary>
    public static ServerServiceDefinition Intercept(this ServerServiceDefinition serverServiceDefinition, params Interceptor[] interceptors)
    {
        ArgumentNullException.ThrowIfNull(serverServiceDefinition);
        ArgumentNullException.ThrowIfNull(interceptors);
        return interceptors.Reverse().Aggregate(serverServiceDefinition, (inner, interceptor) => inner.Intercept(interceptor));
    }

    private sealed class InterceptingBinder(Interceptor interceptor) : ServiceBinderBase
    {
        private readonly ServerServiceDefinition.Builder _builder = ServerServiceDefinition.CreateBuilder();

        public ServerServiceDefinition Build() => _builder.Build();

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
        {
            ArgumentNullException.ThrowIfNull(handler);
            _builder.AddMethod(
                method,
                (UnaryServerMethod<TRequest, TResponse>)((request, context) => interceptor.UnaryServerHandler(request, context, handler)));
        }

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler)
        {
            ArgumentNullException.ThrowIfNull(handler);
            _builder.AddMethod(
                method,
                (ClientStreamingServerMethod<TRequest, TResponse>)((requests, context) =>
                    interceptor.ClientStreamingServerHandler(requests, context, handler)));
        }

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler)
        {
            ArgumentNullException.ThrowIfNull(handler);
            _builder.AddMethod(
                method,
                (ServerStreamingServerMethod<TRequest, TResponse>)((request, responses, context) =>
                    interceptor.ServerStreamingServerHandler(request, responses, context, handler)));
        }

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
        {
            ArgumentNullException.ThrowIfNull(handler);
            _builder.AddMethod(
                method,
                (DuplexStreamingServerMethod<TRequest, TResponse>)((requests, responses, context) =>
                    interceptor.DuplexStreamingServerHandler(requests, responses, context, handler)));
        }
    }
}
