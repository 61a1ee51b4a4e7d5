using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.UnitTests.Coordinator.Queue;

/// <summary>
/// A party that takes part in any number of jobs at once: it accepts every offer, sends one envelope, waits for the peer's, and is done. What
/// happens is told to whoever made it.
/// </summary>
internal sealed class ScriptedParty(string name, Identity identity, CheckpointSigner signer, CallInvoker channel, Task gate) : IAsyncDisposable
{
    private readonly AsyncDuplexStreamingCall<PartyFrame, CoordinatorFrame> _call = new RelayService.RelayServiceClient(channel).Connect();
    private readonly Dictionary<string, Side> _jobs = new(StringComparer.Ordinal);

    public string Name => name;

    /// <summary>A job is offered to this party.</summary>
    public Action<string> Offered { get; init; } = _ => { };

    /// <summary>This party is about to say that it is done with a job.</summary>
    public Action<string> Finishing { get; init; } = _ => { };

    /// <summary>Envelopes that came, by the job whose offer named this party.</summary>
    public Dictionary<string, List<EnvelopeHeader>> Received { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, JobState> Ended { get; } = new(StringComparer.Ordinal);

    public async Task RegisterAsync(CancellationToken cancellationToken)
    {
        ByteString nonce = (await NextAsync(cancellationToken))!.Challenge.Nonce;
        await _call.RequestStream.WriteAsync(
            new PartyFrame
            {
                Register = new Register
                {
                    Party = name,
                    IdentityKey = ByteString.CopyFrom(identity.Public.SubjectPublicKeyInfo),
                    Signature = ByteString.CopyFrom(identity.Sign([.. "vertfed/v1/register"u8, .. nonce.Span, .. Encoding.UTF8.GetBytes(name)])),
                    PartyVersion = "test",
                    CheckpointKey = signer.Key,
                },
            },
            cancellationToken);
        _ = (await NextAsync(cancellationToken))!.Registered;
    }

    /// <summary>Plays its part until the given number of jobs has ended.</summary>
    public async Task RunAsync(int jobs, CancellationToken cancellationToken)
    {
        while (Ended.Count < jobs)
        {
            CoordinatorFrame frame = await NextAsync(cancellationToken) ?? throw new InvalidOperationException($"{name}: the stream ended");
            switch (frame.FrameCase)
            {
                case CoordinatorFrame.FrameOneofCase.Offer:
                    await AcceptAsync(frame.Offer, cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.Start:
                    await SendAsync(_jobs[frame.Start.Job], cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.Begin:
                    await ReceiveAsync(EnvelopeCodec.Parse(frame.Begin.Core, frame.Begin.Attestation).Header, cancellationToken);
                    break;
                case CoordinatorFrame.FrameOneofCase.End:
                    Ended.Add(frame.End.Job, frame.End.State);
                    break;
                default:
                    // Chunks of what was begun, acknowledgements and checkpoints: nothing here depends on them.
                    break;
            }
        }
    }

    public ValueTask DisposeAsync()
    {
        _call.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task AcceptAsync(JobOffer offer, CancellationToken cancellationToken)
    {
        JobSpec spec = JobSpec.Parser.ParseFrom(offer.Job.Spec);
        _jobs.Add(spec.Job, new Side(spec.Job, spec.LabelParty.Name == name ? Role.LabelParty : Role.FeatureParty));
        Received.Add(spec.Job, []);
        Offered(spec.Job);
        await gate.WaitAsync(cancellationToken);
        await _call.RequestStream.WriteAsync(new PartyFrame { Answer = new JobAnswer { Job = spec.Job, Attempt = offer.Attempt, Accepted = true } }, cancellationToken);
    }

    private async Task SendAsync(Side side, CancellationToken cancellationToken)
    {
        byte[] payload = RandomNumberGenerator.GetBytes(100);
        var header = new EnvelopeHeader
        {
            Job = side.Job, Attempt = 1, Sender = side.Role, Recipient = side.Role.Other(),
            Phase = Phase.Align, Step = Step.BlindedIds, PreviousCoreHash = ByteString.CopyFrom(new byte[32]),
        };
        ByteString core = EnvelopeCodec.BuildCore(header.ToByteString(), payload);
        await _call.RequestStream.WriteAsync(new PartyFrame { Begin = new EnvelopeBegin { Core = core, Attestation = EnvelopeCodec.Attest(core, identity, 1) } }, cancellationToken);
        await _call.RequestStream.WriteAsync(new PartyFrame { Chunk = new PayloadChunk { Data = ByteString.CopyFrom(payload) } }, cancellationToken);
        side.Sent = true;
        await FinishAsync(side, cancellationToken);
    }

    private async Task ReceiveAsync(EnvelopeHeader header, CancellationToken cancellationToken)
    {
        Side side = _jobs[header.Job];
        Received[header.Job].Add(header);
        side.Got = true;
        await _call.RequestStream.WriteAsync(
            new PartyFrame { Delivered = new EnvelopeRef { Job = header.Job, Attempt = header.Attempt, Sender = header.Sender, Sequence = header.Sequence } }, cancellationToken);
        await FinishAsync(side, cancellationToken);
    }

    private async Task FinishAsync(Side side, CancellationToken cancellationToken)
    {
        if (!side.Sent || !side.Got)
            return;
        Finishing(side.Job);
        await _call.RequestStream.WriteAsync(new PartyFrame { Outcome = new JobOutcome { Job = side.Job, Attempt = 1, State = JobState.Done } }, cancellationToken);
    }

    private async Task<CoordinatorFrame?> NextAsync(CancellationToken cancellationToken) =>
        await _call.ResponseStream.MoveNext(cancellationToken) ? _call.ResponseStream.Current : null;

    private sealed class Side(string job, Role role)
    {
        public string Job { get; } = job;

        public Role Role { get; } = role;

        public bool Sent { get; set; }

        public bool Got { get; set; }
    }
}
