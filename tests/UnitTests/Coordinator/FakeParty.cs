using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.UnitTests.Coordinator;

/// <summary>A party that speaks the relay's frames and does what a test tells it, also the wrong thing.</summary>
internal sealed class FakeParty(string name, Identity identity, CheckpointSigner signer, Role role, GrpcChannel channel) : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private readonly AsyncDuplexStreamingCall<PartyFrame, CoordinatorFrame> _call = new RelayService.RelayServiceClient(channel).Connect();
    private byte[] _previous = new byte[32];
    private ulong _sequence;

    public Identity Identity => identity;

    public Role Role => role;

    public CheckpointSigner Signer => signer;

    public Challenge Challenge { get; private set; } = null!;

    public Registered? Registered { get; private set; }

    public async Task RegisterAsync(string? asName = null, Identity? signedBy = null, CheckpointKey? checkpointKey = null)
    {
        Challenge = (await ExpectAsync(CoordinatorFrame.FrameOneofCase.Challenge)).Challenge;
        ByteString nonce = Challenge.Nonce;
        await SendAsync(new PartyFrame
        {
            Register = new Register
            {
                Party = asName ?? name,
                IdentityKey = ByteString.CopyFrom(identity.Public.SubjectPublicKeyInfo),
                Signature = ByteString.CopyFrom((signedBy ?? identity).Sign([.. "vertfed/v1/register"u8, .. nonce.Span, .. Encoding.UTF8.GetBytes(asName ?? name)])),
                PartyVersion = "test",
                CheckpointKey = checkpointKey ?? signer.Key,
            },
        });
        Registered = (await ExpectAsync(CoordinatorFrame.FrameOneofCase.Registered)).Registered;
    }

    public Task SendAsync(PartyFrame frame) => _call.RequestStream.WriteAsync(frame);

    /// <summary>The next frame, which must be of a kind.</summary>
    public async Task<CoordinatorFrame> ExpectAsync(CoordinatorFrame.FrameOneofCase kind)
    {
        CoordinatorFrame frame = await NextAsync();
        return frame.FrameCase == kind ? frame : throw new InvalidOperationException($"{name} expected {kind}, got {frame}");
    }

    public async Task<CoordinatorFrame> NextAsync()
    {
        using var limit = new CancellationTokenSource(Patience);
        return await _call.ResponseStream.MoveNext(limit.Token)
            ? _call.ResponseStream.Current
            : throw new InvalidOperationException($"{name}: the stream ended");
    }

    /// <summary>Reads until the stream ends with a status.</summary>
    public async Task<RpcException> ExpectStatusAsync()
    {
        using var limit = new CancellationTokenSource(Patience);
        try
        {
            while (await _call.ResponseStream.MoveNext(limit.Token))
            {
            }
        }
        catch (RpcException exception)
        {
            return exception;
        }

        throw new InvalidOperationException($"{name}: the stream ended without an error");
    }

    /// <summary>The next envelope of this party's chain; the chain moves on only with <see cref="Advance"/>.</summary>
    public Envelope Next(string job, byte[] payload, Action<EnvelopeHeader>? change = null, Identity? signedBy = null)
    {
        var header = new EnvelopeHeader
        {
            Job = job,
            Attempt = 1,
            Sender = role,
            Recipient = role.Other(),
            Phase = Phase.Align,
            Step = Step.BlindedIds,
            Sequence = _sequence,
            PreviousCoreHash = ByteString.CopyFrom(_previous),
        };
        change?.Invoke(header);
        ByteString core = EnvelopeCodec.BuildCore(header.ToByteString(), payload);
        return new Envelope { Core = core, Attestation = EnvelopeCodec.Attest(core, signedBy ?? identity, 1), Payload = ByteString.CopyFrom(payload) };
    }

    public void Advance(Envelope envelope)
    {
        _previous = SHA256.HashData(envelope.Core.Span);
        _sequence++;
    }

    public async Task SendEnvelopeAsync(Envelope envelope, int chunk = Limits.MaxChunkBytes)
    {
        await SendAsync(new PartyFrame { Begin = new EnvelopeBegin { Core = envelope.Core, Attestation = envelope.Attestation } });
        for (int from = 0; from < envelope.Payload.Length; from += chunk)
        {
            byte[] data = envelope.Payload.Span.Slice(from, Math.Min(chunk, envelope.Payload.Length - from)).ToArray();
            await SendAsync(new PartyFrame { Chunk = new PayloadChunk { Data = ByteString.CopyFrom(data) } });
        }
    }

    /// <summary>Sends the next envelope of the chain and awaits its acknowledgement.</summary>
    public async Task<Envelope> DepositAsync(string job, byte[] payload, Step step = Step.BlindedIds)
    {
        Envelope envelope = Next(job, payload, header => (header.Step, header.Phase) = (step, PhaseGrammar.Rule(step).Phase));
        await SendEnvelopeAsync(envelope);
        Advance(envelope);
        CoordinatorFrame frame = await ExpectAsync(CoordinatorFrame.FrameOneofCase.Deposited);
        return frame.Deposited.Sequence == _sequence - 1 ? envelope : throw new InvalidOperationException($"another envelope was acknowledged: {frame}");
    }

    /// <summary>Sends the next envelope of the chain and goes on.</summary>
    public async Task SendAsync(string job, Step step, uint round = 0, byte[]? payload = null)
    {
        Envelope envelope = Next(job, payload ?? [(byte)role, (byte)step], header => (header.Step, header.Phase, header.Round) = (step, PhaseGrammar.Rule(step).Phase, round));
        await SendEnvelopeAsync(envelope);
        Advance(envelope);
    }

    /// <summary>Reads until a checkpoint is proposed; envelopes on the way are acknowledged, everything else is passed over.</summary>
    public async Task<CheckpointProposal> ProposalAsync()
    {
        while (true)
        {
            CoordinatorFrame frame = await NextAsync();
            if (frame.FrameCase == CoordinatorFrame.FrameOneofCase.Checkpoint)
                return frame.Checkpoint;
            if (frame.FrameCase == CoordinatorFrame.FrameOneofCase.Begin)
                await AcknowledgeAsync(EnvelopeCodec.Parse(frame.Begin.Core, frame.Begin.Attestation).Header);
        }
    }

    /// <summary>Co-signs a checkpoint unseen.</summary>
    public Task CoSignAsync(CheckpointProposal proposal, CheckpointSigner? by = null) => SendAsync(new PartyFrame
    {
        Checkpoint = new CheckpointAnswer
        {
            Job = proposal.Job, Attempt = proposal.Attempt, Phase = proposal.Phase,
            CoSignature = ByteString.CopyFrom(CheckpointNotes.CoSign(proposal.Note.Span, by ?? signer, DateTimeOffset.UnixEpoch.AddDays(20_000))),
        },
    });

    public Task RefuseAsync(CheckpointProposal proposal) => SendAsync(new PartyFrame
    {
        Checkpoint = new CheckpointAnswer
        {
            Job = proposal.Job, Attempt = proposal.Attempt, Phase = proposal.Phase,
            Refusal = new JobError { Code = nameof(ErrorCode.ProtocolViolation), Party = "coordinator", Message = "another tree" },
        },
    });

    /// <summary>Receives one envelope, chunk by chunk.</summary>
    public async Task<Envelope> ReceiveAsync()
    {
        EnvelopeBegin begin = (await ExpectAsync(CoordinatorFrame.FrameOneofCase.Begin)).Begin;
        long size = (long)EnvelopeCodec.Parse(begin.Core, begin.Attestation).Core.PayloadSize;
        var payload = new MemoryStream();
        while (payload.Length < size)
        {
            ByteString data = (await ExpectAsync(CoordinatorFrame.FrameOneofCase.Chunk)).Chunk.Data;
            if (data.Length > Limits.MaxChunkBytes)
                throw new InvalidOperationException("a chunk is too large");
            data.WriteTo(payload);
        }

        return new Envelope { Core = begin.Core, Attestation = begin.Attestation, Payload = ByteString.CopyFrom(payload.ToArray()) };
    }

    public Task AcknowledgeAsync(Envelope envelope) => AcknowledgeAsync(EnvelopeCodec.Parse(envelope).Header);

    public async Task AcknowledgeAsync(EnvelopeHeader header)
    {
        await SendAsync(new PartyFrame
        {
            Delivered = new EnvelopeRef { Job = header.Job, Attempt = header.Attempt, Sender = header.Sender, Sequence = header.Sequence },
        });
    }

    public async Task OutcomeAsync(string job, JobState state, JobError? error = null, SealedReport? report = null) =>
        await SendAsync(new PartyFrame { Outcome = new JobOutcome { Job = job, Attempt = 1, State = state, Error = error, Report = report } });

    /// <summary>A connection that takes the chain over from an earlier one.</summary>
    public void TakeOver(FakeParty earlier)
    {
        _previous = earlier._previous;
        _sequence = earlier._sequence;
    }

    public ValueTask DisposeAsync()
    {
        _call.Dispose();
        return ValueTask.CompletedTask;
    }
}
