using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using VertFed.Protocol;

namespace VertFed.Storage;

/// <summary>
/// The key under which a party's store seals its root seeds: AES-256-GCM, a random 96-bit nonce each, job and attempt as associated
/// data. It comes from a file that only its owner may read, or from the environment, and is zeroed on disposal.
/// </summary>
/// <remarks>A store seals one seed an attempt, far below the 2^32 messages that random nonces allow a key.</remarks>
public sealed class SecretsKey : IDisposable
{
    /// <summary>Length of the key in bytes.</summary>
    public const int KeyBytes = 32;

    /// <summary>The environment variable that can hold the key, 64 hexadecimal digits.</summary>
    public const string Variable = "VERTFED_SECRETS_KEY";

    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int Digits = 2 * KeyBytes;
    private readonly byte[] _key;
    private bool _disposed;

    private SecretsKey(byte[] key) => _key = key;

    private static ReadOnlySpan<byte> SeedLabel => "vertfed/v1/sealed-seed"u8;

    /// <summary>A key from its bytes, which are copied.</summary>
    public static SecretsKey FromBytes(ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeyBytes);
        return new SecretsKey(key.ToArray());
    }

    /// <summary>Reads the key from text: 64 hexadecimal digits.</summary>
    /// <param name="where">Names the place in errors; never the text.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>.</exception>
    public static SecretsKey FromText(ReadOnlySpan<char> text, string where)
    {
        byte[] key = new byte[KeyBytes];
        return text.Length == Digits && Convert.FromHexString(text, key, out _, out _) == System.Buffers.OperationStatus.Done
            ? new SecretsKey(key)
            : throw new VertFedException(ErrorCode.Usage, $"{where}: the key that seals secrets is 64 hexadecimal digits");
    }

    /// <summary>Reads the key from a file that holds 64 hexadecimal digits and may be read by its owner alone.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: no such file, open to others (Unix), or no key.</exception>
    public static SecretsKey Load(string path)
    {
        byte[] bytes = [];
        char[] text = [];
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (!OperatingSystem.IsWindows()
                && (File.GetUnixFileMode(file.SafeFileHandle) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != UnixFileMode.None)
                throw new VertFedException(ErrorCode.Usage, $"The secrets key '{path}' is open to others than its owner; run: chmod 600 '{path}'.");
            if (file.Length > Digits + 2)
                throw new VertFedException(ErrorCode.Usage, $"{path}: the key that seals secrets is 64 hexadecimal digits");
            bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            text = Encoding.ASCII.GetChars(bytes);
            return FromText(text.AsSpan().TrimEnd("\r\n"), path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new VertFedException(ErrorCode.Usage, $"The secrets key '{path}' cannot be read: {exception.Message}", exception);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
            Array.Clear(text);
        }
    }

    /// <summary>Reads the key, or draws one into a new file (mode 0600) if there is none.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: as for <see cref="Load"/>, or the file cannot be written.</exception>
    public static SecretsKey LoadOrCreate(string path)
    {
        if (!File.Exists(path))
            Create(path);
        return Load(path);
    }

    /// <summary>Overwrites the key; the store that holds it is closed.</summary>
    public void Dispose()
    {
        _disposed = true;
        CryptographicOperations.ZeroMemory(_key);
    }

    /// <summary>Seals a root seed for one attempt.</summary>
    /// <returns>nonce (12) || ciphertext || tag (16).</returns>
    internal byte[] Seal(string job, uint attempt, ReadOnlySpan<byte> secret)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        byte[] sealedSecret = new byte[NonceBytes + secret.Length + TagBytes];
        Span<byte> nonce = sealedSecret.AsSpan(0, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var cipher = new AesGcm(_key, TagBytes);
        cipher.Encrypt(
            nonce, secret, sealedSecret.AsSpan(NonceBytes, secret.Length), sealedSecret.AsSpan(NonceBytes + secret.Length), AssociatedData(job, attempt));
        return sealedSecret;
    }

    /// <summary>Opens what <see cref="Seal"/> made, or gives null where key, job, attempt or bytes are others. The caller zeroes the result.</summary>
    internal byte[]? TryOpen(string job, uint attempt, ReadOnlySpan<byte> sealedSecret)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int length = sealedSecret.Length - NonceBytes - TagBytes;
        if (length < 0)
            return null;
        byte[] secret = new byte[length];
        using var cipher = new AesGcm(_key, TagBytes);
        try
        {
            cipher.Decrypt(
                sealedSecret[..NonceBytes], sealedSecret.Slice(NonceBytes, length), sealedSecret[(NonceBytes + length)..], secret, AssociatedData(job, attempt));
            return secret;
        }
        catch (AuthenticationTagMismatchException)
        {
            // Another key or other bytes; which of the two cannot be told.
            return null;
        }
    }

    private static byte[] AssociatedData(string job, uint attempt)
    {
        byte[] number = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(number, attempt);
        return [.. SeedLabel, .. Encoding.ASCII.GetBytes(job), .. number];
    }

    private static void Create(string path)
    {
        byte[] key = RandomNumberGenerator.GetBytes(KeyBytes);
        byte[] text = new byte[Digits + 1];
        string temporary = $"{path}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}.new";
        try
        {
            Convert.TryToHexStringLower(key, text, out _);
            text[Digits] = (byte)'\n';
            FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using (FileStream file = new(temporary, options))
            {
                file.Write(text);
                file.Flush(flushToDisk: true);
            }

            // Whole or not at all: half a key after a crash would lock the store for good.
            File.Move(temporary, path, overwrite: false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new VertFedException(ErrorCode.Usage, $"The secrets key '{path}' cannot be written: {exception.Message}", exception);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(text);
        }
    }
}
