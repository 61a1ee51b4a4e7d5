namespace VertFed.PartyNode.Hosting;

/// <summary>How long a job keeps its lane, and its data loaded, while it waits for others.</summary>
public sealed record LanePatience
{
    /// <summary>An accepted job, for its peer's acceptance; then it waits outside.</summary>
    public TimeSpan Park { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A running job, for its peer's next envelope, while another has a better right to the lane; at most a quarter of the job's deadline.</summary>
    public TimeSpan GiveWay { get; init; } = TimeSpan.FromSeconds(30);
}
