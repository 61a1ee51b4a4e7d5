namespace VertFed.Cli.Demo;

/// <summary>Where the demo's files are. A real deployment has the same files on three machines; see samples/three-machines.</summary>
internal sealed class DemoFolder
{
    public DemoFolder(string path) => Root = Path.GetFullPath(path);

    public string Root { get; }

    public string Report => Path.Combine(Root, "report.json");

    public string Transcript => Path.Combine(Root, "transcript.vft");

    public string CoordinatorConfig => Config(DemoConfiguration.Coordinator);

    public string BankConfig => Config(DemoConfiguration.Bank);

    public string RetailerConfig => Config(DemoConfiguration.Retailer);

    public string JobSpec => Path.Combine(Root, "job.yaml");

    public string ScoreSpec => Path.Combine(Root, "score.yaml");

    public string SampleData => Path.Combine(Root, "data");

    public string CoordinatorData => NodeData(DemoConfiguration.Coordinator);

    public string BankData => NodeData(DemoConfiguration.Bank);

    public string RetailerData => NodeData(DemoConfiguration.Retailer);

    /// <summary>A process's configuration file.</summary>
    public string Config(string name) => Path.Combine(Root, name + ".yaml");

    /// <summary>A process's data folder.</summary>
    public string NodeData(string name) => Path.Combine(Root, name);

    public string Identity(string name) => Path.Combine(Root, "identities", name + ".pem");

    public string Log(string name) => Path.Combine(Root, "logs", name + ".log");

    /// <summary>A party's own report part, as the party node lays out its data folder.</summary>
    public static string ReportPart(string partyData, string job) => Path.Combine(partyData, "jobs", job, "report.json");

    /// <summary>Makes the folder. One that holds anything is refused, so that no run overwrites another's files.</summary>
    /// <exception cref="VertFed.Protocol.VertFedException">Not empty, a file, or not writable (usage).</exception>
    public void Create()
    {
        if (File.Exists(Root))
        {
            throw Error.OutFolderIsFile(Root);
        }

        try
        {
            if (Directory.Exists(Root) && Directory.EnumerateFileSystemEntries(Root).Any())
            {
                throw Error.OutFolderNotEmpty(Root);
            }

            Directory.CreateDirectory(Root);
            foreach (string folder in (ReadOnlySpan<string>)["identities", "logs"])
            {
                Directory.CreateDirectory(Path.Combine(Root, folder));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.CannotWrite(Root, e);
        }
    }
}
