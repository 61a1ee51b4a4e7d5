using System.Buffers.Binary;
using System.Security.Cryptography;
using VertFed.Primitives;

namespace VertFed.Horizontal.SecureAggregation;

/// <summary>
/// A client's side of a secure sum, Bonawitz et al. 2017 (protocol against honest-but-curious parties), as a state machine without transport:
/// announce keys → share (c_sk stays; s_sk and the self-mask seed b go out in shares, sealed) → mask → unmask. The masked vector is
/// y_u = x_u + PRG(b_u) + Σ_{v &gt; u} PRG(s_uv) − Σ_{v &lt; u} PRG(s_uv) mod 2^64, over all v that shared keys: the pairwise masks cancel in the sum, and
/// the server can take off b_u of a client that answered, or the pairwise masks of one that did not, never both.
/// </summary>
/// <remarks>
/// Each step is taken once, in order; a message that is refused leaves the state as it was. All randomness comes from the stream, so a replay with
/// the same inbound messages says the same. Not thread-safe. Secrets are zeroed on disposal.
/// </remarks>
public sealed class SecureSumClient : IDisposable
{
    private const int ShareBytes = 4 + (8 * ShamirField.Parts);
    private const int TagBytes = 16;

    /// <summary>Length of one client's sealed shares for another.</summary>
    internal const int SealedBytes = (2 * ShareBytes) + TagBytes;

    private readonly SecureSumPlan _plan;
    private readonly RandomStream _stream;
    private readonly AgreementKey _sealing;
    private readonly AgreementKey _mask;
    private readonly byte[] _selfMask = new byte[ShamirField.SecretBytes];
    private readonly SortedDictionary<int, (SecretShare MaskKey, SecretShare SelfMask)> _held = [];
    private SortedDictionary<int, KeyAnnouncement> _peers = [];
    private Stage _stage = Stage.Announced;

    /// <param name="plan">What all sides know.</param>
    /// <param name="client">Own place in the roster.</param>
    /// <param name="stream">For keys, self mask and shares; used by this client alone, disposed with it.</param>
    public SecureSumClient(SecureSumPlan plan, int client, RandomStream stream)
    {
        plan.Validate();
        Throw.Invalid(client < 0 || client >= plan.Roster, $"There is no client {client} among {plan.Roster}.");
        _plan = plan;
        _stream = stream;
        Client = client;
        _sealing = AgreementKey.Generate(stream);
        _mask = AgreementKey.Generate(stream);
        stream.Fill(_selfMask);
        Announcement = new KeyAnnouncement(client, _sealing.PublicKey, _mask.PublicKey, SHA256.HashData(_selfMask));
    }

    private enum Stage
    {
        Announced,
        Shared,
        Masked,
        Unmasked,
    }

    public int Client { get; }

    /// <summary>Step 0.</summary>
    public KeyAnnouncement Announcement { get; }

    /// <summary>Step 1: from the keys of all who announced, one sealed pair of shares for each other client. The own shares stay.</summary>
    /// <exception cref="HorizontalException">Fewer than the threshold, a client twice, a point off the curve, or keys in the own name that are not the own.</exception>
    public IReadOnlyList<SealedShares> Share(IReadOnlyList<KeyAnnouncement> announcements)
    {
        Require(Stage.Announced);
        SortedDictionary<int, KeyAnnouncement> peers = KeyRing.Check(_plan, announcements);
        Throw.If(
            !peers.TryGetValue(Client, out KeyAnnouncement? own)
                || !own.MaskKey.AsSpan().SequenceEqual(_mask.PublicKey) || !own.SealingKey.AsSpan().SequenceEqual(_sealing.PublicKey)
                || !own.SelfMaskHash.AsSpan().SequenceEqual(Announcement.SelfMaskHash),
            HorizontalError.CheckFailed,
            "The announced keys do not hold the client's own.");
        int[] points = [.. peers.Keys.Select(static client => client + 1)];
        SecretShare[] maskKey = ShamirField.Split(_mask.Scalar, _plan.Threshold, points, _stream);
        SecretShare[] selfMask = ShamirField.Split(_selfMask, _plan.Threshold, points, _stream);
        var messages = new List<SealedShares>();
        foreach ((int client, int i) in peers.Keys.Select(static (client, i) => (client, i)))
        {
            if (client == Client)
            {
                _held[client] = (maskKey[i], selfMask[i]);
            }
            else
            {
                messages.Add(Seal(peers[client], maskKey[i], selfMask[i]));
                Array.Clear(maskKey[i].Values);
                Array.Clear(selfMask[i].Values);
            }
        }

        _peers = peers;
        _stage = Stage.Shared;
        return messages;
    }

