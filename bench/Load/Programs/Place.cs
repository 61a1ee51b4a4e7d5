namespace VertFed.Load.Programs;

/// <summary>A temporary folder that is gone with its owner.</summary>
internal sealed class Place : IDisposable
{
    public Place() => Folder = Directory.CreateTempSubdirectory("vertfed-load-").FullName;

    public string Folder { get; }

    public string At(string name) => Path.Combine(Folder, name);

    public void Write(string name, string text) => File.WriteAllText(At(name), text);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
