namespace VertFed.UnitTests.PartyNode;

/// <summary>A folder that goes with the test.</summary>
internal sealed class TemporaryPlace : IDisposable
{
    private const string Memory = "/dev/shm";

    /// <param name="isInMemory">For stores that are written much and need not outlive a machine: in memory, where the system has such a place.</param>
    public TemporaryPlace(bool isInMemory = false)
    {
        string parent = isInMemory && Directory.Exists(Memory) ? Memory : Path.GetTempPath();
        Folder = Path.Combine(parent, "vertfed-party-" + Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(Folder);
    }

    public string Folder { get; }

    public string At(string name) => Path.Combine(Folder, name);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
