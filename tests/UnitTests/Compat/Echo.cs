using Grpc.Core;

namespace VertFed.UnitTests.Compat;

/// <summary>A service with a method of each kind over plain byte arrays, bound by hand as generated code binds its own.</summary>
internal static class Echo
{
    private const string Service = "vertfed.tests.Echo";

    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create(message => message, payload => payload);

    public static readonly Method<byte[], byte[]> Unary = new(MethodType.Unary, Service, nameof(EchoBase.Unary), Bytes, Bytes);

    public static readonly Method<byte[], byte[]> Collect = new(MethodType.ClientStreaming, Service, nameof(EchoBase.Collect), Bytes, Bytes);

    public static readonly Method<byte[], byte[]> Repeat = new(MethodType.ServerStreaming, Service, nameof(EchoBase.Repeat), Bytes, Bytes);

    public static readonly Method<byte[], byte[]> Chat = new(MethodType.DuplexStreaming, Service, nameof(EchoBase.Chat), Bytes, Bytes);

    public static void BindService(ServiceBinderBase binder, EchoBase? service)
    {
        binder.AddMethod(Unary, service is null ? null : new UnaryServerMethod<byte[], byte[]>(service.Unary));
        binder.AddMethod(Collect, service is null ? null : new ClientStreamingServerMethod<byte[], byte[]>(service.Collect));
        binder.AddMethod(Repeat, service is null ? null : new ServerStreamingServerMethod<byte[], byte[]>(service.Repeat));
        binder.AddMethod(Chat, service is null ? null : new DuplexStreamingServerMethod<byte[], byte[]>(service.Chat));
    }
}

[BindServiceMethod(typeof(Echo), nameof(Echo.BindService))]
internal abstract class EchoBase
{
    public abstract Task<byte[]> Unary(byte[] request, ServerCallContext context);

    public abstract Task<byte[]> Collect(IAsyncStreamReader<byte[]> requestStream, ServerCallContext context);

    public abstract Task Repeat(byte[] request, IServerStreamWriter<byte[]> responseStream, ServerCallContext context);

    public abstract Task Chat(IAsyncStreamReader<byte[]> requestStream, IServerStreamWriter<byte[]> responseStream, ServerCallContext context);
}

/// <summary>Echoes; a test replaces <see cref="EchoBehaviour.OnUnary"/> to serve something else.</summary>
internal sealed class EchoService(EchoBehaviour behaviour) : EchoBase
{
    public override Task<byte[]> Unary(byte[] request, ServerCallContext context) => behaviour.OnUnary(request, context);

    public override async Task<byte[]> Collect(IAsyncStreamReader<byte[]> requestStream, ServerCallContext context)
    {
        using var all = new MemoryStream();
        await foreach (byte[] part in requestStream.ReadAllAsync(context.CancellationToken))
            all.Write(part);
        return all.ToArray();
    }

    // Sends the request as often as its first byte says.
    public override async Task Repeat(byte[] request, IServerStreamWriter<byte[]> responseStream, ServerCallContext context)
    {
        for (int i = 0; i < request[0]; i++)
            await responseStream.WriteAsync(request, context.CancellationToken);
        context.ResponseTrailers.Add("sent", $"{request[0]}");
    }

    public override async Task Chat(
        IAsyncStreamReader<byte[]> requestStream, IServerStreamWriter<byte[]> responseStream, ServerCallContext context)
    {
        while (await requestStream.MoveNext())
            await responseStream.WriteAsync(requestStream.Current);
    }
}

internal sealed class EchoBehaviour
{
    public Func<byte[], ServerCallContext, Task<byte[]>> OnUnary { get; set; } = (request, _) => Task.FromResult(request);
}

internal sealed class EchoClient : ClientBase<EchoClient>
{
    public EchoClient(ChannelBase channel)
        : base(channel)
    {
    }

    public EchoClient(CallInvoker callInvoker)
        : base(callInvoker)
    {
    }

    private EchoClient(ClientBaseConfiguration configuration)
        : base(configuration)
    {
    }

    public byte[] UnaryAndWait(byte[] request, CallOptions options = default) => CallInvoker.BlockingUnaryCall(Echo.Unary, null, options, request);

    public AsyncUnaryCall<byte[]> Unary(byte[] request, CallOptions options = default) => CallInvoker.AsyncUnaryCall(Echo.Unary, null, options, request);

    public AsyncClientStreamingCall<byte[], byte[]> Collect(CallOptions options = default) =>
        CallInvoker.AsyncClientStreamingCall(Echo.Collect, null, options);

    public AsyncServerStreamingCall<byte[]> Repeat(byte[] request, CallOptions options = default) =>
        CallInvoker.AsyncServerStreamingCall(Echo.Repeat, null, options, request);

    public AsyncDuplexStreamingCall<byte[], byte[]> Chat(CallOptions options = default) =>
        CallInvoker.AsyncDuplexStreamingCall(Echo.Chat, null, options);

    protected override EchoClient NewInstance(ClientBaseConfiguration configuration) => new(configuration);
}
