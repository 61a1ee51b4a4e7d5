namespace VertFed.UnitTests.PartyNode;

/// <summary>A folder that goes with the test.</summary>
internal sealed class TemporaryPlace : IDisposable
{
    public TemporaryPlace() => Directory.CreateDirectory(Folder);

    public string Folder { get; } = Path.Combine(Path.GetTempPath(), "vertfed-party-" + Guid.NewGuid().ToString("N"));

    public string At(string name) => Path.Combine(Folder, name);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
