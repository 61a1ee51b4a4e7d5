using System.Security.Cryptography;

namespace VertFed.Horizontal.SecureAggregation;

/// <summary>
/// The server's side of a secure sum (see <see cref="SecureSumClient"/>): collects each step from whoever answers, goes on with those, and ends with
/// Σ x_u over the clients whose vectors arrived, modulo 2^64, exactly. Clients may be lost at every step as long as the threshold answers.
/// It learns the sum and who took part.
/// </summary>
/// <remarks>A message that is refused leaves the state as it was. Not thread-safe.</remarks>
public sealed class SecureSumServer
{
    private readonly SecureSumPlan _plan;
    private readonly SortedDictionary<int, KeyAnnouncement> _keys = [];
    private readonly SortedDictionary<int, Dictionary<int, SealedShares>> _shares = [];
    private readonly SortedDictionary<int, ulong[]> _vectors = [];
    private readonly SortedDictionary<int, UnmaskingShares> _unmasking = [];
    private Stage _stage = Stage.Announcing;

    public SecureSumServer(SecureSumPlan plan)
    {
        plan.Validate();
        _plan = plan;
    }

    private enum Stage
    {
        Announcing,
        Sharing,
        Masking,
        Unmasking,
        Done,
    }

    /// <summary>Step 0: takes a client's keys.</summary>
    public void Take(KeyAnnouncement announcement)
    {
        Require(Stage.Announcing);
        KeyRing.CheckOne(_plan, announcement);
        Throw.If(!_keys.TryAdd(announcement.Client, announcement), HorizontalError.Repeated, $"Client {announcement.Client} has announced keys twice.");
    }

    /// <summary>Ends step 0: the keys that go to all who announced.</summary>
    public IReadOnlyList<KeyAnnouncement> CloseAnnouncements()
    {
        Require(Stage.Announcing);
        KeyRing.Check(_plan, [.. _keys.Values]);
        _stage = Stage.Sharing;
        return [.. _keys.Values];
    }

    /// <summary>Step 1: takes one client's shares, one message for each other client that announced.</summary>
    public void Take(IReadOnlyList<SealedShares> messages)
    {
        Require(Stage.Sharing);
        Throw.If(messages.Count != _keys.Count - 1, HorizontalError.WrongShape, $"A client has shares for {_keys.Count - 1} others, not {messages.Count}.");
        int from = messages[0].From;
        Throw.If(!_keys.ContainsKey(from), HorizontalError.UnknownClient, $"Client {from} has announced no keys.");
        Throw.If(_shares.ContainsKey(from), HorizontalError.Repeated, $"Client {from} has shared twice.");
        var own = new Dictionary<int, SealedShares>();
        foreach (SealedShares message in messages)
        {
            Throw.If(
                message.From != from || message.To == from || !_keys.ContainsKey(message.To) || !own.TryAdd(message.To, message),
                HorizontalError.CheckFailed,
                $"Client {from}'s shares are not one for each other client.");
            Throw.If(message.Sealed.Length != SecureSumClient.SealedBytes, HorizontalError.WrongShape, $"Client {from}'s shares do not have their length.");
        }

        _shares.Add(from, own);
    }

    /// <summary>Ends step 1: what each client that shared is sent.</summary>
    public IReadOnlyDictionary<int, IReadOnlyList<SealedShares>> CloseShares()
    {
        Require(Stage.Sharing);
        Enough(_shares.Count, "have shared keys");
        _stage = Stage.Masking;
        return _shares.Keys.ToDictionary(
            static to => to,
            IReadOnlyList<SealedShares> (to) => [.. _shares.Where(sender => sender.Key != to).Select(sender => sender.Value[to])]);
    }

    /// <summary>Step 2: takes a masked vector.</summary>
    public void Take(MaskedVector vector)
    {
        Require(Stage.Masking);
        Throw.If(!_shares.ContainsKey(vector.Client), HorizontalError.UnknownClient, $"Client {vector.Client} has shared no keys.");
        Throw.If(vector.Values.Length != _plan.Length, HorizontalError.WrongShape, $"Client {vector.Client}'s vector has {vector.Values.Length} numbers, not {_plan.Length}.");
        Throw.If(!_vectors.TryAdd(vector.Client, vector.Values), HorizontalError.Repeated, $"Client {vector.Client} has sent two vectors.");
    }

