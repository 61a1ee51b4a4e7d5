using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>A co-signature that verified.</summary>
/// <param name="Party">Whose it is.</param>
/// <param name="Time">When, by that party's clock, to the second.</param>
public sealed record CoSignature(string Party, DateTimeOffset Time);

/// <summary>
/// Checkpoints as signed notes: the coordinator signs as the log (Ed25519 note signature, type 0x01, key name = origin), parties co-sign
/// (c2sp.org/tlog-cosignature v1, type 0x04, key name vertfed/v1/party/NAME).
/// </summary>
public static class CheckpointNotes
{
    /// <summary>Length of a co-signature: time in seconds as 8 bytes big-endian, then the Ed25519 signature.</summary>
    public const int CoSignatureBytes = sizeof(ulong) + EdwardsPoint.SignatureBytes;

    private const byte LogSignature = 0x01;
    private const byte TimedCoSignature = 0x04;

    /// <summary>The log of one attempt of a job.</summary>
    public static string OriginOf(string job, uint attempt) =>
        string.Create(CultureInfo.InvariantCulture, $"vertfed/v1/{job}/{attempt}");

    /// <summary>The key name under which a party co-signs.</summary>
    public static string KeyNameOf(string party) => $"vertfed/v1/party/{party}";

    /// <summary>The coordinator's signed note of a checkpoint.</summary>
    public static byte[] Sign(Checkpoint checkpoint, CheckpointSigner coordinator)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(coordinator);
        byte[] signature = coordinator.Sign(Encoding.UTF8.GetBytes(checkpoint.Text));
        uint id = SignedNote.KeyIdOf(checkpoint.Origin, LogSignature, coordinator.PublicKey);
        return SignedNote.Write(checkpoint.Text, [new NoteSignature(checkpoint.Origin, id, signature)]);
    }

    /// <summary>
    /// Reads a note, verifies that it is a checkpoint of this origin, and verifies every signature line under the coordinator's key name and
    /// id. Lines of other keys are left alone, as the format asks.
    /// </summary>
    /// <param name="note">With or without co-signatures.</param>
    /// <param name="origin"><see cref="OriginOf"/> of the job's attempt.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: malformed, of another log, not signed by the key, or a
    /// signature of the key does not verify.</exception>
    public static Checkpoint Verify(ReadOnlySpan<byte> note, string origin, CheckpointVerifier coordinator)
    {
        ArgumentNullException.ThrowIfNull(coordinator);
        SignedNote signed = SignedNote.Parse(note);
        Checkpoint checkpoint = Checkpoint.Parse(signed.Text);
        if (checkpoint.Origin != origin)
        {
            throw Error.DoesNotVerify($"A checkpoint of '{checkpoint.Origin}' stands where one of '{origin}' was due.");
        }

        byte[] text = signed.TextBytes;
        List<NoteSignature> own = [.. Of(signed, origin, LogSignature, coordinator)];
        if (own.Count == 0 || !own.TrueForAll(line => coordinator.Verify(text, line.Signature)))
        {
            throw Error.DoesNotVerify(
                own.Count == 0
                    ? $"The checkpoint of '{origin}' is not signed by the coordinator's key."
                    : $"The coordinator's signature on the checkpoint of '{origin}' does not verify.");
        }

        return checkpoint;
    }

    /// <summary>Co-signs a note's text. What the text says is for the caller to have checked.</summary>
    /// <param name="time">By the party's clock; not before 1970.</param>
    /// <returns>72 bytes: seconds since 1970 big-endian, signature.</returns>
    public static byte[] CoSign(ReadOnlySpan<byte> note, CheckpointSigner party, DateTimeOffset time)
    {
        ArgumentNullException.ThrowIfNull(party);
        long seconds = time.ToUnixTimeSeconds();
        ArgumentOutOfRangeException.ThrowIfNegative(seconds, nameof(time));
        byte[] coSignature = new byte[CoSignatureBytes];
        BinaryPrimitives.WriteInt64BigEndian(coSignature, seconds);
        party.Sign(CoSigned(SignedNote.Parse(note), seconds)).CopyTo(coSignature, sizeof(ulong));
        return coSignature;
    }

    /// <summary>Appends a party's co-signature to a note once it has verified.</summary>
    /// <param name="party">The party's name as in the job spec; the line's key name is <see cref="KeyNameOf"/> it.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>, with the party: it does not verify, or the party's
    /// co-signature is there already.</exception>
    public static byte[] AddCoSignature(ReadOnlySpan<byte> note, string party, CheckpointVerifier key, ReadOnlySpan<byte> coSignature)
    {
        ArgumentNullException.ThrowIfNull(key);
        SignedNote signed = SignedNote.Parse(note);
        if (FindCoSignature(signed, party, key) is not null)
        {
            throw Error.DoesNotVerify($"The checkpoint has a co-signature of '{party}' already.", party);
        }

        string name = KeyNameOf(party);
        NoteSignature line = new(name, SignedNote.KeyIdOf(name, TimedCoSignature, key.PublicKey), coSignature.ToArray());
        _ = Verified(signed, line, party, key);
        return SignedNote.Write(signed.Text, [.. signed.Signatures, line]);
    }

    /// <summary>The party's co-signature, or null if the note has none of its key.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>, with the party: there is one that does not verify, or more
    /// than one.</exception>
    public static CoSignature? FindCoSignature(SignedNote note, string party, CheckpointVerifier key)
    {
        ArgumentNullException.ThrowIfNull(note);
        ArgumentNullException.ThrowIfNull(key);
        List<NoteSignature> own = [.. Of(note, KeyNameOf(party), TimedCoSignature, key)];
        return own.Count switch
        {
            0 => null,
            1 => Verified(note, own[0], party, key),
            _ => throw Error.DoesNotVerify($"A checkpoint has more than one co-signature of '{party}'.", party),
        };
    }

    private static IEnumerable<NoteSignature> Of(SignedNote note, string name, byte type, CheckpointVerifier key)
    {
        uint id = SignedNote.KeyIdOf(name, type, key.PublicKey);
        return note.Signatures.Where(line => line.KeyName == name && line.KeyId == id);
    }

    private static CoSignature Verified(SignedNote note, NoteSignature line, string party, CheckpointVerifier key)
    {
        // Times above 2^63 - 1 are not allowed; those that no calendar holds do not verify either.
        long seconds = line.Signature.Length == CoSignatureBytes ? BinaryPrimitives.ReadInt64BigEndian(line.Signature) : -1;
        if (seconds < 0
            || seconds > DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            || !key.Verify(CoSigned(note, seconds), line.Signature.AsSpan(sizeof(ulong))))
        {
            throw Error.DoesNotVerify($"The co-signature of '{party}' on the checkpoint does not verify.", party);
        }

        return new CoSignature(party, DateTimeOffset.FromUnixTimeSeconds(seconds));
    }

    private static byte[] CoSigned(SignedNote note, long seconds) => Encoding.UTF8.GetBytes(
        string.Create(CultureInfo.InvariantCulture, $"cosignature/v1\ntime {seconds}\n{note.Text}"));
}
