using System.Text;
using System.Threading.Channels;
using Google.Protobuf;
using Grpc.Core;
using VertFed.Load.Programs;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.Load.Callers;

/// <summary>What a party does in each job: it sends so many envelopes of a size, takes as many from its peer, and is done.</summary>
internal sealed record JobShape(int Envelopes, int PayloadBytes);

/// <summary>What a party tells of its jobs. Called from several parties' threads.</summary>
internal interface IJobWatcher
{
    void Offered(string job);

    /// <summary>The party is about to say that it is done.</summary>
    void Finishing(string job);

    void Ended(string job, JobState state);
}

/// <summary>
/// A party over a connection of its own that speaks the relay's frames as a node does (registration, envelopes in chunks, acknowledgements, co-signatures) and
/// computes nothing, so that what is measured is the coordinator.
/// </summary>
internal sealed class RelayParty : IAsyncDisposable
{
    private readonly Person _person;
    private readonly CheckpointSigner _signer;
    private readonly JobShape _shape;
    private readonly IJobWatcher? _watcher;
    private readonly ByteString _payload;
    private readonly AsyncDuplexStreamingCall<PartyFrame, CoordinatorFrame> _call;
    private readonly Channel<PartyFrame[]> _outbound = Channel.CreateUnbounded<PartyFrame[]>();
    private readonly Dictionary<string, Side> _jobs = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _leaving = new();
    private Task _running = Task.CompletedTask;

    // The envelope whose chunks are arriving.
    private EnvelopeHeader? _arriving;
    private long _missing;

    private RelayParty(Person person, ChannelBase channel, JobShape shape, IJobWatcher? watcher)
    {
        _person = person;
        _shape = shape;
        _watcher = watcher;
        _signer = CheckpointSigner.Create(person.Identity);
        _payload = ByteString.CopyFrom(System.Security.Cryptography.RandomNumberGenerator.GetBytes(shape.PayloadBytes));
        _call = new RelayService.RelayServiceClient(channel).Connect();
    }

    /// <summary>Ends in failure when the stream does.</summary>
    public Task Running => _running;

    /// <summary>Connects, registers and goes on by itself.</summary>
    public static async Task<RelayParty> ConnectAsync(LoadCoordinator coordinator, Person person, JobShape shape, IJobWatcher? watcher, CancellationToken cancellationToken)
    {
        RelayParty party = new(person, coordinator.Connect(person), shape, watcher);
        try
        {
            await party.RegisterAsync(cancellationToken);
        }
        catch
        {
            await party.DisposeAsync();
            throw;
        }

        party._running = Task.WhenAll(Task.Run(() => party.ReadAsync(party._leaving.Token), cancellationToken), Task.Run(() => party.WriteAsync(party._leaving.Token), cancellationToken));
        return party;
    }

    public async ValueTask DisposeAsync()
    {
        await _leaving.CancelAsync();
        _call.Dispose();
        try
        {
            await _running;
        }
        catch (Exception e) when (e is OperationCanceledException or RpcException)
        {
            // It was told to leave.
        }

        _signer.Dispose();
        _leaving.Dispose();
    }

    private async Task RegisterAsync(CancellationToken cancellationToken)
    {
        CoordinatorFrame first = await NextAsync(cancellationToken);
        byte[] signed = [.. "vertfed/v1/register"u8, .. first.Challenge.Nonce.Span, .. Encoding.UTF8.GetBytes(_person.Name)];
        Register register = new()
        {
            Party = _person.Name,
            IdentityKey = ByteString.CopyFrom(_person.Identity.Public.SubjectPublicKeyInfo),
            Signature = ByteString.CopyFrom(_person.Identity.Sign(signed)),
            PartyVersion = "load",
            CheckpointKey = _signer.Key,
        };
        await _call.RequestStream.WriteAsync(new PartyFrame { Register = register }, cancellationToken);
        CoordinatorFrame second = await NextAsync(cancellationToken);
        MeasureException.Require(second.FrameCase == CoordinatorFrame.FrameOneofCase.Registered, $"{_person.Name} was not registered");
    }

