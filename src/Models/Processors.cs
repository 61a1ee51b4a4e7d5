namespace VertFed.Models;

/// <summary>
/// How much computes at once. A parallel loop without a bound takes every thread that the pool grows to, and the pool grows while work waits: on a busy
/// machine tens of threads would share a few processors, each with buffers of its own.
/// </summary>
public static class Processors
{
    /// <summary>One thread a processor that the process may use, for each loop.</summary>
    public static ParallelOptions OneThreadEach { get; } = new() { MaxDegreeOfParallelism = Environment.ProcessorCount };
}
