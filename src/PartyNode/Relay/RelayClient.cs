using System.Threading.Channels;
using Grpc.Core;
using VertFed.PartyNode.Hosting;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Relay;

/// <summary>How a party reaches its coordinator.</summary>
public sealed record RelayOptions
{
    public required Uri Coordinator { get; init; }

    /// <summary>Fingerprints of the coordinator's identity key; one with another key is refused.</summary>
    public required IReadOnlyList<string> CoordinatorFingerprints { get; init; }

    /// <summary>This party's name.</summary>
    public required string Party { get; init; }

    /// <summary>Wait after the first failure to connect; doubles up to <see cref="LongestWait"/>.</summary>
    public TimeSpan FirstWait { get; init; } = TimeSpan.FromMilliseconds(200);

    public TimeSpan LongestWait { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a handshake may take.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>By which the dates of the coordinator's certificate are judged.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>
/// A party's side of the relay. It dials out to the coordinator, proves its identity, and keeps the stream open: a lost
/// connection is made again for as long as the node runs, and whatever was not acknowledged is sent again.
/// </summary>
/// <remarks>
/// The order on a connection: Challenge from the coordinator, Register, Registered; then frames both ways. Answers and outcomes
/// are repeated on every new connection until the job's end is known, since they have no acknowledgement of their own.
/// </remarks>
/// <param name="keys">What it shows of itself, asked anew for each connection. Stays the caller's to dispose.</param>
public sealed class RelayClient(RelayOptions options, NodeKeys keys)
{
    /// <summary>Words to the coordinator that may wait; with more, nothing more is read from it.</summary>
    internal const int MaxControl = 4096;

    /// <summary>Jobs whose last word is repeated on a new connection. The store has the others' too.</summary>
    internal const int MaxLastWords = 1024;

    /// <summary>Models whose state is said on every new connection: the last ones that changed.</summary>
    internal const int MaxModels = 1024;

    /// <summary>Jobs that the coordinator may hold as running before this party has looked at them.</summary>
    internal const int MaxExpected = PartyHost.MostOpen;

    private const int MaxEvents = 1024;
    private const int MaxRoundFrames = 64;
    private static readonly TimeSpan UnopenedDeadline = TimeSpan.FromMinutes(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, RelayTransport> _transports = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Channel<RoundFrame>> _rounds = new(StringComparer.Ordinal);
    private readonly OrderedDictionary<string, PartyFrame> _lastWords = new(StringComparer.Ordinal);
    private readonly OrderedDictionary<string, PartyFrame> _models = new(StringComparer.Ordinal);
    private readonly HashSet<string> _accepted = new(StringComparer.Ordinal);
    private readonly HashSet<string> _running = new(StringComparer.Ordinal);
    private readonly Queue<PartyFrame> _control = new();
    private TaskCompletionSource _controlRoom = NewSignal();
    private int _turn;
    private IReadOnlyList<string> _pins = options.CoordinatorFingerprints;
    private string? _connectedTo;
    private CancellationTokenSource? _connection;
    private readonly Channel<RelayEvent> _events = Channel.CreateBounded<RelayEvent>(MaxEvents);
    private readonly Channel<bool> _work =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>What the coordinator says, in order. Must be read: a full queue holds the connection.</summary>
    public ChannelReader<RelayEvent> Events => _events.Reader;

    /// <summary>Fingerprints of the coordinator's key that count now.</summary>
    public IReadOnlyList<string> Pins => Volatile.Read(ref _pins);

    /// <summary>Takes other pins. A connection to a coordinator whose key is no more among them ends; without a pin none is made.</summary>
    public void UsePins(IReadOnlyList<string> pins)
    {
        bool isRevoked;
        lock (_gate)
        {
            Volatile.Write(ref _pins, pins);
            isRevoked = _connectedTo is { } key && !pins.Contains(key, StringComparer.Ordinal);
        }

        if (isRevoked)
        {
            Reconnect();
        }
    }

    /// <summary>Ends the present connection and makes another, with the keys of this moment. Never blocks.</summary>
    public void Reconnect()
    {
        try
        {
            _ = Volatile.Read(ref _connection)?.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It ended by itself in the meantime; the next one has the keys of this moment.
        }
    }

    /// <summary>Runs until cancelled.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>: the coordinator does not admit this party, or is not the
    /// pinned one.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Backoff backoff = new(options.FirstWait, options.LongestWait);
        while (!cancellationToken.IsCancellationRequested)
        {
            string reason;
            using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Volatile.Write(ref _connection, ending);
            try
            {
                RequirePin();
                await using RelayConnection connection = new(options, keys.All, this);
                RegisteredEvent registered = await connection.RegisterAsync(ending.Token);
                ConnectedTo(connection.CoordinatorFingerprint);
                backoff.Reset();
                Rewind(registered.RunningJobs);
                await _events.Writer.WriteAsync(registered, cancellationToken);
                await connection.RunAsync(ending.Token);
                reason = "the coordinator closed the stream";
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception error) when (ending.IsCancellationRequested && !cancellationToken.IsCancellationRequested
                && error is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled })
            {
                reason = "this party has changed its keys or pins";
            }
            catch (RpcException error) when (cancellationToken.IsCancellationRequested && error.StatusCode == StatusCode.Cancelled)
            {
                break;
            }
            catch (RpcException error)
            {
                reason = $"{error.StatusCode}: {error.Status.Detail}";
            }
            catch (VertFedException error) when (error.Code != ErrorCode.Refused || Pins.Count == 0)
            {
                // Without a pin every coordinator is a wrong one: the node goes on, and connects once there is one again.
                reason = error.Message;
            }
            finally
            {
                ConnectedTo(null);
            }

            TimeSpan wait = backoff.Next();
            try
            {
                await _events.Writer.WriteAsync(new DisconnectedEvent(reason, wait), cancellationToken);
                await Task.Delay(wait, cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
        }
    }

    /// <summary>Answers an offer. From an acceptance on, the job's envelopes are kept until it is opened.</summary>
    public void Answer(JobAnswer answer)
    {
        if (answer.Accepted)
        {
            lock (_gate)
            {
                _accepted.Add(answer.Job);
            }
        }

        SetLastWord(answer.Job, new PartyFrame { Answer = answer });
    }

    /// <summary>Tells that the operator is asked about an offer. Said again by the host on every new connection, with the time that is left.</summary>
    public void Hold(JobHeld held) => Enqueue(new PartyFrame { Held = held });

    /// <summary>Answers a dry run. An answer that is lost with the connection is not repeated.</summary>
    public void AnswerPreflight(PreflightAnswer answer) => Enqueue(new PartyFrame { Preflight = answer });

    /// <summary>Tells the coordinator how the job ended here.</summary>
    public void SendOutcome(JobOutcome outcome) => SetLastWord(outcome.Job, new PartyFrame { Outcome = outcome });

    /// <summary>Tells what has become of this party's half of a model; said again on every new connection, since nobody acknowledges it.</summary>
    public void TellModel(ModelNotice notice)
    {
        PartyFrame frame = new() { Model = notice };
        lock (_gate)
        {
            // The newest comes last: the coordinator has most likely kept the oldest, on some connection before.
            _models.Remove(notice.Job);
            _models[notice.Job] = frame;
            if (_models.Count > MaxModels)
            {
                _models.RemoveAt(0);
            }
        }

        Enqueue(frame);
    }

    /// <summary>Answers a checkpoint. An answer that is lost with the connection is asked for again.</summary>
    public void AnswerCheckpoint(CheckpointAnswer answer) => Enqueue(new PartyFrame { Checkpoint = answer });

    /// <summary>Opens the envelope traffic of an attempt.</summary>
    /// <param name="deadline">How long sending may wait for a coordinator that is away.</param>
    public RelayTransport Open(string job, uint attempt, TimeSpan deadline)
    {
        lock (_gate)
        {
            if (!_transports.TryGetValue(job, out RelayTransport? transport) || transport.Attempt != attempt)
            {
                transport = new RelayTransport(this, job, attempt);
                _transports[job] = transport;
            }

            transport.Deadline = deadline;
            return transport;
        }
    }

    /// <summary>What the coordinator says of a horizontal job, from the acceptance on.</summary>
    public ChannelReader<RoundFrame> OpenRounds(string job)
    {
        lock (_gate)
        {
            if (!_rounds.TryGetValue(job, out Channel<RoundFrame>? channel))
            {
                _rounds[job] = channel = Channel.CreateBounded<RoundFrame>(MaxRoundFrames);
            }

            return channel.Reader;
        }
    }

    /// <summary>Sends an envelope of a horizontal job. One that is lost with the connection is asked for again.</summary>
    public void SendRound(Envelope envelope) => Enqueue(new PartyFrame { Round = envelope });

    /// <summary>Answers a checkpoint of a horizontal job. One that is lost with the connection is asked for again.</summary>
    public void SendWord(RoundWord word) => Enqueue(new PartyFrame { Word = word });

    /// <summary>Ends the envelope traffic of a job; its last word stays until the coordinator knows the end.</summary>
    public void Close(string job)
    {
        lock (_gate)
        {
            Drop(job);
        }
    }

    /// <summary>Forgets a job whose end is known at the coordinator.</summary>
    public void Forget(string job)
    {
        lock (_gate)
        {
            Drop(job);
            _lastWords.Remove(job);
        }
    }

    /// <summary>The coordinator has announced the job's end: a last word that was said need not be repeated.</summary>
    public void ForgetIfSaid(string job)
    {
        lock (_gate)
        {
            if (_lastWords.TryGetValue(job, out PartyFrame? word) && word.Outcome is not null)
            {
                _lastWords.Remove(job);
            }
        }
    }

    /// <summary>For a tidy exit: waits until everything queued was handed to the connection, and until the coordinator has answered
    /// each outcome that ends a job (one that is DONE here may have to wait for the peer).</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        while (!IsDrained())
        {
            await Task.Delay(20, cancellationToken);
        }
    }

    internal void SignalWork() => _work.Writer.TryWrite(true);

    internal ValueTask<bool> WaitForWorkAsync(CancellationToken cancellationToken) => _work.Reader.ReadAsync(cancellationToken);

    internal void Acknowledge(EnvelopeRef reference) => Enqueue(new PartyFrame { Delivered = reference });

    internal ValueTask PublishAsync(RelayEvent message, CancellationToken cancellationToken) =>
        _events.Writer.WriteAsync(message, cancellationToken);

    /// <summary>Hands on what arrived of a horizontal job; nothing where this party has no part in it.</summary>
    internal async ValueTask DeliverAsync(RoundFrame frame, string job, CancellationToken cancellationToken)
    {
        ChannelWriter<RoundFrame>? writer;
        lock (_gate)
        {
            if (!_rounds.ContainsKey(job) && (_accepted.Contains(job) || _running.Contains(job)))
            {
                _ = OpenRounds(job);
            }

            writer = _rounds.GetValueOrDefault(job)?.Writer;
        }

        if (writer is not null)
        {
            await writer.WriteAsync(frame, cancellationToken);
        }
    }

    internal bool TryTakeControl(out PartyFrame? frame)
    {
        lock (_gate)
        {
            bool taken = _control.TryDequeue(out frame);
            SignalRoom();
            return taken;
        }
    }

    /// <summary>Waits until a word more may wait: a coordinator that asks and does not read the answers is not read either.</summary>
    internal async ValueTask WaitForRoomAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task room;
            lock (_gate)
            {
                if (_control.Count < MaxControl)
                {
                    return;
                }

                room = _controlRoom.Task;
            }

            await room.WaitAsync(cancellationToken);
        }
    }

