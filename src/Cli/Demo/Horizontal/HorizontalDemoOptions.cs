namespace VertFed.Cli.Demo.Horizontal;

/// <summary>What `demo horizontal` was asked for.</summary>
/// <param name="Data">The file with all rows, or null to make a sample.</param>
/// <param name="Out">Folder for everything that the run leaves.</param>
/// <param name="Partition">How rows are dealt to the nodes.</param>
/// <param name="Strategy">How updates are aggregated.</param>
/// <param name="Rounds">1 to 1000.</param>
/// <param name="Secure">Whether the coordinator learns sums alone.</param>
/// <param name="Seed">Of the sample, the holdout and the partition.</param>
/// <param name="Rows">Rows of the sample.</param>
internal sealed record HorizontalDemoOptions(
    string? Data, string Out, string Partition, string Strategy, int Rounds, bool Secure, ulong Seed, int Rows)
{
    /// <summary>The parties, each a process of its own.</summary>
    public static IReadOnlyList<string> Nodes { get; } = ["north", "east", "south", "west", "centre"];

    /// <summary>Share of rows that no node is given.</summary>
    public const double Holdout = 0.2;

    /// <summary>λ of λ/2 ‖w‖² in the job and in the centralised fit; it keeps the optimum finite.</summary>
    public const double L2 = 1e-4;

    /// <summary>Steps of a round, each over all of a node's rows: without chance, so that a run comes to the same model again.</summary>
    public const int Epochs = 20;
    public const int Batch = 0;
    public const double Rate = 0.5;
    public const int RoundDeadlineSeconds = 60;
    public const int DeadlineSeconds = 900;
}
