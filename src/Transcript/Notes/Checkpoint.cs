using System.Globalization;
using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>
/// A tree head as c2sp.org/tlog-checkpoint writes it: origin, size and root, a line each. Extension lines are refused: no signer here
/// writes any.
/// </summary>
public sealed record Checkpoint
{
    /// <param name="origin">The log's name; no white space, no plus, no control character.</param>
    /// <param name="size">Leaves; not negative.</param>
    /// <param name="rootHash">32 bytes.</param>
    public Checkpoint(string origin, long size, byte[] rootHash)
    {
        ArgumentNullException.ThrowIfNull(origin);
        ArgumentNullException.ThrowIfNull(rootHash);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        ArgumentOutOfRangeException.ThrowIfNotEqual(rootHash.Length, MerkleTree.HashBytes);
        if (!SignedNote.IsKeyName(origin))
        {
            throw Error.Fault("An origin is a name without white space, plus and control characters.");
        }

        Origin = origin;
        Size = size;
        RootHash = rootHash;
    }

    /// <summary>Which log it is of: <see cref="CheckpointNotes.OriginOf"/> for a job's attempt.</summary>
    public string Origin { get; }

    /// <summary>Number of leaves.</summary>
    public long Size { get; }

    /// <summary>32 bytes.</summary>
    public byte[] RootHash { get; }

    /// <summary>The three lines.</summary>
    public string Text => string.Create(CultureInfo.InvariantCulture, $"{Origin}\n{Size}\n{Convert.ToBase64String(RootHash)}\n");

    /// <summary>Reads a note's text.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: not three lines of this form.</exception>
    public static Checkpoint Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Split('\n') is not [string origin, string size, string root, ""])
        {
            throw Malformed("it has not three lines");
        }

        if (!SignedNote.IsKeyName(origin))
        {
            throw Malformed("the origin is empty or has a character that names may not have");
        }

        if (!long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out long leaves)
            || leaves.ToString(CultureInfo.InvariantCulture) != size)
        {
            throw Malformed("the size is not a decimal number without leading zeros");
        }

        return Base64.Decode(root) is { Length: MerkleTree.HashBytes } hash
            ? new Checkpoint(origin, leaves, hash)
            : throw Malformed($"the root is not base64 of {MerkleTree.HashBytes} bytes");
    }

    public bool Equals(Checkpoint? other) => other is not null && Text == other.Text;

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    private static VertFedException Malformed(string why) => Error.DoesNotVerify($"A checkpoint is malformed: {why}.");
}