    /// <summary>The next envelope of the job whose turn it is: jobs take turns, envelope by envelope.</summary>
    internal Envelope? NextToSend()
    {
        lock (_gate)
        {
            RelayTransport[] transports = [.. _transports.Values];
            for (int i = 0; i < transports.Length; i++)
            {
                int turn = (_turn + i) % transports.Length;
                if (transports[turn].NextToSend() is { } envelope)
                {
                    _turn = turn + 1;
                    return envelope;
                }
            }

            return null;
        }
    }

    internal RelayTransport? Find(string job, uint attempt)
    {
        lock (_gate)
        {
            return _transports.TryGetValue(job, out RelayTransport? transport) && transport.Attempt == attempt ? transport : null;
        }
    }

    /// <summary>Where an arriving envelope goes: an open attempt, or one that is expected to open soon; null for any other.</summary>
    internal RelayTransport? Expect(string job, uint attempt)
    {
        lock (_gate)
        {
            return Find(job, attempt)
                ?? ((_accepted.Contains(job) || _running.Contains(job)) && !_transports.ContainsKey(job) ? Open(job, attempt, UnopenedDeadline) : null);
        }
    }

    /// <summary>Notes whose connection stands. The pins may have changed since its key was looked at.</summary>
    private void ConnectedTo(string? key)
    {
        lock (_gate)
        {
            if (key is null || _pins.Contains(key, StringComparer.Ordinal))
            {
                _connectedTo = key;
                return;
            }
        }

        throw new VertFedException(ErrorCode.PeerUnavailable, "the coordinator's key is not pinned any more");
    }

