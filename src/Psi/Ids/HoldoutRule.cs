using System.Security.Cryptography;
using System.Text;

namespace VertFed.Psi.Ids;

/// <summary>
/// Which aligned rows are held out for testing: those whose SHA-256 of the normalised id (UTF-8) begins with a byte below
/// floor(256 · holdout). Anyone who knows an id can compute it, so both parties split alike without a message.
/// </summary>
public sealed class HoldoutRule
{
    private readonly int _threshold;

    /// <param name="holdout">The share of test rows, in [0, 0.9].</param>
    /// <exception cref="ArgumentOutOfRangeException">Outside that range, or not a number.</exception>
    public HoldoutRule(double holdout)
    {
        if (!(holdout >= 0 && holdout <= 0.9))
        {
            throw new ArgumentOutOfRangeException(nameof(holdout), holdout, "The holdout is a share in [0, 0.9].");
        }

        _threshold = (int)Math.Floor(256 * holdout);
    }

    /// <summary>True if the row with this normalised id belongs to the test set.</summary>
    public bool IsTest(string normalisedId)
    {
        ArgumentNullException.ThrowIfNull(normalisedId);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(normalisedId), hash);
        return hash[0] < _threshold;
    }
}
