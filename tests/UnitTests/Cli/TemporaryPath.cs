namespace VertFed.UnitTests.Cli;

/// <summary>A folder that is gone with the test.</summary>
internal sealed class TemporaryPath : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("vertfed cli ").FullName;

    public string File(string name) => Path.Combine(Folder, name);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