    private void RequirePin()
    {
        if (Pins.Count == 0)
        {
            throw new VertFedException(ErrorCode.PeerUnavailable, "no key of the coordinator is trusted");
        }
    }

    private bool IsDrained()
    {
        lock (_gate)
        {
            return _control.Count == 0 && !_lastWords.Values.Any(word => word.Outcome is { State: not JobState.Done });
        }
    }

    private void SetLastWord(string job, PartyFrame frame)
    {
        lock (_gate)
        {
            _lastWords[job] = frame;
            if (_lastWords.Count > MaxLastWords)
            {
                // An acceptance stays: its job is open here, and such jobs are few. Of the others the coordinator asks again.
                _lastWords.Remove(_lastWords.First(word => word.Value.Answer is not { Accepted: true }).Key);
            }
        }

        Enqueue(frame);
    }

    /// <summary>Whether a job's last word is repeated on a new connection.</summary>
    internal bool Repeats(string job)
    {
        lock (_gate)
        {
            return _lastWords.ContainsKey(job);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void SignalRoom()
    {
        if (_control.Count < MaxControl)
        {
            _controlRoom.TrySetResult();
            _controlRoom = NewSignal();
        }
    }

    private void Drop(string job)
    {
        _accepted.Remove(job);
        _running.Remove(job);
        _transports.Remove(job);
        _rounds.Remove(job);
    }

    private void Enqueue(PartyFrame frame)
    {
        lock (_gate)
        {
            _control.Enqueue(frame);
        }

        SignalWork();
    }

    /// <summary>On a new connection: what was not acknowledged goes out again, and envelopes of running jobs are kept until these are looked at.</summary>
    internal void Rewind(IReadOnlyList<string> running)
    {
        RelayTransport[] transports;
        lock (_gate)
        {
            _running.Clear();
            _running.UnionWith(running.Take(MaxExpected));

            transports = [.. _transports.Values];
        }

        foreach (RelayTransport transport in transports)
        {
            transport.Rewind();
        }

        lock (_gate)
        {
            // Acknowledgements of the lost connection are asked for again by the repeated envelopes.
            _control.Clear();
            SignalRoom();
            foreach (PartyFrame word in _lastWords.Values.Concat(_models.Values))
            {
                _control.Enqueue(word);
            }
        }

        SignalWork();
    }
}
