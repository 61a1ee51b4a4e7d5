using VertFed.Storage;

namespace VertFed.Coordinator.Security;

/// <summary>Pages of what a caller may see. Others' jobs and models are passed over as if they were not there.</summary>
internal static class Visible
{
    /// <summary>How many records one call looks at; a page that ends by it has a token to go on with.</summary>
    private const int MostScanned = 10_000;

    public static async Task<JobPage> JobsAsync(
        ICoordinatorStore store, Predicate<JobRecord> isVisible, int size, long? before, JobFilter? filter, CancellationToken cancellationToken)
    {
        (List<JobRecord> jobs, long? next) = await PageAsync(
            async from => await store.ListJobsAsync(size, from, filter, cancellationToken) is var page ? (page.Jobs, page.Before) : default,
            isVisible, job => job.Ordinal, size, before);
        return new JobPage(jobs, next);
    }

    public static async Task<ModelPage> ModelsAsync(
        ICoordinatorStore store, Caller caller, int size, long? before, ModelFilter filter, CancellationToken cancellationToken)
    {
        (List<ModelRecord> models, long? next) = await PageAsync(
            async from => await store.ListModelsAsync(size, from, filter, cancellationToken) is var page ? (page.Models, page.Before) : default,
            model => caller.MaySee(model.Submitter, model.LabelParty, model.FeatureParty), model => model.Ordinal, size, before);
        return new ModelPage(models, next);
    }

    private static async Task<(List<T> Items, long? Before)> PageAsync<T>(
        Func<long?, Task<(IReadOnlyList<T> Items, long? Before)>> read, Predicate<T> isVisible, Func<T, long> ordinalOf, int size, long? before)
        where T : class
    {
        List<T> visible = [];
        for (int scanned = 0; ;)
        {
            (IReadOnlyList<T> items, long? more) = await read(before);
            foreach (T item in items)
            {
                scanned++;
                before = ordinalOf(item);
                if (!isVisible(item))
                    continue;
                visible.Add(item);
                if (visible.Count == size)
                    return (visible, more is null && ReferenceEquals(item, items[^1]) ? null : before);
            }

            if (more is null)
                return (visible, null);
            if (scanned >= MostScanned)
                return (visible, before);
        }
    }
}
