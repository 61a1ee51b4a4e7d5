using System.Runtime.ExceptionServices;
using VertFed.Models;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Vertical;

/// <summary>Parallel work whose bytes do not depend on the number of threads.</summary>
internal static class ParallelStreams
{
    /// <summary>Maps [first, first + count) in parallel, each index with a secret stream of its own, derived before the work starts.</summary>
    public static T[] Map<T>(
        IChannel channel, string label, Step step, uint round, int first, int count, Func<int, RandomStream, T> work)
    {
        RandomStream?[] streams = new RandomStream?[count];
        try
        {
            for (int k = 0; k < count; k++)
            {
                streams[k] = channel.DeriveSecret(label, step, round, first + k);
            }

            T[] results = new T[count];
            For(count, k => results[k] = work(first + k, streams[k]!));
            return results;
        }
        finally
        {
            foreach (RandomStream? stream in streams)
            {
                stream?.Dispose();
            }
        }
    }

    /// <summary>Runs [0, count) in parallel and throws what the first failing index threw, not an aggregate.</summary>
    public static void For(int count, Action<int> work)
    {
        try
        {
            Parallel.For(0, count, Processors.OneThreadEach, work);
        }
        catch (AggregateException exception) when (exception.InnerExceptions.Count > 0)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
    }
}
