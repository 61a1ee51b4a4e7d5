using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Rounds;
using VertFed.Coordinator.Security;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Services;

/// <summary>The list of jobs of both kinds.</summary>
internal static class JobPages
{
    /// <summary>Reads a page.</summary>
    /// <exception cref="Grpc.Core.RpcException">InvalidArgument, naming page_size or page_token.</exception>
    public static async Task<ListJobsResponse> ReadAsync(
        JobHub hub, RoundHub rounds, Caller caller, JobFilter filter, ListJobsRequest request, CancellationToken cancellationToken)
    {
        MergedPage page = await MergedPage.ReadAsync(
            request.PageSize,
            request.PageToken,
            (size, before) => VerticalAsync(hub, size, before, filter with { Sight = caller.Sight }, cancellationToken),
            (size, before) => rounds.ListAsync(caller, filter, size, before, cancellationToken));
        return new ListJobsResponse
        {
            Jobs = { page.Jobs.Select(job => job.Vertical is { } vertical ? hub.Describe(vertical) : rounds.Describe(job.Horizontal!)) },
            NextPageToken = page.NextToken,
        };
    }

    /// <summary>Vertical jobs for a <see cref="MergedPage"/>.</summary>
    public static async Task<(IReadOnlyList<JobRecord> Jobs, long? Before)> VerticalAsync(
        JobHub hub, int size, long? before, JobFilter filter, CancellationToken cancellationToken)
    {
        JobPage page = await hub.Store.ListJobsAsync(size, before, filter, cancellationToken);
        return (page.Jobs, page.Before);
    }
}
