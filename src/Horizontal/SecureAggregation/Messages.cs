namespace VertFed.Horizontal.SecureAggregation;

/// <summary>Step 0, client → server → all: two public keys of the round, uncompressed P-256 points of 65 bytes, and a commitment to the self mask.</summary>
/// <param name="Client">Place in the roster, from 0.</param>
/// <param name="SealingKey">c_pk: agrees on the keys under which shares travel.</param>
/// <param name="MaskKey">s_pk: agrees on pairwise masks.</param>
/// <param name="SelfMaskHash">SHA-256 of the self-mask seed, so that wrong shares of it are noticed.</param>
public sealed record KeyAnnouncement(int Client, byte[] SealingKey, byte[] MaskKey, byte[] SelfMaskHash);

/// <summary>Step 1, client → server → client: shares of the sender's mask key and self mask, sealed for the recipient (AES-256-GCM).</summary>
/// <param name="Sealed">Ciphertext and 16-byte tag.</param>
public sealed record SealedShares(int From, int To, byte[] Sealed);

/// <summary>Step 2, client → server: the vector under its masks, modulo 2^64.</summary>
public sealed record MaskedVector(int Client, ulong[] Values);

/// <summary>Step 3, server → clients: whose vectors arrived, sorted. The same list goes to all.</summary>
public sealed record SurvivorList(int[] Clients);

/// <summary>Step 3, client → server: for each client that shared keys a share of one secret: its self mask if its vector arrived, else its mask key.</summary>
/// <param name="SelfMasks">By owner, for those whose vectors arrived.</param>
/// <param name="MaskKeys">By owner, for those whose vectors did not.</param>
public sealed record UnmaskingShares(
    int Client, IReadOnlyDictionary<int, SecretShare> SelfMasks, IReadOnlyDictionary<int, SecretShare> MaskKeys);

/// <summary>What all sides know of a secure sum.</summary>
/// <param name="Round">The training round; part of every key's derivation.</param>
/// <param name="Roster">Invited clients.</param>
/// <param name="Threshold">t: clients that have to answer every step, above half of the roster.</param>
/// <param name="Length">Numbers of a vector.</param>
public sealed record SecureSumPlan(int Round, int Roster, int Threshold, int Length)
{
    /// <summary>The most clients of one secure sum: each makes a mask with each.</summary>
    public const int MostClients = 1000;

    private const int MostLength = (1 << 25) + 2;

    /// <summary>A plan that does without a third of its clients, where that is more than half: t = max(⌊n/2⌋ + 1, ⌊2n/3⌋).</summary>
    public static SecureSumPlan For(int round, int roster, int length) => new(round, roster, Math.Max((roster / 2) + 1, 2 * roster / 3), length);

    /// <exception cref="HorizontalException">A number is out of its range.</exception>
    public void Validate()
    {
        Throw.Invalid(Roster is < 2 or > MostClients, $"A secure sum is of 2 to {MostClients} clients.");
        Throw.Invalid(Threshold <= Roster / 2 || Threshold > Roster, "The threshold of a secure sum is above half of its clients: else a server could unmask two sums.");
        Throw.Invalid(Length is < 1 or > MostLength, $"A secure sum has 1 to {MostLength} numbers.");
        Throw.Invalid(Round < 0, "Rounds count from 0.");
    }
}
