namespace VertFed.PartyNode.Relay;

/// <summary>Waiting times between attempts to connect: doubling from the first to the longest, each drawn from its upper half.</summary>
/// <remarks>The draw keeps many parties from coming back in step; it is no secret and reaches no message.</remarks>
public sealed class Backoff(TimeSpan first, TimeSpan longest)
{
    private int _failures;

    public TimeSpan Next()
    {
        double seconds = Math.Min(first.TotalSeconds * (1L << Math.Min(_failures++, 30)), longest.TotalSeconds);
        return TimeSpan.FromSeconds(seconds * (0.5 + (Random.Shared.NextDouble() / 2)));
    }

    public void Reset() => _failures = 0;
}
