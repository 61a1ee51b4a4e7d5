using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Recording;
using VertFed.Coordinator.Rounds;
using VertFed.Coordinator.Security;
using VertFed.Coordinator.Services;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.Coordinator.Relay;

/// <summary>
/// The parties' door: a fresh challenge, which only the holder of a configured party's key can answer, and from then on a
/// <see cref="PartySession"/>.
/// </summary>
internal sealed class RelayEndpoint(
    JobHub hub, DryRuns dryRuns, RoundHub rounds, CoordinatorConfig config, TrustBook trust, CallBudget budget, CoordinatorKeys keys, TimeProvider time, IHostApplicationLifetime lifetime, ConnectionGate gate,
    ILogger<RelayEndpoint> logger)
    : RelayService.RelayServiceBase
{
    /// <summary>Most connections of one party that have not registered.</summary>
    public const int MostUnregistered = 8;

    private const int NonceBytes = 32;

    private const int MaxPrevious = 7;

    private static ReadOnlySpan<byte> PreviousLabel => "vertfed/v1/register-previous"u8;

    private static ReadOnlySpan<byte> RegisterLabel => "vertfed/v1/register"u8;

    public override async Task Connect(IAsyncStreamReader<PartyFrame> requestStream, IServerStreamWriter<CoordinatorFrame> responseStream, ServerCallContext context)
    {
        var frames = new FrameReader(requestStream, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        Caller caller = Caller.Of(context);
        (string party, PartyKeys proved) = await RegisterAsync(frames, responseStream, caller, ending.Token);
        using var session = new PartySession(party, proved, hub, dryRuns, rounds, config, () => budget.WaitFor(caller.Principal), frames, responseStream, time, logger, ending.Token);
        hub.Attach(session);
        await hub.RecordPresenceAsync(party, DeliveryEvent.Connected);
        try
        {
            await rounds.AttachedAsync(party, ending.Token);
            await session.RunAsync();
        }
        finally
        {
            hub.Detach(session);
            await hub.RecordPresenceAsync(party, DeliveryEvent.Disconnected);
        }

        if (lifetime.ApplicationStopping.IsCancellationRequested)
            throw GrpcErrors.Make(StatusCode.Unavailable, ErrorCode.PeerUnavailable, "the coordinator is stopping; connect again");
    }

    private async Task<(string Party, PartyKeys Keys)> RegisterAsync(FrameReader frames, IServerStreamWriter<CoordinatorFrame> writer, Caller caller, CancellationToken cancellationToken)
    {
        using IDisposable place = gate.Enter(caller.Name);
        byte[] nonce = RandomNumberGenerator.GetBytes(NonceBytes);
        var challenge = new Challenge
        {
            Nonce = ByteString.CopyFrom(nonce), CoordinatorVersion = SoftwareVersion.Current, CheckpointKey = keys.Checkpoints.Key,
        };
        await writer.WriteAsync(new CoordinatorFrame { Challenge = challenge }, cancellationToken);
        PartyFrame frame = await frames.ReadDueAsync(TimeSpan.FromSeconds(config.Limits.FrameSeconds), "the registration", cancellationToken);
        if (frame.FrameCase != PartyFrame.FrameOneofCase.Register)
            throw new VertFedException(ErrorCode.ProtocolViolation, "the first frame must be the registration");
        Register register = frame.Register;
        if (!PartyReference.IsName(register.Party) || register.PartyVersion.Length > SoftwareVersion.MaxLength || register.PartyVersion.Any(char.IsControl))
            throw new VertFedException(ErrorCode.ProtocolViolation, "the registration's name or version is malformed");
        PeerIdentity key = PeerIdentity.Parse(register.IdentityKey.Span);
        bool admitted = trust.Current.Parties.TryGetValue(register.Party, out AdmittedParty? party) && party.Holds(key.Fingerprint);
        if (!admitted)
        {
            Log.RegistrationRefused(logger, register.Party, "not a configured party and key");
            throw new VertFedException(ErrorCode.DoesNotVerify, "this name and key are not those of a party that the coordinator admits");
        }

        // Otherwise someone between could show a certificate of their own and pass the party's registration on.
        if (!key.Equals(caller.Key))
        {
            Log.RegistrationRefused(logger, register.Party, "the registration's key is not that of the connection's certificate");
            throw new VertFedException(ErrorCode.DoesNotVerify, "the registration's key is not that of the connection's certificate");
        }

        if (!key.Verify([.. RegisterLabel, .. nonce, .. Encoding.UTF8.GetBytes(register.Party)], register.Signature.Span))
        {
            Log.RegistrationRefused(logger, register.Party, "the signature does not verify");
            throw new VertFedException(ErrorCode.DoesNotVerify, "the registration's signature does not verify");
        }

        CheckpointVerifier verifier = CheckpointVerifier.Parse(register.CheckpointKey ?? new CheckpointKey(), key.Fingerprint, register.Party);
        var current = new PartyKey(verifier, register.CheckpointKey!.ToByteArray());
        var proved = new PartyKeys(register.Party, current, Previous(register, party!, key, nonce), trust);
        Log.Connected(logger, register.Party, register.PartyVersion);
        return (register.Party, proved);
    }

    /// <summary>The party's earlier keys: those that it proves to hold and that are still admitted. Others are passed over: the party may
    /// not know yet that one is not trusted any more.</summary>
    private List<PartyKey> Previous(Register register, AdmittedParty party, PeerIdentity current, byte[] nonce)
    {
        if (register.Previous.Count > MaxPrevious)
            throw new VertFedException(ErrorCode.ProtocolViolation, $"the registration has more than {MaxPrevious} previous identities");
        List<PartyKey> admitted = [];
        foreach (PreviousIdentity previous in register.Previous)
        {
            PeerIdentity key = PeerIdentity.Parse(previous.IdentityKey.Span);
            byte[] signed = [.. PreviousLabel, .. nonce, .. current.FingerprintBytes, .. Encoding.UTF8.GetBytes(register.Party)];
            if (!key.Verify(signed, previous.Signature.Span))
            {
                Log.RegistrationRefused(logger, register.Party, "the signature of a previous identity does not verify");
                throw new VertFedException(ErrorCode.DoesNotVerify, "the signature of a previous identity does not verify");
            }

            if (!party.Holds(key.Fingerprint))
            {
                Log.PreviousNotAdmitted(logger, register.Party, key.Fingerprint);
                continue;
            }

            CheckpointVerifier verifier = CheckpointVerifier.Parse(previous.CheckpointKey ?? new CheckpointKey(), key.Fingerprint, register.Party);
            admitted.Add(new PartyKey(verifier, previous.CheckpointKey!.ToByteArray()));
        }

        return admitted;
    }
}
