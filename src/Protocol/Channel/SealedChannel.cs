using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Primitives;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// One party's end of one attempt over any transport: seals and chains what goes out, checks what comes in, and keeps both
/// durable first.
/// <para>Opening it draws (or, on resume, loads) the root seed, exchanges KeyExchange and Commitment in the clear and Hello under the seal, and
/// refuses a peer that disagrees. After that <see cref="SendAsync"/> and <see cref="ReceiveAsync"/> carry the typed steps.</para>
/// <para>Resume: opened on a journal that already has the attempt, the channel serves inbound envelopes from it first. Each
/// outbound envelope is built again; if its core is the recorded one, the recorded bytes go out, else the attempt ends with
/// <see cref="ErrorCode.Diverges"/>.</para>
/// </summary>
/// <remarks>A message that is refused leaves the channel as it was. One send and one receive at a time.</remarks>
public sealed class SealedChannel : IChannel, IDisposable
{
    private readonly SealedChannelOptions _options;
    private readonly IEnvelopeTransport _transport;
    private readonly IJournal _journal;
    private readonly SeedSchedule _seeds;
    private readonly SenderTrail _outbound;
    private readonly SenderTrail _inbound;
    private readonly InboundCheck _check;
    private readonly bool _unsealed;
    private SessionKeys? _keys;
    private byte[]? _publicRoot;
    private byte[] _inboundHash = new byte[EnvelopeCodec.HashBytes];
    private bool _outboundRecorded = true;
    private bool _inboundRecorded = true;
    private int _sending;
    private int _receiving;
    private bool _disposed;

    private SealedChannel(SealedChannelOptions options, IEnvelopeTransport transport, IJournal journal, AttemptRecord attempt)
    {
        _options = options;
        _transport = transport;
        _journal = journal;
        _seeds = new SeedSchedule(attempt.RootSeed);
        _outbound = new SenderTrail(options.Self);
        _inbound = new SenderTrail(options.PeerRole);
        _check = new InboundCheck(options, _inbound);
        _unsealed = options.InsecureUnsealed ?? InsecureUnsealed.IsSwitchedOn;
        if (_unsealed && !options.Specification.AcceptDisclosureRisk)
        {
            throw Error.Refused($"{InsecureUnsealed.SwitchName} is on, and the job spec does not accept disclosure risk.");
        }
    }

    /// <summary>Raised after an envelope was sent or accepted, for progress: its header, and whether this party sent it.</summary>
    public event Action<EnvelopeHeader, bool>? Progressed;

    public Role Self => _options.Self;

    public Role Peer => _options.PeerRole;

    /// <summary>The job as validated.</summary>
    public JobSpecification Specification => _options.Specification;

    /// <summary>What crossed so far.</summary>
    public ChannelStatistics Statistics { get; } = new();

    /// <summary>What the parties told each other at the start.</summary>
    public HandshakeSummary Peering { get; private set; } = null!;

    /// <summary>SHA-256 of the last core that this party sent.</summary>
    public ReadOnlySpan<byte> LastSentCoreHash => _outbound.LastCoreHash;

    /// <summary>SHA-256 of the last core that this party accepted.</summary>
    public ReadOnlySpan<byte> LastReceivedCoreHash => _inbound.LastCoreHash;

    /// <summary>What the channel itself discloses beyond sizes, order and step names: nothing, unless it runs unsealed.</summary>
    public IReadOnlyList<Disclosure> Disclosures => _unsealed
        ? [new Disclosure("coordinator", "INSECURE CONTROL RUN: every payload crossed unsealed", Statistics.Traffic.Sum(t => t.Envelopes), "every step")]
        : [];

    /// <summary>Opens the channel: root seed, key exchange, hello. Returns when both parties have agreed.</summary>
    /// <param name="options">Not changed; the identity stays the caller's.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>: the peer, or the spec, disagrees with this party.
    /// <see cref="ErrorCode.ProtocolViolation"/>, <see cref="ErrorCode.PeerUnavailable"/>: as for receiving.
    /// <see cref="ErrorCode.Diverges"/>: the journal has this attempt with other data, policy, spec or build.</exception>
    public static async Task<SealedChannel> OpenAsync(
        SealedChannelOptions options, IEnvelopeTransport transport, IJournal journal, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(transport);
        ArgumentNullException.ThrowIfNull(journal);
        options.Validate();
        AttemptRecord attempt = await AttemptOpening.LoadOrDrawAsync(options, journal, cancellationToken);
        SealedChannel channel = new(options, transport, journal, attempt);
        try
        {
            await channel.ShakeHandsAsync(cancellationToken);
            return channel;
        }
        catch
        {
            channel.Dispose();
            throw;
        }
    }

