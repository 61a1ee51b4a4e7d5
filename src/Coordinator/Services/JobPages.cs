using System.Globalization;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Rounds;
using VertFed.Coordinator.Security;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Services;

/// <summary>
/// One list over vertical and horizontal jobs, which the store keeps apart: newest first by when they were submitted. A page's token says for each kind from
/// where it goes on: "120" or "120-7", horizontal ordinals second; 0 means that the kind has no more.
/// </summary>
internal static class JobPages
{
    /// <summary>Reads a page.</summary>
    /// <exception cref="Grpc.Core.RpcException">InvalidArgument, naming page_size or page_token.</exception>
    public static async Task<ListJobsResponse> ReadAsync(
        JobHub hub, RoundHub rounds, Caller caller, JobFilter filter, ListJobsRequest request, CancellationToken cancellationToken)
    {
        string[] from = request.PageToken.Split('-', 2);
        PageRequest size = PageRequest.Read(request.PageSize, "");
        long? vertical = Ordinal(from[0]);
        long? horizontal = from.Length == 1 ? (from[0].Length == 0 ? null : 0) : Ordinal(from[1]);
        Strand<JobRecord> one = Strand<JobRecord>.Ended;
        if (vertical != 0)
        {
            JobPage page = await hub.Store.ListJobsAsync(size.Size, vertical, filter with { Sight = caller.Sight }, cancellationToken);
            one = new Strand<JobRecord>(page.Jobs, page.Before, static job => job.Ordinal, vertical);
        }

        Strand<RoundJobRecord> other = Strand<RoundJobRecord>.Ended;
        if (horizontal != 0)
        {
            (IReadOnlyList<RoundJobRecord> jobs, long? before) = await rounds.ListAsync(caller, filter, size.Size, horizontal, cancellationToken);
            other = new Strand<RoundJobRecord>(jobs, before, static job => job.Ordinal, horizontal);
        }

        ListJobsResponse response = new();
        while (response.Jobs.Count < size.Size && !one.IsAtEdge && !other.IsAtEdge && (one.Head is not null || other.Head is not null))
        {
            bool takesVertical = other.Head is null || (one.Head is not null && one.Head.SubmittedUnixMs >= other.Head.SubmittedUnixMs);
            response.Jobs.Add(takesVertical ? hub.Describe(one.Take()) : rounds.Describe(other.Take()));
        }

        (long? nextVertical, long? nextHorizontal) = (one.Next, other.Next);
        response.NextPageToken = (nextVertical, nextHorizontal) switch
        {
            (0, 0) => "",
            (not null, 0) => PageRequest.Token(nextVertical),
            _ => $"{PageRequest.Token(nextVertical)}-{PageRequest.Token(nextHorizontal)}",
        };
        return response;
    }

    private static long? Ordinal(string text) => text.Length == 0 ? null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long ordinal) ? ordinal
        : throw GrpcErrors.BadField("page_token", "is not one that a list returned");

    /// <summary>The jobs of one kind that a call read, and how far it has told of them.</summary>
    private sealed class Strand<T>(IReadOnlyList<T> jobs, long? before, Func<T, long> ordinal, long? from)
        where T : class
    {
        private int _told;

        /// <summary>No job, and none to come.</summary>
        public static Strand<T> Ended => new([], null, _ => 0, null);

        /// <summary>The newest that is not told; null where none was read.</summary>
        public T? Head => _told < jobs.Count ? jobs[_told] : null;

        /// <summary>Whether others follow that were not read: nothing older may be told before them.</summary>
        public bool IsAtEdge => Head is null && before is not null;

        /// <summary>From where the next page goes on; null: from the newest, 0: there is no more.</summary>
        public long? Next => Head is null ? before ?? 0 : _told == 0 ? from : ordinal(jobs[_told - 1]);

        public T Take() => jobs[_told++];
    }
}