    /// <summary>Step 2: from the sealed shares meant for this client, the own vector under its masks.</summary>
    /// <param name="shares">One message from each other client that shared keys.</param>
    /// <param name="vector">x, modulo 2^64; not written to.</param>
    /// <exception cref="HorizontalException">Fewer than the threshold, a message twice or meant for another, or one that does not open.</exception>
    public MaskedVector Mask(IReadOnlyList<SealedShares> shares, ReadOnlySpan<ulong> vector)
    {
        Require(Stage.Shared);
        Throw.If(vector.Length != _plan.Length, HorizontalError.WrongShape, $"A secure sum of {_plan.Length} numbers cannot take {vector.Length}.");
        Throw.If(
            shares.Count + 1 < _plan.Threshold, HorizontalError.TooFewClients, $"The secure sum needs {_plan.Threshold} clients; {shares.Count + 1} have shared keys.");
        var opened = new SortedDictionary<int, (SecretShare, SecretShare)>();
        try
        {
            foreach (SealedShares message in shares)
            {
                Throw.If(message.To != Client || message.From == Client, HorizontalError.CheckFailed, "Shares are not meant for this client.");
                Throw.If(!_peers.TryGetValue(message.From, out KeyAnnouncement? sender), HorizontalError.UnknownClient, $"Client {message.From} has announced no keys.");
                Throw.If(opened.ContainsKey(message.From), HorizontalError.Repeated, $"Client {message.From} has shared twice.");
                opened.Add(message.From, Open(sender, message));
            }
        }
        catch (HorizontalException)
        {
            foreach ((SecretShare maskKey, SecretShare selfMask) in opened.Values)
            {
                Array.Clear(maskKey.Values);
                Array.Clear(selfMask.Values);
            }

            throw;
        }

        foreach ((int client, (SecretShare, SecretShare) pair) in opened)
        {
            _held[client] = pair;
        }

        ulong[] masked = vector.ToArray();
        Masks.Apply(_selfMask, Masks.Self, _plan, masked, add: true);
        foreach (int client in _held.Keys.Where(client => client != Client))
        {
            byte[] key = _mask.Agree(_peers[client].MaskKey, Masks.Pairwise(_plan));
            Masks.Apply(key, Masks.Pair, _plan, masked, add: client > Client);
            CryptographicOperations.ZeroMemory(key);
        }

        _stage = Stage.Masked;
        return new MaskedVector(Client, masked);
    }