    private async Task<CoordinatorFrame> NextAsync(CancellationToken cancellationToken) =>
        await _call.ResponseStream.MoveNext(cancellationToken) ? _call.ResponseStream.Current : throw new MeasureException($"{_person.Name}: the stream ended");

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        await foreach (PartyFrame[] frames in _outbound.Reader.ReadAllAsync(cancellationToken))
        {
            // An envelope with its chunks goes as a whole.
            foreach (PartyFrame frame in frames)
            {
                await _call.RequestStream.WriteAsync(frame, cancellationToken);
            }
        }
    }

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            CoordinatorFrame frame = await NextAsync(cancellationToken);
            switch (frame.FrameCase)
            {
                case CoordinatorFrame.FrameOneofCase.Offer:
                    Accept(frame.Offer);
                    break;
                case CoordinatorFrame.FrameOneofCase.Start:
                    SendAll(_jobs[frame.Start.Job]);
                    break;
                case CoordinatorFrame.FrameOneofCase.Begin:
                    EnvelopeView view = EnvelopeCodec.Parse(frame.Begin.Core, frame.Begin.Attestation);
                    (_arriving, _missing) = (view.Header, (long)view.Core.PayloadSize);
                    break;
                case CoordinatorFrame.FrameOneofCase.Chunk:
                    Receive(frame.Chunk.Data.Length);
                    break;
                case CoordinatorFrame.FrameOneofCase.Checkpoint:
                    CoSign(frame.Checkpoint);
                    break;
                case CoordinatorFrame.FrameOneofCase.End:
                    _jobs.Remove(frame.End.Job);
                    _watcher?.Ended(frame.End.Job, frame.End.State);
                    break;
                default:
                    // Acknowledgements: what was sent lies here until the job ends, and nothing waits for them.
                    break;
            }
        }
    }

    private void Send(params PartyFrame[] frames) => MeasureException.Require(_outbound.Writer.TryWrite(frames), "an unbounded queue is full");

    private void Accept(JobOffer offer)
    {
        JobSpec spec = JobSpec.Parser.ParseFrom(offer.Job.Spec);
        _jobs[spec.Job] = new Side(spec.Job, offer.Attempt, spec.LabelParty.Name == _person.Name ? Role.LabelParty : Role.FeatureParty);
        _watcher?.Offered(spec.Job);
        Send(new PartyFrame { Answer = new JobAnswer { Job = spec.Job, Attempt = offer.Attempt, Accepted = true } });
    }

    private void SendAll(Side side)
    {
        byte[] previous = new byte[32];
        for (int i = 0; i < _shape.Envelopes; i++)
        {
            EnvelopeHeader header = new()
            {
                Job = side.Job,
                Attempt = side.Attempt,
                Sender = side.Role,
                Recipient = side.Role == Role.LabelParty ? Role.FeatureParty : Role.LabelParty,
                Phase = Phase.Align,
                Step = Step.BlindedIds,
                Sequence = (ulong)i,
                PreviousCoreHash = ByteString.CopyFrom(previous),
            };
            ByteString core = EnvelopeCodec.BuildCore(header.ToByteString(), _payload.Span);
            previous = System.Security.Cryptography.SHA256.HashData(core.Span);
            List<PartyFrame> frames = [new PartyFrame { Begin = new EnvelopeBegin { Core = core, Attestation = EnvelopeCodec.Attest(core, _person.Identity, 1) } }];
            for (int at = 0; at < _payload.Length; at += Limits.MaxChunkBytes)
            {
                ReadOnlyMemory<byte> piece = _payload.Memory.Slice(at, Math.Min(Limits.MaxChunkBytes, _payload.Length - at));
                frames.Add(new PartyFrame { Chunk = new PayloadChunk { Data = UnsafeByteOperations.UnsafeWrap(piece) } });
            }

            Send([.. frames]);
        }

        side.HasSent = true;
        FinishWhenDone(side);
    }

    private void Receive(int bytes)
    {
        _missing -= bytes;
        if (_missing > 0 || _arriving is not { } header)
        {
            return;
        }

        Send(new PartyFrame { Delivered = new EnvelopeRef { Job = header.Job, Attempt = header.Attempt, Sender = header.Sender, Sequence = header.Sequence } });
        Side side = _jobs[header.Job];
        side.Received++;
        FinishWhenDone(side);
    }

    private void FinishWhenDone(Side side)
    {
        if (!side.HasSent || side.Received < _shape.Envelopes)
        {
            return;
        }

        _watcher?.Finishing(side.Job);
        Send(new PartyFrame { Outcome = new JobOutcome { Job = side.Job, Attempt = side.Attempt, State = JobState.Done } });
    }

    /// <summary>Co-signs without a look: the tree is not what is measured here.</summary>
    private void CoSign(CheckpointProposal proposal) => Send(new PartyFrame
    {
        Checkpoint = new CheckpointAnswer
        {
            Job = proposal.Job, Attempt = proposal.Attempt, Phase = proposal.Phase,
            CoSignature = ByteString.CopyFrom(CheckpointNotes.CoSign(proposal.Note.Span, _signer, TimeProvider.System.GetUtcNow())),
        },
    });

    private sealed class Side(string job, uint attempt, Role role)
    {
        public string Job { get; } = job;

        public uint Attempt { get; } = attempt;

        public Role Role { get; } = role;

        public bool HasSent { get; set; }

        public int Received { get; set; }
    }
}
