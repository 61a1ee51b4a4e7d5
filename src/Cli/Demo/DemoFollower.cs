using VertFed.Cli.Jobs;
using VertFed.Cli.Reports;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Demo;

/// <summary>Follows the demo's jobs to their ends while its processes are supervised: a coordinator that is being started again is waited for.</summary>
/// <param name="givenUp">Completes when a process is not started again.</param>
/// <param name="allPartiesDone">Completes when every party has said that its job ended.</param>
/// <param name="note">Told what people should know.</param>
internal sealed class DemoFollower(JobClient client, Identity analyst, Task<VertFedException> givenUp, Task allPartiesDone, Action<string> note)
{
    private static readonly TimeSpan s_cancelPatience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan s_partiesPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_lastWord = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_retry = TimeSpan.FromMilliseconds(200);

    /// <summary>Repeats a call for as long as the coordinator cannot be reached and is not given up.</summary>
    public async Task<T> WhileSupervisedAsync<T>(Func<Task<T>> call, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await call();
            }
            catch (VertFedException e) when (e.Code == ErrorCode.PeerUnavailable && !givenUp.IsCompleted)
            {
                await Task.Delay(s_retry, cancellationToken);
            }
        }
    }

    /// <summary>Watches a job to its end, and cancels it when the demo is interrupted.</summary>
    /// <returns>Null when it is done, else its error.</returns>
    public async Task<ReportError?> FollowAsync(string job, Action<JobStatus> onStatus, CancellationToken interrupted)
    {
        using CancellationTokenSource watching = new();
        Task<JobStatus> watch = WhileSupervisedAsync(() => client.WatchAsync(job, onStatus, watching.Token), watching.Token);
        await Task.WhenAny(watch, givenUp, Task.Delay(Timeout.InfiniteTimeSpan, interrupted));
        if (interrupted.IsCancellationRequested && !watch.IsCompleted)
        {
            note("Cancelling the job...");
            await CancelAsync(job, watch);
            throw new OperationCanceledException(interrupted);
        }

        if (!watch.IsCompleted)
        {
            // A process was given up. The coordinator may be about to tell the job's end with a better reason.
            if (await Task.WhenAny(watch, Task.Delay(s_lastWord, CancellationToken.None)) != watch)
            {
                await watching.CancelAsync();
                throw await givenUp;
            }
        }

        JobStatus status = await watch;
        await Task.WhenAny(allPartiesDone, givenUp, Task.Delay(s_partiesPatience, CancellationToken.None));
        if (status.State == JobState.Done)
        {
            return null;
        }

        ErrorCode code = (ErrorCode)JobOutcomes.ExitCode(status);
        return new ReportError(
            code.ToString(),
            status.Error?.Party is { Length: > 0 } party ? party : DemoConfiguration.Coordinator,
            status.Error?.Step ?? "",
            Error.OneLine(status.Error?.Message is { Length: > 0 } message ? message : $"The job ended as {JobOutcomes.Word(status.State)}."));
    }

    // Tells the coordinator, which tells the parties; whoever has not followed after fifteen seconds is ended with its tree.
    private async Task CancelAsync(string job, Task<JobStatus> watch)
    {
        using CancellationTokenSource patience = new(s_cancelPatience);
        try
        {
            await client.CancelAsync(job, JobFiles.SignCancellation(job, analyst), patience.Token);
            await watch.WaitAsync(patience.Token);
            await allPartiesDone.WaitAsync(patience.Token);
        }
        catch (Exception e) when (e is VertFedException or OperationCanceledException)
        {
            note($"The job was not cancelled in order: {Error.OneLine(e.Message)}");
        }
    }
}