    /// <summary>
    /// Step 3: for each client that shared keys one share: of the self mask where its vector arrived, of the mask key where it did not. It is
    /// answered once: two lists would give away both secrets of a client, and so its vector.
    /// </summary>
    /// <exception cref="HorizontalException">Fewer than the threshold survive, the list is not sorted, or it names strangers or not this client.</exception>
    public UnmaskingShares Unmask(SurvivorList survivors)
    {
        Require(Stage.Masked);
        Throw.If(
            survivors.Clients.Length < _plan.Threshold,
            HorizontalError.TooFewClients,
            $"The secure sum needs {_plan.Threshold} vectors; {survivors.Clients.Length} have arrived.");
        for (int i = 0; i < survivors.Clients.Length; i++)
        {
            Throw.If(i > 0 && survivors.Clients[i - 1] >= survivors.Clients[i], HorizontalError.CheckFailed, "The list of survivors is not sorted, or names a client twice.");
            Throw.If(!_held.ContainsKey(survivors.Clients[i]), HorizontalError.UnknownClient, $"Client {survivors.Clients[i]} has shared no keys and cannot survive.");
        }

        Throw.If(Array.BinarySearch(survivors.Clients, Client) < 0, HorizontalError.CheckFailed, "The list of survivors does not hold the client that is asked.");
        var selfMasks = new Dictionary<int, SecretShare>();
        var maskKeys = new Dictionary<int, SecretShare>();
        foreach ((int client, (SecretShare maskKey, SecretShare selfMask)) in _held)
        {
            if (Array.BinarySearch(survivors.Clients, client) >= 0)
            {
                selfMasks.Add(client, selfMask);
            }
            else
            {
                maskKeys.Add(client, maskKey);
            }
        }

        _stage = Stage.Unmasked;
        return new UnmaskingShares(Client, selfMasks, maskKeys);
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_selfMask);
        foreach ((SecretShare maskKey, SecretShare selfMask) in _held.Values)
        {
            Array.Clear(maskKey.Values);
            Array.Clear(selfMask.Values);
        }

        _mask.Dispose();
        _sealing.Dispose();
        _stream.Dispose();
    }

    private void Require(Stage stage) =>
        Throw.If(_stage != stage, HorizontalError.WrongRound, $"The secure sum's client is past or before this step: it has {_stage.ToString().ToLowerInvariant()}.");

    private SealedShares Seal(KeyAnnouncement peer, SecretShare maskKey, SecretShare selfMask)
    {
        byte[] plain = new byte[2 * ShareBytes];
        Write(plain, maskKey);
        Write(plain.AsSpan(ShareBytes), selfMask);
        byte[] sealedBytes = new byte[plain.Length + TagBytes];
        byte[] key = _sealing.Agree(peer.SealingKey, Purpose(Client, peer.Client));
        using (AesGcm cipher = new(key, TagBytes))
        {
            // The key serves this one message, so its nonce can be zero.
            cipher.Encrypt(new byte[12], plain, sealedBytes.AsSpan(0, plain.Length), sealedBytes.AsSpan(plain.Length));
        }

        CryptographicOperations.ZeroMemory(key);
        CryptographicOperations.ZeroMemory(plain);
        return new SealedShares(Client, peer.Client, sealedBytes);
    }

    private (SecretShare MaskKey, SecretShare SelfMask) Open(KeyAnnouncement sender, SealedShares message)
    {
        Throw.If(message.Sealed.Length != SealedBytes, HorizontalError.CheckFailed, $"Client {message.From}'s shares do not have their length.");
        byte[] plain = new byte[2 * ShareBytes];
        byte[] key = _sealing.Agree(sender.SealingKey, Purpose(message.From, Client));
        try
        {
            using AesGcm cipher = new(key, TagBytes);
            cipher.Decrypt(new byte[12], message.Sealed.AsSpan(0, plain.Length), message.Sealed.AsSpan(plain.Length), plain);
            SecretShare maskKey = Read(plain);
            SecretShare selfMask = Read(plain.AsSpan(ShareBytes));
            Throw.If(maskKey.X != Client + 1 || selfMask.X != Client + 1, HorizontalError.CheckFailed, $"Client {message.From}'s shares are of another point.");
            return (maskKey, selfMask);
        }
        catch (CryptographicException e)
        {
            throw new HorizontalException(HorizontalError.CheckFailed, $"Client {message.From}'s shares do not open.", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    private string Purpose(int from, int to) => FormattableString.Invariant($"shares/{_plan.Round}/{from}/{to}");

    private static void Write(Span<byte> target, SecretShare share)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, share.X);
        for (int i = 0; i < ShamirField.Parts; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(target[(4 + (8 * i))..], share.Values[i]);
        }
    }

    private static SecretShare Read(ReadOnlySpan<byte> source)
    {
        ulong[] values = new ulong[ShamirField.Parts];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = BinaryPrimitives.ReadUInt64LittleEndian(source[(4 + (8 * i))..]);
        }

        return new SecretShare(BinaryPrimitives.ReadInt32LittleEndian(source), values);
    }
}
