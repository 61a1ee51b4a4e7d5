using System.Collections.Concurrent;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Xunit;

namespace VertFed.UnitTests.Compat;

public sealed class InterceptorTests
{
    [Fact]
    public async Task A_server_interceptor_sees_calls_of_every_kind()
    {
        var log = new ConcurrentQueue<string>();
        await using EchoHost host = await EchoHost.StartAsync(options => options.Interceptors.Add<ServerLog>(log));
        using GrpcChannel channel = host.Connect();
        host.Behaviour.OnUnary = (request, context) =>
        {
            log.Enqueue((string)context.UserState["note"]);
            return Task.FromResult(request);
        };

        await CallEveryKind(new EchoClient(channel));

        Assert.Equal(["Unary", "left by the interceptor", "Unary", "left by the interceptor", "Collect", "Repeat", "Chat"], log);
    }

    [Fact]
    public async Task A_client_interceptor_sees_calls_of_every_kind()
    {
        var log = new ConcurrentQueue<string>();
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();

        await CallEveryKind(new EchoClient(channel.Intercept(new ClientLog(log, ""))));

        Assert.Equal(["Unary blocking", "Unary", "Collect", "Repeat", "Chat"], log);
    }

    [Fact]
    public async Task The_first_client_interceptor_is_the_outermost()
    {
        var log = new ConcurrentQueue<string>();
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();

        await new EchoClient(channel.Intercept(new ClientLog(log, "1 "), new ClientLog(log, "2 "))).Unary([1]);

        Assert.Equal(["1 Unary", "2 Unary"], log);
    }

    [Fact]
    public async Task A_header_interceptor_adds_headers_to_calls_of_every_kind()
    {
        var log = new ConcurrentQueue<string>();
        await using EchoHost host = await EchoHost.StartAsync(options => options.Interceptors.Add<HeaderLog>(log));
        using GrpcChannel channel = host.Connect();

        await CallEveryKind(new EchoClient(channel.Intercept(headers =>
        {
            headers.Add("tenant", "bank");
            return headers;
        })));

        Assert.Equal(["bank", "bank", "bank", "bank", "bank"], log);
    }

    [Fact]
    public async Task A_service_definition_is_served_behind_its_interceptors_in_order()
    {
        var log = new ConcurrentQueue<string>();
        ServerServiceDefinition definition = ServerServiceDefinition.CreateBuilder()
            .AddMethod(Echo.Unary, (request, _) => Task.FromResult(request))
            .AddMethod(Echo.Collect, async (requests, _) => await requests.MoveNext() ? requests.Current : [])
            .AddMethod(Echo.Repeat, (byte[] _, IServerStreamWriter<byte[]> _, ServerCallContext _) => Task.CompletedTask)
            .AddMethod(
                Echo.Chat,
                async (IAsyncStreamReader<byte[]> requests, IServerStreamWriter<byte[]> _, ServerCallContext _) =>
                    Assert.False(await requests.MoveNext()))
            .Build()
            .Intercept(new HeaderLog(log), new ServerLog(log));
        await using EchoHost host = await EchoHost.StartAsync(definition: definition);
        using GrpcChannel channel = host.Connect();

        await CallEveryKind(new EchoClient(channel));

        Assert.Equal(["none", "Unary", "none", "Unary", "none", "Collect", "none", "Repeat", "none", "Chat"], log);
    }

    [Fact]
    public void A_method_is_added_to_a_service_definition_once() =>
        Assert.Throws<ArgumentException>(() => ServerServiceDefinition.CreateBuilder()
            .AddMethod(Echo.Unary, (request, _) => Task.FromResult(request))
            .AddMethod(Echo.Unary, (request, _) => Task.FromResult(request)));

    [Fact]
    public async Task Call_credentials_are_asked_for_every_call_and_composed_in_order()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect(options => options.UnsafeUseInsecureChannelCallCredentials = true);
        string? seen = null;
        host.Behaviour.OnUnary = (request, context) =>
        {
            seen = context.RequestHeaders.GetValue("token");
            return Task.FromResult(request);
        };
        CallCredentials credentials = CallCredentials.Compose(Token("a"), CallCredentials.Compose(Token("b"), Token("c")));

        await new EchoClient(channel).Unary([1], new CallOptions(credentials: credentials));

        Assert.Equal("a, b, c", seen);

        static CallCredentials Token(string name) => CallCredentials.FromInterceptor((context, metadata) =>
        {
            Assert.Equal(nameof(EchoBase.Unary), context.MethodName);
            Assert.EndsWith("/vertfed.tests.Echo", context.ServiceUrl, StringComparison.Ordinal);
            metadata.Add("token", name);
            return Task.CompletedTask;
        });
    }

    [Fact]
    public async Task With_another_host_the_client_keeps_its_connection()
    {
        var log = new ConcurrentQueue<string>();
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();

        await new EchoClient(channel.Intercept(new ClientLog(log, "host "))).WithHost("elsewhere").Unary([1]);

        Assert.Equal(["host elsewhere Unary"], log);
    }

    private static async Task CallEveryKind(EchoClient client)
    {
        client.UnaryAndWait([1]);
        await client.Unary([1]);
        using AsyncClientStreamingCall<byte[], byte[]> collect = client.Collect();
        await collect.RequestStream.CompleteAsync();
        Assert.Empty(await collect);
        using AsyncServerStreamingCall<byte[]> repeat = client.Repeat([0]);
        Assert.False(await repeat.ResponseStream.MoveNext());
        using AsyncDuplexStreamingCall<byte[], byte[]> chat = client.Chat();
        await chat.RequestStream.CompleteAsync();
        Assert.False(await chat.ResponseStream.MoveNext());
    }

    private sealed class ClientLog(ConcurrentQueue<string> log, string prefix) : Interceptor
    {
        public override TResponse BlockingUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            BlockingUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            Note(context, " blocking");
            return continuation(request, context);
        }

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            Note(context, "");
            return continuation(request, context);
        }

        public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncServerStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            Note(context, "");
            return continuation(request, context);
        }

        public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncClientStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            Note(context, "");
            return continuation(context);
        }

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            Note(context, "");
            return continuation(context);
        }

        private void Note<TRequest, TResponse>(ClientInterceptorContext<TRequest, TResponse> context, string suffix)
            where TRequest : class
            where TResponse : class =>
            log.Enqueue($"{prefix}{(context.Host is null ? "" : context.Host + " ")}{context.Method.Name}{suffix}");
    }

    private class ServerLog(ConcurrentQueue<string> log) : Interceptor
    {
        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            Note(context);
            return continuation(request, context);
        }

        public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream,
            ServerCallContext context,
            ClientStreamingServerMethod<TRequest, TResponse> continuation)
        {
            Note(context);
            return continuation(requestStream, context);
        }

        public override Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            ServerStreamingServerMethod<TRequest, TResponse> continuation)
        {
            Note(context);
            return continuation(request, responseStream, context);
        }

        public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            DuplexStreamingServerMethod<TRequest, TResponse> continuation)
        {
            Note(context);
            return continuation(requestStream, responseStream, context);
        }

        protected virtual string Describe(ServerCallContext context) => context.Method.Split('/')[^1];

        private void Note(ServerCallContext context)
        {
            context.UserState["note"] = "left by the interceptor";
            log.Enqueue(Describe(context));
        }
    }

    private sealed class HeaderLog(ConcurrentQueue<string> log) : ServerLog(log)
    {
        protected override string Describe(ServerCallContext context) => context.RequestHeaders.GetValue("tenant") ?? "none";
    }
}
