using VertFed.Protocol;

namespace VertFed.PartyNode.Reporting;

/// <summary>Writes a file so that a reader, or a machine that loses power, has the old content or the new, never a part.</summary>
public static class AtomicFile
{
    /// <summary>How the name of a file ends that is not written to its end.</summary>
    public const string Suffix = ".tmp";

    /// <summary>Writes beside the file, brings it to the disk, then renames. The file is readable by its owner alone.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: it cannot be written; nothing is left behind.</exception>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        byte[] copy = content.ToArray();
        Write(path, stream => stream.Write(copy));
    }

    /// <summary>The same for content that is written as it is made.</summary>
    /// <param name="write">Writes the content.</param>
    /// <param name="overwrite">False: a file that is there by the end stays, and this one cannot be written.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: it cannot be written. Whatever <paramref name="write"/> throws otherwise goes on to the
    /// caller; in either case nothing is left behind.</exception>
    public static void Write(string path, Action<Stream> write, bool overwrite = true)
    {
        string temporary = $"{path}.{Guid.NewGuid():N}{Suffix}";
        try
        {
            FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using (FileStream file = new(temporary, options))
            {
                write(file);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            TryDelete(temporary);
            throw new VertFedException(
                ErrorCode.Storage, $"{Path.GetFileName(path)} cannot be written ({error.GetType().Name})", error);
        }
        catch
        {
            // What was to be written could not be made.
            TryDelete(temporary);
            throw;
        }
    }

    /// <summary>Makes a folder that only its owner may enter, with its parents.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>.</exception>
    public static void CreateFolder(string path)
    {
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(path);
            }
            else
            {
                Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new VertFedException(
                ErrorCode.Storage, $"folder {Path.GetFileName(path)} cannot be made ({error.GetType().Name})", error);
        }
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The first error is the one to report; a leftover has a .tmp name that nobody reads.
        }
    }
}