    public async ValueTask SendAsync(Step step, uint round, IMessage payload, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(payload);
        ObjectDisposedException.ThrowIf(_disposed, this);
        Enter(ref _sending, "send");
        try
        {
            await SendCoreAsync(step, round, payload, cancellationToken);
        }
        finally
        {
            Volatile.Write(ref _sending, 0);
        }
    }

    public ValueTask<T> ReceiveAsync<T>(Step step, uint round, MessageParser<T> parser, CancellationToken cancellationToken)
        where T : class, IMessage<T> => ReceiveCheckedAsync(step, round, parser, static _ => { }, cancellationToken);

    public RandomStream DeriveSecret(string label, Step step, uint round, long index = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(label);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _seeds.StepStream(label, step, round, _inboundHash, index);
    }

    public byte[] DerivePublic(string label, Role owner, uint round, long index = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(label);
        byte[] root = _publicRoot ?? throw Error.Fault("Public randomness was asked for before the handshake.");
        return SHA256.HashData(new ContextBuilder()
            .Add("vertfed/v1/public")
            .Add(root)
            .Add(label)
            .Add((long)owner)
            .Add(round)
            .Add(index)
            .ToArray());
    }

    /// <summary>
    /// The last steps: each side commits in the clear to what it holds, then tells the other where both chains end, so that a fork or
    /// a dropped tail shows.
    /// </summary>
    /// <returns>Both commitments, and the salts of this party's, which only it has.</returns>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: the peer's commitment is malformed, or its
    /// chains end elsewhere.</exception>
    public async Task<ResultClose> CloseAsync(ResultValues values, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(values);
        ResultSalts salts = new(DrawSalt(0), DrawSalt(1), DrawSalt(2));
        ResultCommitment own = salts.Commit(values);
        await SendAsync(Step.ResultCommitment, 0, own, cancellationToken);
        ResultCommitment peer = await ReceiveCheckedAsync(
            Step.ResultCommitment, 0, ResultCommitment.Parser, message => Handshake.Check(message, _options.PeerName), cancellationToken);
        await CloseChainsAsync(cancellationToken);
        return new ResultClose(salts, own, peer);
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _keys?.Dispose();
            _seeds.Dispose();
        }
    }

    /// <summary>Job, attempt and side; nothing secret.</summary>
    public override string ToString() => $"{Specification.Job}/{_options.Attempt} {Self}";

    private static void Enter(ref int flag, string what)
    {
        if (Interlocked.Exchange(ref flag, 1) != 0)
        {
            throw new InvalidOperationException($"Another {what} is under way; role code is one sequential conversation.");
        }
    }

    private async Task ShakeHandsAsync(CancellationToken cancellationToken)
    {
        bool isLabel = Self == Role.LabelParty;
        using RandomStream stream = _seeds.SessionStream(_options.Context);
        using EphemeralKey ephemeral = EphemeralKey.Draw(stream);
        byte[] nonce = new byte[Handshake.NonceBytes];
        stream.Fill(nonce);
        KeyExchange own = Handshake.BuildKeyExchange(ephemeral, nonce, _options.Identity.Public.SubjectPublicKeyInfo);
        Commitment committed = Handshake.BuildCommitment(_options, _seeds);
        await SendAsync(Step.KeyExchange, 0, own, cancellationToken);
        await SendAsync(Step.Commitment, 0, committed, cancellationToken);
        KeyExchange peer = await ReceiveCheckedAsync(
            Step.KeyExchange, 0, KeyExchange.Parser, message => Handshake.Check(message, own, _options.PeerName), cancellationToken);
        Commitment peers = await ReceiveCheckedAsync(
            Step.Commitment, 0, Commitment.Parser, message => Handshake.Check(message, _options), cancellationToken);

        KeyExchange label = isLabel ? own : peer;
        KeyExchange feature = isLabel ? peer : own;
        DeriveKeys(ephemeral, peer);
        _seeds.DeriveAttemptKey(_options.Context, label.Nonce.Span, feature.Nonce.Span, _options.DataRoot, _options.SoftwareVersion);

        await SendAsync(Step.Hello, 0, Handshake.BuildHello(_options, _seeds.PolicySalt()), cancellationToken);
        Hello hello = await ReceiveCheckedAsync(
            Step.Hello, 0, Hello.Parser, message => Handshake.Check(message, peers, _options), cancellationToken);

        _publicRoot = Handshake.PublicRoot(
            (isLabel ? committed : peers).Seed.Span, (isLabel ? peers : committed).Seed.Span, label.Nonce.Span, feature.Nonce.Span);
        Peering = new HandshakeSummary(committed, peers, hello.OwnPolicyHash.ToByteArray());
    }

    private byte[] DrawSalt(long index)
    {
        using RandomStream stream = DeriveSecret("result-salt", Step.ResultCommitment, 0, index);
        byte[] salt = new byte[EnvelopeCodec.HashBytes];
        stream.Fill(salt);
        return salt;
    }

    private async Task CloseChainsAsync(CancellationToken cancellationToken)
    {
        byte[] sent = _outbound.LastCoreHash;
        byte[] received = _inbound.LastCoreHash;
        JobClose own = new() { LastSentCoreHash = ByteString.CopyFrom(sent), LastReceivedCoreHash = ByteString.CopyFrom(received) };
        await SendAsync(Step.JobClose, 0, own, cancellationToken);
        await ReceiveCheckedAsync(Step.JobClose, 0, JobClose.Parser, Check, cancellationToken);

        void Check(JobClose peer)
        {
            if (!peer.LastSentCoreHash.Span.SequenceEqual(received) || !peer.LastReceivedCoreHash.Span.SequenceEqual(sent))
            {
                throw Error.ViolationBy(
                    _options.PeerName,
                    $"'{_options.PeerName}' closes the job on other envelopes than this party has sent and received.",
                    Step.JobClose);
            }
        }
    }

    private void DeriveKeys(EphemeralKey ephemeral, KeyExchange peer)
    {
        if (_unsealed)
        {
            _keys = SessionKeys.CreateInsecureUnsealed();
            return;
        }

        byte[] secret = ephemeral.DeriveRawSecret(peer.EphemeralKey.Span);
        bool isLabel = Self == Role.LabelParty;
        _keys = SessionKeys.Derive(
            secret,
            isLabel ? _outbound.LastCoreHash : _inbound.LastCoreHash,
            isLabel ? _inbound.LastCoreHash : _outbound.LastCoreHash);
        CryptographicOperations.ZeroMemory(secret);
    }

    private async ValueTask SendCoreAsync(Step step, uint round, IMessage payload, CancellationToken cancellationToken)
    {
        if (!PhaseGrammar.TryAdvance(Self, _outbound.Position, step, round, out SenderPosition position, out string allowed))
        {
            throw Error.Fault($"This party would send {Error.Describe(step, round)}; the protocol allows {allowed}.", step);
        }

        if (payload.Descriptor.Name != step.ToString())
        {
            throw Error.Fault($"The message {payload.Descriptor.Name} is not the payload of {step}.", step);
        }

        ulong sequence = _outbound.NextSequence;
        (EnvelopeHeader header, ByteString core, ByteString body) = OutboundBuild.Build(_options, _outbound, _keys?.From(Self), step, round, payload);
        byte[] coreHash = SHA256.HashData(core.Span);
        Envelope? recorded = _outboundRecorded
            ? await _journal.ReadOutboundAsync(Specification.Job, _options.Attempt, sequence, cancellationToken)
            : null;
        Envelope envelope;
        if (recorded is null)
        {
            _outboundRecorded = false;
            long now = _options.Time.GetUtcNow().ToUnixTimeMilliseconds();
            envelope = new Envelope { Core = core, Attestation = EnvelopeCodec.Attest(core, _options.Identity, now), Payload = body };
            await _journal.AppendOutboundAsync(Specification.Job, _options.Attempt, sequence, envelope, cancellationToken);
        }
        else if (recorded.Core.Span.SequenceEqual(core.Span))
        {
            envelope = recorded;
        }
        else
        {
            throw Error.Diverges(Divergence.Of(recorded, header, payload, _keys?.From(Self)), Specification.Party(Self).Name);
        }

        _outbound.Append(coreHash, position);
        Statistics.Count(PhaseGrammar.Rule(step).Phase, sent: true, body.Length);
        await _transport.SendAsync(envelope, cancellationToken);
        Progressed?.Invoke(header, arg2: true);
    }

    private async ValueTask<T> ReceiveCheckedAsync<T>(
        Step step, uint round, MessageParser<T> parser, Action<T> check, CancellationToken cancellationToken)
        where T : class, IMessage<T>
    {
        ArgumentNullException.ThrowIfNull(parser);
        ObjectDisposedException.ThrowIf(_disposed, this);
        Enter(ref _receiving, "receive");
        try
        {
            using CancellationTokenSource deadline = new(Specification.Deadline, _options.Time);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
            while (true)
            {
                (Envelope envelope, bool recorded) = await NextAsync(step, round, either.Token, deadline.Token, cancellationToken);
                (T? message, EnvelopeView? view, SenderPosition position) = Examine(envelope, recorded, step, round, parser, check);
                if (message is not null && view is not null)
                {
                    await AcceptAsync(envelope, view, position, recorded, cancellationToken);
                    return message;
                }

                Statistics.CountDuplicate();
                await _transport.AcknowledgeAsync(envelope, cancellationToken);
            }
        }
        finally
        {
            Volatile.Write(ref _receiving, 0);
        }
    }

    private (T? Message, EnvelopeView? View, SenderPosition Position) Examine<T>(
        Envelope envelope, bool recorded, Step step, uint round, MessageParser<T> parser, Action<T> check)
        where T : class, IMessage<T>
    {
        try
        {
            EnvelopeView? view = _check.Outside(envelope, step, round, out SenderPosition position);
            if (view is null)
            {
                return (null, null, position);
            }

            T message = _check.Inside(view, envelope.Payload, _keys?.From(Peer), parser);
            check(message);
            return (message, view, position);
        }
        catch (VertFedException e) when (recorded)
        {
            throw Error.Diverges($"Inbound envelope {_inbound.NextSequence} of the journal does not pass on resume: {e.Message}", step, e);
        }
        catch (VertFedException e) when (e.Party.Length == 0)
        {
            throw new VertFedException(e.Code, e.Message, e) { Party = _options.PeerName, Step = step.ToString() };
        }
    }

    private async ValueTask<(Envelope Envelope, bool Recorded)> NextAsync(
        Step step, uint round, CancellationToken either, CancellationToken deadline, CancellationToken callers)
    {
        if (_inboundRecorded)
        {
            Envelope? recorded =
                await _journal.ReadInboundAsync(Specification.Job, _options.Attempt, _inbound.NextSequence, callers);
            if (recorded is not null)
            {
                return (recorded, true);
            }

            _inboundRecorded = false;
        }

        try
        {
            either.ThrowIfCancellationRequested();
            return (await _transport.ReceiveAsync(either), false);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !callers.IsCancellationRequested)
        {
            throw Error.Awaited(_options.PeerName, step, round, Specification.Deadline);
        }
    }

    private async ValueTask AcceptAsync(
        Envelope envelope, EnvelopeView view, SenderPosition position, bool recorded, CancellationToken cancellationToken)
    {
        if (!recorded)
        {
            await _journal.AppendInboundAsync(
                Specification.Job, _options.Attempt, view.Header.Sequence, envelope, cancellationToken);
        }

        _inbound.Append(view.CoreHash, position);
        _inboundHash = SHA256.HashData([.. _inboundHash, .. view.CoreHash]);
        Statistics.Count(view.Header.Phase, sent: false, envelope.Payload.Length);
        await _transport.AcknowledgeAsync(envelope, cancellationToken);
        Progressed?.Invoke(view.Header, arg2: false);
    }
}
