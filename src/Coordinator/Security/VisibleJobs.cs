using VertFed.Storage;

namespace VertFed.Coordinator.Security;

/// <summary>Pages of the jobs that a caller may see. Others' jobs are passed over as if they were not there.</summary>
internal static class VisibleJobs
{
    /// <summary>How many records one call looks at; a page that ends by it has a token to go on with.</summary>
    private const int MostScanned = 10_000;

    public static async Task<JobPage> PageAsync(ICoordinatorStore store, Predicate<JobRecord> isVisible, int size, long? before, CancellationToken cancellationToken)
    {
        List<JobRecord> visible = [];
        for (int scanned = 0; ;)
        {
            JobPage page = await store.ListJobsAsync(size, before, filter: null, cancellationToken);
            foreach (JobRecord job in page.Jobs)
            {
                scanned++;
                before = job.Ordinal;
                if (!isVisible(job))
                    continue;
                visible.Add(job);
                if (visible.Count == size)
                    return new JobPage(visible, page.Before is null && job == page.Jobs[^1] ? null : before);
            }

            if (page.Before is null)
                return new JobPage(visible, null);
            if (scanned >= MostScanned)
                return new JobPage(visible, before);
        }
    }
}
