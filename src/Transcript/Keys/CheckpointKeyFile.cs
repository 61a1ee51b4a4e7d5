using System.Security.Cryptography;
using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>The file of a checkpoint key: private key (32 bytes), statement (64 bytes).</summary>
internal static class CheckpointKeyFile
{
    private const int FileBytes = Ed25519Key.SeedBytes + PeerIdentity.SignatureBytes;

    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: unreadable, open to others, or of another length.</exception>
    public static (byte[] Seed, byte[] Statement) Read(string path)
    {
        byte[] bytes = new byte[FileBytes];
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            if (!OperatingSystem.IsWindows())
            {
                UnixFileMode loose = File.GetUnixFileMode(file.SafeFileHandle)
                    & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite);
                if (loose != UnixFileMode.None)
                {
                    throw Error.Usage($"The checkpoint key file '{path}' is open to others than its owner; run: chmod 600 '{path}'.");
                }
            }

            if (file.Length != FileBytes)
            {
                throw Error.Usage($"The checkpoint key file '{path}' has {file.Length} bytes, not {FileBytes}.");
            }

            file.ReadExactly(bytes);
            return (bytes[..Ed25519Key.SeedBytes], bytes[Ed25519Key.SeedBytes..]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.Usage($"The checkpoint key file '{path}' cannot be read: {e.Message}", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>Writes a new file whole or not at all; a file that came there meanwhile stays.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: it cannot be written.</exception>
    public static void Write(string path, ReadOnlySpan<byte> seed, ReadOnlySpan<byte> statement)
    {
        FileStreamOptions options = new()
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.None,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        string unfinished = $"{path}.{Guid.NewGuid():N}";
        byte[] bytes = [.. seed, .. statement];
        try
        {
            using (FileStream file = new(unfinished, options))
            {
                file.Write(bytes);
                file.Flush(flushToDisk: true);
            }

            File.Move(unfinished, path, overwrite: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (File.Exists(unfinished))
            {
                File.Delete(unfinished);
            }

            if (!File.Exists(path))
            {
                throw Error.Usage($"The checkpoint key file '{path}' cannot be written: {e.Message}", e);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }
}
