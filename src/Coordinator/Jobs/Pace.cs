using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Jobs;

/// <summary>
/// Estimates the end of a job from the rounds that this process saw: the seconds a round so far, times the rounds that the spec allows
/// still. A job that converges ends earlier. Without two rounds of training seen there is no estimate.
/// </summary>
/// <param name="mostRounds">The spec's max_iterations; 0 where the job trains nothing.</param>
internal sealed class Pace(int mostRounds, TimeProvider time)
{
    private (uint Round, long Ticks)? _first;
    private (uint Round, long Ticks) _last;

    /// <summary>Takes note of where the job stands now.</summary>
    public void Observe(Phase phase, uint round)
    {
        if (phase != Phase.Train || round == 0)
            return;
        if (_first is null)
            _first = _last = (round, time.GetTimestamp());
        else if (round > _last.Round)
            _last = (round, time.GetTimestamp());
    }

    /// <summary>Whole seconds until the last round that the spec allows, at least 1; 0 where there is no estimate.</summary>
    public uint EtaSeconds()
    {
        if (_first is not { } first || _last.Round == first.Round)
            return 0;
        double perRound = time.GetElapsedTime(first.Ticks, _last.Ticks).TotalSeconds / (_last.Round - first.Round);
        double left = (Math.Max(0, mostRounds - (long)_last.Round) * perRound) - time.GetElapsedTime(_last.Ticks).TotalSeconds;
        return (uint)Math.Clamp(Math.Ceiling(left), 1, uint.MaxValue);
    }
}
