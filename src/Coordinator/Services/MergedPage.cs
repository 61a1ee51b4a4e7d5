using System.Globalization;
using VertFed.Storage;

namespace VertFed.Coordinator.Services;

/// <summary>
/// A page of one list over vertical and horizontal jobs, which the store keeps apart: newest first by when they were submitted. A page's token says for each kind from
/// where it goes on: "120" or "120-7", horizontal ordinals second; 0 means that the kind has no more.
/// </summary>
/// <param name="Jobs">Of each one is null.</param>
/// <param name="NextToken">Empty after the last page.</param>
internal sealed record MergedPage(IReadOnlyList<(JobRecord? Vertical, RoundJobRecord? Horizontal)> Jobs, string NextToken)
{
    /// <summary>Reads at most so many jobs of one kind, from below an ordinal or from the newest; tells from where the next go on, null after the last.</summary>
    public delegate Task<(IReadOnlyList<T> Jobs, long? Before)> Read<T>(int size, long? before);

    /// <summary>Reads a page.</summary>
    /// <exception cref="Grpc.Core.RpcException">InvalidArgument, naming page_size or page_token.</exception>
    public static async Task<MergedPage> ReadAsync(uint pageSize, string pageToken, Read<JobRecord> ofVertical, Read<RoundJobRecord> ofHorizontal)
    {
        int size = PageRequest.Read(pageSize, "").Size;
        string[] from = pageToken.Split('-', 2);
        Strand<JobRecord> one = await Strand<JobRecord>.ReadAsync(ofVertical, size, Ordinal(from[0]), static job => job.Ordinal);
        long? second = from.Length == 2 ? Ordinal(from[1]) : from[0].Length == 0 ? null : 0;
        Strand<RoundJobRecord> other = await Strand<RoundJobRecord>.ReadAsync(ofHorizontal, size, second, static job => job.Ordinal);
        List<(JobRecord?, RoundJobRecord?)> jobs = [];
        while (jobs.Count < size && !one.IsAtEdge && !other.IsAtEdge && (one.Head is not null || other.Head is not null))
        {
            bool takesVertical = other.Head is null || (one.Head is not null && one.Head.SubmittedUnixMs >= other.Head.SubmittedUnixMs);
            jobs.Add(takesVertical ? (one.Take(), null) : (null, other.Take()));
        }

        (long? nextVertical, long? nextHorizontal) = (one.Next, other.Next);
        return new MergedPage(jobs, (nextVertical, nextHorizontal) switch
        {
            (0, 0) => "",
            (not null, 0) => PageRequest.Token(nextVertical),
            _ => $"{PageRequest.Token(nextVertical)}-{PageRequest.Token(nextHorizontal)}",
        });
    }

    private static long? Ordinal(string text) => text.Length == 0 ? null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long ordinal) ? ordinal
        : throw GrpcErrors.BadField("page_token", "is not one that a list returned");

    /// <summary>The jobs of one kind that a call read, and how far it has told of them.</summary>
    private sealed class Strand<T>(IReadOnlyList<T> jobs, long? before, Func<T, long> ordinal, long? from)
        where T : class
    {
        private int _told;

        /// <summary>Reads them, from where the page before ended; 0: that was the last.</summary>
        public static async Task<Strand<T>> ReadAsync(Read<T> read, int size, long? from, Func<T, long> ordinal)
        {
            if (from == 0)
                return new Strand<T>([], null, ordinal, null);
            (IReadOnlyList<T> jobs, long? before) = await read(size, from);
            return new Strand<T>(jobs, before, ordinal, from);
        }

        /// <summary>The newest that is not told; null where none was read.</summary>
        public T? Head => _told < jobs.Count ? jobs[_told] : null;

        /// <summary>Whether others follow that were not read: nothing older may be told before them.</summary>
        public bool IsAtEdge => Head is null && before is not null;

        /// <summary>From where the next page goes on; null: from the newest, 0: there is no more.</summary>
        public long? Next => Head is null ? before ?? 0 : _told == 0 ? from : ordinal(jobs[_told - 1]);

        public T Take() => jobs[_told++];
    }
}
