using System.Globalization;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// Every line that the node logs, on standard error. None takes an id, a value of a row or key material: an unexpected
/// exception is logged by type and place, not by its message, which could quote data.
/// </summary>
public sealed class NodeLog(TextWriter output, TimeProvider time)
{
    private readonly Lock _gate = new();

    public void Starting(string party, string version, string dataFolder) =>
        Write("info", $"party '{party}', version {version}, data folder {dataFolder}");

    public void Registered(string coordinatorVersion, int runningJobs) =>
        Write("info", string.Create(CultureInfo.InvariantCulture, $"registered; coordinator {Shown(coordinatorVersion)}, {runningJobs} running job(s)"));

    public void Disconnected(string reason, TimeSpan retryIn) =>
        Write("warn", string.Create(CultureInfo.InvariantCulture, $"connection lost ({Shown(reason)}); next try in {retryIn.TotalSeconds:0.0} s"));

    public void Offered(string job, string title) => Write("info", $"job {job} offered ({Shown(title)})");

    public void OfferUnreadable(string why) => Write("warn", $"an offer was dropped: {Shown(why)}");

    public void OfferRepeated(string job) => Write("info", $"job {job} offered again");

    public void Loaded(string job, string source, string format, int rows, int columns, double seconds) =>
        Write("info", string.Create(CultureInfo.InvariantCulture, $"job {job}: {source} loaded ({format}), {rows} rows, {columns} features, {seconds:0.00} s"));

    public void Accepted(string job) => Write("info", $"job {job} accepted");

    public void Refused(string job, JobError error) => Write("warn", $"job {job} refused: {error.Code}: {Shown(error.Message)}");

    public void Resuming(string job, uint attempt) =>
        Write("info", string.Create(CultureInfo.InvariantCulture, $"job {job}: resuming attempt {attempt} from the journal"));

    public void UnknownRunningJob(string job) => Write("warn", $"job {job} runs at the coordinator, and this node has no record of it");

    public void PhaseStarted(string job, Phase phase) => Write("info", $"job {job}: {ProgressWriter.Name(phase)}");

    public void Ended(string job, string status, JobError? error) =>
        Write(error is null ? "info" : "warn", error is null ? $"job {job}: {status}" : $"job {job}: {status}: {error.Code}: {Shown(error.Message)}");

    public void EndedAtCoordinator(string job, JobState state) => Write("info", $"job {job}: the coordinator ended it as {state}");

    public void CoSigned(string job, Phase phase) => Write("info", $"job {job}: co-signed the checkpoint at the end of {ProgressWriter.Name(phase)}");

    public void NotCoSigned(string job, Phase phase, string why) =>
        Write("warn", $"job {Shown(job)}: not co-signed, the checkpoint at the end of {ProgressWriter.Name(phase)}: {Shown(why)}");

    public void CheckpointRefused(string job, Phase phase, string why) =>
        Write("error", $"job {job}: THE COORDINATOR'S RECORD IS NOT THIS PARTY'S, at the end of {ProgressWriter.Name(phase)}: {Shown(why)}");

    public void CheckpointNotAnswered(string job, Phase phase, string why) =>
        Write("error", $"job {Shown(job)}: no answer to the checkpoint at the end of {ProgressWriter.Name(phase)} for now: {Shown(why)}");

    public void CheckpointDropped(string job) => Write("warn", $"job {Shown(job)}: a checkpoint was dropped, too many wait for an answer");

    public void NotWritten(string job, string file, string why) => Write("error", $"job {job}: {file} was not written: {Shown(why)}");

    public void Pruned(int jobs, TimeSpan kept) => Write(
        "info", string.Create(CultureInfo.InvariantCulture, $"envelopes and seeds of {jobs} job(s) forgotten, which ended more than {kept.TotalDays:0} days ago"));

    public void NotPruned(string why) => Write("error", $"what is past its keep was not forgotten for now: {Shown(why)}");

    public void Unexpected(string job, Exception error) =>
        Write("error", $"job {job}: unexpected {error.GetType().FullName}\n{error.StackTrace}");

    public void Stopping(string why) => Write("info", $"stopping: {why}");

    /// <summary>Text from outside, on one line and of bounded length.</summary>
    private static string Shown(string text) =>
        string.Concat(text.Take(2000).Select(c => char.IsControl(c) ? ' ' : c));

    private void Write(string level, string text)
    {
        string stamp = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        lock (_gate)
        {
            output.WriteLine($"{stamp} {level,-5} {text}");
            output.Flush();
        }
    }
}