    /// <summary>Ends step 2: the list that goes to all whose vectors arrived.</summary>
    public SurvivorList CloseVectors()
    {
        Require(Stage.Masking);
        Enough(_vectors.Count, "have sent a vector");
        _stage = Stage.Unmasking;
        return new SurvivorList([.. _vectors.Keys]);
    }

    /// <summary>Step 3: takes a client's shares of others' secrets.</summary>
    public void Take(UnmaskingShares shares)
    {
        Require(Stage.Unmasking);
        Throw.If(!_vectors.ContainsKey(shares.Client), HorizontalError.UnknownClient, $"Client {shares.Client} has sent no vector.");
        Throw.If(_unmasking.ContainsKey(shares.Client), HorizontalError.Repeated, $"Client {shares.Client} has unmasked twice.");
        Throw.If(
            shares.SelfMasks.Count != _vectors.Count || shares.MaskKeys.Count != _shares.Count - _vectors.Count
                || !shares.SelfMasks.Keys.All(_vectors.ContainsKey) || !shares.MaskKeys.Keys.All(owner => _shares.ContainsKey(owner) && !_vectors.ContainsKey(owner))
                || shares.SelfMasks.Values.Concat(shares.MaskKeys.Values).Any(share => share.X != shares.Client + 1),
            HorizontalError.CheckFailed,
            $"Client {shares.Client}'s shares are not one for each client that shared keys.");
        _unmasking.Add(shares.Client, shares);
    }

    /// <summary>Ends step 3: the sum of the vectors that arrived, and whose they are.</summary>
    /// <exception cref="HorizontalException">Too few shares, or shares that do not give the secrets that were announced.</exception>
    public (ulong[] Sum, int[] Clients) CloseUnmasking()
    {
        Require(Stage.Unmasking);
        Enough(_unmasking.Count, "have sent shares to unmask");
        ulong[] sum = new ulong[_plan.Length];
        foreach (ulong[] vector in _vectors.Values)
        {
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] = unchecked(sum[i] + vector[i]);
            }
        }

        foreach (int survivor in _vectors.Keys)
        {
            byte[] seed = ShamirField.Combine([.. _unmasking.Values.Select(shares => shares.SelfMasks[survivor])], _plan.Threshold);
            try
            {
                Throw.If(
                    !SHA256.HashData(seed).AsSpan().SequenceEqual(_keys[survivor].SelfMaskHash),
                    HorizontalError.CheckFailed,
                    $"Shares gave a self mask that client {survivor} has not committed to.");
                Masks.Apply(seed, Masks.Self, _plan, sum, add: false);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(seed);
            }
        }

        foreach (int lost in _shares.Keys.Where(client => !_vectors.ContainsKey(client)))
        {
            byte[] scalar = ShamirField.Combine([.. _unmasking.Values.Select(shares => shares.MaskKeys[lost])], _plan.Threshold);
            using AgreementKey key = AgreementKey.Recover(scalar, _keys[lost].MaskKey);
            foreach (int survivor in _vectors.Keys)
            {
                // The survivor has added the mask of a pair with a larger number, taken off that with a smaller one; this is undone.
                byte[] pair = key.Agree(_keys[survivor].MaskKey, Masks.Pairwise(_plan));
                Masks.Apply(pair, Masks.Pair, _plan, sum, add: lost < survivor);
                CryptographicOperations.ZeroMemory(pair);
            }
        }

        _stage = Stage.Done;
        return (sum, [.. _vectors.Keys]);
    }

    private void Require(Stage stage) => Throw.If(
        _stage != stage, HorizontalError.WrongRound, $"The secure sum is {_stage.ToString().ToLowerInvariant()}, and takes nothing of step {stage.ToString().ToLowerInvariant()}.");

    private void Enough(int count, string what) =>
        Throw.If(count < _plan.Threshold, HorizontalError.TooFewClients, $"The secure sum needs {_plan.Threshold} clients; {count} {what}.");
}
