using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.PartyNode.Hosting;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.PartyNode.Relay;

/// <summary>One connection to the coordinator, from the challenge to its loss.</summary>
internal sealed class RelayConnection : IAsyncDisposable
{
    private const int NonceBytes = 32;
    private const int MaxRunningJobs = 1024;
    private const int FrameBytes = Limits.MaxChunkBytes + (128 * 1024);
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan StatusWait = TimeSpan.FromSeconds(1);

    private readonly RelayOptions _options;
    private readonly IReadOnlyList<NodeKey> _keys;
    private readonly RelayClient _client;
    private readonly GrpcChannel _channel;
    private readonly EnvelopeAssembler _assembler = new();
    private readonly CancellationTokenSource _ending = new();
    private AsyncDuplexStreamingCall<PartyFrame, CoordinatorFrame>? _call;
    private CheckpointVerifier? _coordinator;

    /// <param name="keys">The current one first.</param>
    public RelayConnection(RelayOptions options, IReadOnlyList<NodeKey> keys, RelayClient client)
    {
        (_options, _keys, _client) = (options, keys, client);
        _channel = GrpcChannel.ForAddress(options.Coordinator, new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            MaxReceiveMessageSize = FrameBytes,
            MaxSendMessageSize = FrameBytes,
            HttpHandler = new SocketsHttpHandler
            {
                SslOptions = MutualTls.Client(keys[0].Credential.Certificate, () => client.Pins, "coordinator", options.Time),
                ConnectTimeout = options.HandshakeTimeout,
                KeepAlivePingDelay = KeepAlive,
                KeepAlivePingTimeout = KeepAlive,
                KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
                EnableMultipleHttp2Connections = false,
                UseProxy = false,
                AllowAutoRedirect = false,
            },
        });
    }

    /// <summary>Of the coordinator that this is a connection to; null before it has said who it is.</summary>
    public string? CoordinatorFingerprint => _coordinator?.Identity.Fingerprint;

    /// <summary>What a party signs to register: a label, the coordinator's nonce and the party's name.</summary>
    public static byte[] RegistrationBytes(ReadOnlySpan<byte> nonce, string party) =>
        [.. "vertfed/v1/register"u8, .. nonce, .. Encoding.UTF8.GetBytes(party)];

    /// <summary>What an earlier key of the party signs: a label, the nonce, which key the party has now, and the party's name.</summary>
    public static byte[] PreviousBytes(ReadOnlySpan<byte> nonce, PeerIdentity current, string party) =>
        [.. "vertfed/v1/register-previous"u8, .. nonce, .. current.FingerprintBytes, .. Encoding.UTF8.GetBytes(party)];

    /// <summary>Opens the stream, answers the challenge and waits for the registration.</summary>
    public async Task<RegisteredEvent> RegisterAsync(CancellationToken cancellationToken)
    {
        NodeKey current = _keys[0];
        current.Credential.Certificate.RequireValid(_options.Time.GetUtcNow());
        using CancellationTokenSource handshake = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        handshake.CancelAfter(_options.HandshakeTimeout);
        try
        {
            _call = new RelayService.RelayServiceClient(_channel).Connect(cancellationToken: _ending.Token);
            Challenge challenge = (await NextAsync(handshake.Token)).Challenge ?? throw Broken("a challenge was expected first");
            if (challenge.Nonce.Length != NonceBytes)
            {
                throw Broken($"the challenge is not {NonceBytes} bytes");
            }

            _coordinator = RequirePinned(challenge.CheckpointKey);
            byte[] signature = current.Identity.Sign(RegistrationBytes(challenge.Nonce.Span, _options.Party));
            Register register = new()
            {
                Party = _options.Party,
                IdentityKey = ByteString.CopyFrom(current.Identity.Public.SubjectPublicKeyInfo),
                Signature = UnsafeByteOperations.UnsafeWrap(signature),
                PartyVersion = SoftwareVersion.Current,
                CheckpointKey = current.Checkpoints.Key,
            };
            register.Previous.AddRange(_keys.Skip(1).Select(key => new PreviousIdentity
            {
                IdentityKey = ByteString.CopyFrom(key.Identity.Public.SubjectPublicKeyInfo),
                Signature = UnsafeByteOperations.UnsafeWrap(key.Identity.Sign(PreviousBytes(challenge.Nonce.Span, current.Identity.Public, _options.Party))),
                CheckpointKey = key.Checkpoints.Key,
            }));
            await _call.RequestStream.WriteAsync(new PartyFrame { Register = register }, handshake.Token);
            Registered registered = (await NextAsync(handshake.Token)).Registered ?? throw Broken("a registration was expected");
            return new RegisteredEvent(challenge.CoordinatorVersion, [.. registered.RunningJobs.Where(EnvelopeCodec.IsJobId).Distinct(StringComparer.Ordinal).Take(MaxRunningJobs)]);
        }
        catch (RpcException error) when (error.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied)
        {
            throw new VertFedException(
                ErrorCode.Refused, $"The coordinator does not admit '{_options.Party}': {error.Status.Detail}", error);
        }
        catch (RpcException error) when (MutualTls.RefusalIn(error.Status.DebugException) is { } refusal)
        {
            throw NotPinned(refusal);
        }
        catch (Exception error) when (handshake.IsCancellationRequested && !cancellationToken.IsCancellationRequested
            && error is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled })
        {
            throw Broken("the handshake took too long");
        }
    }

    /// <summary>Moves frames until the stream ends or fails.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task reading = ReadAsync(either.Token);
        Task writing = WriteAsync(either.Token);
        Task first = await Task.WhenAny(reading, writing);
        if (first == writing && !cancellationToken.IsCancellationRequested)
        {
            // A failed write only says that the stream is gone; the reader gets the status that says why.
            await Task.WhenAny(reading, Task.Delay(StatusWait, cancellationToken));
            first = reading.IsCompleted ? reading : writing;
        }

        await either.CancelAsync();
        await _ending.CancelAsync();
        await Task.WhenAll(reading, writing).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            await first;
        }
        catch (InvalidOperationException error)
        {
            throw new VertFedException(ErrorCode.PeerUnavailable, "The coordinator's stream is closed.", error);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _call?.Dispose();
        _channel.Dispose();
        _ending.Dispose();
    }

    /// <summary>Nothing is told to a coordinator that is not the pinned one, not even who this party is.</summary>
    private CheckpointVerifier RequirePinned(CheckpointKey? key)
    {
        try
        {
            CheckpointKey shown = key ?? new CheckpointKey();
            IReadOnlyList<string> pins = _client.Pins;
            string pin = pins.FirstOrDefault(pin => pin == FingerprintOf(shown)) ??
                (pins.Count > 0 ? pins[0] : throw new VertFedException(ErrorCode.PeerUnavailable, "no key of the coordinator is trusted"));
            return CheckpointVerifier.Parse(shown, pin, "coordinator");
        }
        catch (VertFedException error) when (error.Code == ErrorCode.DoesNotVerify)
        {
            throw NotPinned(error);
        }
    }

    private VertFedException NotPinned(VertFedException why) =>
        new(ErrorCode.Refused, $"The coordinator at {_options.Coordinator} is not the pinned one (coordinator_fingerprint): {why.Message}", why)
        {
            Party = "coordinator",
        };

    private static string FingerprintOf(CheckpointKey key) => Convert.ToHexStringLower(SHA256.HashData(key.IdentityKey.Span));

    private async Task<CoordinatorFrame> NextAsync(CancellationToken cancellationToken) =>
        await _call!.ResponseStream.MoveNext(cancellationToken)
            ? _call.ResponseStream.Current
            : throw Broken("the coordinator closed the stream");

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        IAsyncStreamReader<CoordinatorFrame> stream = _call!.ResponseStream;
        while (true)
        {
            await _client.WaitForRoomAsync(cancellationToken);
            if (!await stream.MoveNext(cancellationToken))
            {
                return;
            }

            CoordinatorFrame frame = stream.Current;
            switch (frame.FrameCase)
            {
                case CoordinatorFrame.FrameOneofCase.Offer when frame.Offer.Job is not null:
                    await _client.PublishAsync(new OfferEvent(frame.Offer.Job, frame.Offer.Attempt), cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.Start:
                    await _client.PublishAsync(new StartEvent(frame.Start.Job, frame.Start.Attempt, frame.Start.StartedUnixMs), cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.Preflight when frame.Preflight.Job is not null:
                    await _client.PublishAsync(new PreflightEvent(frame.Preflight.Request, frame.Preflight.Job), cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.End:
                    await _client.PublishAsync(new EndEvent(frame.End), cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.Checkpoint:
                    await _client.PublishAsync(new CheckpointEvent(frame.Checkpoint, _coordinator!), cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.Deposited:
                    _client.Find(frame.Deposited.Job, frame.Deposited.Attempt)?.Deposited(frame.Deposited);
                    break;
                case CoordinatorFrame.FrameOneofCase.Round:
                    RoundEnvelope round = RoundCodec.Parse(frame.Round);
                    await _client.DeliverAsync(new RoundFrame(round, ResumeFrom: 0, _coordinator!.Identity), round.Header.Job, cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.Resume:
                    await _client.DeliverAsync(new RoundFrame(null, frame.Resume.Sequence, _coordinator!.Identity), frame.Resume.Job, cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.Proposal:
                    RoundFrame proposed = new(null, ResumeFrom: 0, _coordinator!.Identity) { Proposal = frame.Proposal, Checkpoints = _coordinator };
                    await _client.DeliverAsync(proposed, frame.Proposal.Job, cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.Begin:
                    await DeliverAsync(_assembler.Begin(frame.Begin), cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.Chunk:
                    await DeliverAsync(_assembler.Add(frame.Chunk), cancellationToken);
                    break;
                default:
                    throw Broken($"frame {frame.FrameCase} is not expected here");
            }
        }
    }

    private async ValueTask DeliverAsync((EnvelopeView View, Envelope Envelope)? complete, CancellationToken cancellationToken)
    {
        if (complete is { } done && _client.Expect(done.View.Header.Job, done.View.Header.Attempt) is { } transport)
        {
            await transport.DeliverAsync(done.View, done.Envelope, cancellationToken);
        }
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        IClientStreamWriter<PartyFrame> stream = _call!.RequestStream;
        while (true)
        {
            if (_client.TryTakeControl(out PartyFrame? frame))
            {
                await stream.WriteAsync(frame!, cancellationToken);
            }
            else if (_client.NextToSend() is { } envelope)
            {
                await WriteEnvelopeAsync(stream, envelope, cancellationToken);
            }
            else
            {
                await _client.WaitForWorkAsync(cancellationToken);
            }
        }
    }

    private static async Task WriteEnvelopeAsync(
        IClientStreamWriter<PartyFrame> stream, Envelope envelope, CancellationToken cancellationToken)
    {
        EnvelopeBegin begin = new() { Core = envelope.Core, Attestation = envelope.Attestation };
        await stream.WriteAsync(new PartyFrame { Begin = begin }, cancellationToken);
        for (int at = 0; at < envelope.Payload.Length; at += Limits.MaxChunkBytes)
        {
            int length = Math.Min(Limits.MaxChunkBytes, envelope.Payload.Length - at);
            PayloadChunk chunk = new() { Data = UnsafeByteOperations.UnsafeWrap(envelope.Payload.Memory.Slice(at, length)) };
            await stream.WriteAsync(new PartyFrame { Chunk = chunk }, cancellationToken);
        }
    }

    private static VertFedException Broken(string what) => new(ErrorCode.ProtocolViolation, $"The coordinator's stream: {what}.");
}
