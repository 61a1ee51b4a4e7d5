using System.Text;

namespace VertFed.Protocol;

/// <summary>
/// Whose keys are pinned, in a file of its own that `vertfed identity trust` and `distrust` keep:
/// <code>
/// trust:
///   - {name: main, as: [coordinator], fingerprint: [64 hexadecimal digits], address: "https://coordinator.example:7400"}
///   - {name: bank, as: [party], fingerprint: [64 hexadecimal digits]}
///   - {name: ann, as: [analyst, auditor], fingerprint: [64 hexadecimal digits]}
/// </code>
/// Immutable. No fingerprint is two entries', no name stands twice, and there is at most one coordinator.
/// </summary>
public sealed class TrustFile
{
    public const int MostFingerprints = 8;

    private const int MostEntries = 500;

    private TrustFile(string path, IReadOnlyList<TrustEntry> entries) => (Path, Entries) = (path, entries);

    /// <summary>What someone can be trusted as.</summary>
    public static IReadOnlyList<string> Words { get; } = ["coordinator", "party", "analyst", "auditor", "operator"];

    public string Path { get; }

    public IReadOnlyList<TrustEntry> Entries { get; }

    public TrustEntry? Coordinator => Entries.FirstOrDefault(entry => entry.Is("coordinator"));

    public static bool IsAddress(Uri address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return address.IsAbsoluteUri && address.Scheme is "https" && address.AbsolutePath is "/" && address.Query.Length == 0
            && address.UserInfo.Length == 0 && address.Fragment.Length == 0;
    }

    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>, naming file and line.</exception>
    public static TrustFile Read(string path)
    {
        try
        {
            return new FileInfo(path).Length > Limits.MaxSpecBytes
                ? throw Error.Usage($"{path}: longer than {Limits.MaxSpecBytes} bytes.")
                : Parse(File.ReadAllText(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.Usage($"The trust file '{path}' cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The same, or an empty one where there is no file yet.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>.</exception>
    public static TrustFile ReadOrEmpty(string path) => File.Exists(path) ? Read(path) : new TrustFile(path, []);

    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>, naming file and line.</exception>
    public static TrustFile Parse(string text, string path)
    {
        YamlFields root = new(StrictYaml.Parse(text, path), path, "");
        List<TrustEntry> entries = [];
        foreach (YamlFields entry in root.Maps("trust"))
        {
            string? address = entry.Text("address");
            if (address is not null && !Uri.TryCreate(address, UriKind.Absolute, out _))
            {
                throw entry.Wrong("address", "is not a URL such as https://coordinator.example:7400");
            }

            TrustEntry read = new(
                entry.Text("name") ?? throw entry.Wrong("name", "is missing"), entry.Words("as"), entry.Words("fingerprint"),
                address is null ? null : new Uri(address));
            entry.Done();
            if (Fault(entries, read) is { } fault)
            {
                throw entry.Wrong("name", $"is not accepted: {fault}");
            }

            entries.Add(read);
        }

        root.Done();
        return new TrustFile(path, entries);
    }

    /// <summary>The file with one pin more.</summary>
    /// <param name="word">As what; one of <see cref="Words"/>.</param>
    /// <param name="address">A coordinator's; null: as it is.</param>
    /// <param name="besides">Whether the key may stand beside another of the same name, which changes keys.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: malformed; another's key; or another key than the one pinned.</exception>
    public TrustFile With(string name, string fingerprint, string word, Uri? address = null, bool besides = false)
    {
        TrustEntry? known = Entries.FirstOrDefault(entry => entry.Name == name);
        if (known is not null && !known.Holds(fingerprint) && !besides)
        {
            throw Error.Usage(
                $"'{name}' is pinned to another key ({string.Join(", ", known.Fingerprints)}). If it has changed keys, and the new fingerprint was compared with its owner, add it beside with --rotate.");
        }

        TrustEntry changed = known is null
            ? new TrustEntry(name, [word], [fingerprint], address)
            : known with
            {
                As = known.Is(word) ? known.As : [.. known.As, word],
                Fingerprints = known.Holds(fingerprint) ? known.Fingerprints : [.. known.Fingerprints, fingerprint],
                Address = address ?? known.Address,
            };
        TrustEntry[] others = [.. Entries.Where(entry => entry.Name != name)];
        return Fault(others, changed) is { } fault ? throw Error.Usage($"{Path}: {fault}.") : new TrustFile(Path, [.. others, changed]);
    }

    /// <summary>The file without a pin, or without anything of a name.</summary>
    /// <param name="fingerprint">Null: all of the name.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: there is no such pin.</exception>
    public TrustFile Without(string name, string? fingerprint = null)
    {
        TrustEntry known = Entries.FirstOrDefault(entry => entry.Name == name)
            ?? throw Error.Usage($"{Path}: nobody of the name '{StrictYaml.Shown(name)}' is trusted.");
        if (fingerprint is not null && !known.Holds(fingerprint))
        {
            throw Error.Usage($"{Path}: '{name}' is not pinned to this fingerprint.");
        }

        string[] left = fingerprint is null ? [] : [.. known.Fingerprints.Where(other => other != fingerprint)];
        return new TrustFile(Path, left.Length == 0
            ? [.. Entries.Where(entry => entry.Name != name)]
            : [.. Entries.Select(entry => entry.Name == name ? entry with { Fingerprints = left } : entry)]);
    }

    /// <summary>Reads a trust file, changes it and writes it, while no other command does.</summary>
    /// <param name="orEmpty">Whether one is made where there is none.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: it cannot be read, changed so or written, or is being changed.</exception>
    public static TrustFile Change(string path, bool orEmpty, Func<TrustFile, TrustFile> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        using FileStream held = Hold(path);
        TrustFile after = change(orEmpty ? ReadOrEmpty(path) : Read(path));
        after.Save();
        return after;
    }

    /// <summary>Writes beside the file, brings it to the disk, then renames: a reader has the old content or the new. The file keeps its mode; where
    /// the path is a symbolic link, what it points to is replaced and the link stays.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: it cannot be written, or became too long.</exception>
    public void Save()
    {
        byte[] content = Encoding.UTF8.GetBytes(ToText());
        if (content.Length > Limits.MaxSpecBytes)
        {
            throw Error.Usage($"The trust file '{Path}' would be longer than {Limits.MaxSpecBytes} bytes.");
        }

        string? unfinished = null;
        try
        {
            string target = TargetOf(Path);
            unfinished = $"{target}.{Guid.NewGuid():N}.tmp";
            using (FileStream file = new(unfinished, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                if (!OperatingSystem.IsWindows() && File.Exists(target))
                {
                    File.SetUnixFileMode(file.SafeFileHandle, File.GetUnixFileMode(target));
                }

                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(unfinished, target, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (unfinished is not null)
            {
                File.Delete(unfinished);
            }

            throw Error.Usage($"The trust file '{Path}' cannot be written: {e.Message}", e);
        }
    }

    /// <summary>The file's text; what <see cref="Parse"/> reads again.</summary>
    public string ToText()
    {
        StringBuilder text = new("# Keys that are trusted here. Kept by: vertfed identity trust, vertfed identity distrust\n");
        text.Append(Entries.Count == 0 ? "trust: []\n" : "trust:\n");
        foreach (TrustEntry entry in Entries)
        {
            text.Append("  - {name: ").Append(entry.Name).Append(", as: [").AppendJoin(", ", entry.As)
                .Append("], fingerprint: [").AppendJoin(", ", entry.Fingerprints.Select(fingerprint => $"\"{fingerprint}\"")).Append(']');
            if (entry.Address is { } address)
            {
                text.Append(", address: \"").Append(address.AbsoluteUri.Replace("\"", "%22", StringComparison.Ordinal)).Append('"');
            }

            text.Append("}\n");
        }

        return text.ToString();
    }

    private static string TargetOf(string path) => new FileInfo(path).LinkTarget is null ? path : File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;

    /// <summary>Beside the file, and left there: one that is deleted could be held by two.</summary>
    private static FileStream Hold(string path)
    {
        try
        {
            return new FileStream(TargetOf(path) + ".lock", FileMode.OpenOrCreate, FileAccess.Read, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.Usage($"The trust file '{path}' is being changed by another command, or its lock file cannot be opened: {e.Message}", e);
        }
    }

    /// <summary>What speaks against an entry beside others; null: nothing.</summary>
    private static string? Fault(IReadOnlyCollection<TrustEntry> others, TrustEntry entry) =>
        entry.Fault()
        ?? (others.Count >= MostEntries ? $"more than {MostEntries} entries"
        : others.Any(other => other.Name == entry.Name) ? $"'{entry.Name}' stands twice"
        : others.FirstOrDefault(other => entry.Fingerprints.Any(other.Holds)) is { } holder ? $"a fingerprint of '{entry.Name}' is pinned for '{holder.Name}' already"
        : entry.Is("coordinator") && others.Any(other => other.Is("coordinator")) ? "there is a coordinator already"
        : null);
}
