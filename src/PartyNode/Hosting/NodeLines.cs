using Microsoft.Extensions.Logging;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// The texts of every line that a party node logs, each with its event id, from 201 on; docs/operations.md lists them. None takes an
/// id, a value of a row or key material. A number stays with its meaning for ever.
/// </summary>
internal static partial class NodeLines
{
    [LoggerMessage(201, LogLevel.Information, "party '{Party}', version {Version}, data folder {DataFolder}")]
    public static partial void Starting(ILogger logger, string party, string version, string dataFolder);

    [LoggerMessage(202, LogLevel.Information, "registered; coordinator {CoordinatorVersion}, {RunningJobs} running job(s)")]
    public static partial void Registered(ILogger logger, string coordinatorVersion, int runningJobs);

    [LoggerMessage(203, LogLevel.Warning, "connection lost ({Reason}); next try in {RetrySeconds:0.0} s")]
    public static partial void Disconnected(ILogger logger, string reason, double retrySeconds);

    [LoggerMessage(204, LogLevel.Information, "stopping: {Why}")]
    public static partial void Stopping(ILogger logger, string why);

    [LoggerMessage(205, LogLevel.Warning, "the policy is looser than the defaults in: {Values}")]
    public static partial void Loosened(ILogger logger, string values);

    [LoggerMessage(206, LogLevel.Warning, "the operator's commands cannot reach this node: {Why}")]
    public static partial void NoControlSocket(ILogger logger, string why);

    [LoggerMessage(207, LogLevel.Error, "operator's command: unexpected failure")]
    public static partial void ControlFailed(ILogger logger, Exception exception);

    [LoggerMessage(208, LogLevel.Information, "identities and trust were read again: key {Fingerprint}, {Peers} peers, {Submitters} submitters; {Ended} job(s) of keys that are not trusted any more are ended")]
    public static partial void Reloaded(ILogger logger, string fingerprint, int peers, int submitters, int ended);

    [LoggerMessage(209, LogLevel.Error, "the configuration was not taken, identities and trust stay as they were: {Why}")]
    public static partial void NotReloaded(ILogger logger, string why);

    [LoggerMessage(250, LogLevel.Information, "metrics and health at {Address}")]
    public static partial void Admin(ILogger logger, string address);

    [LoggerMessage(251, LogLevel.Warning, "metrics and health at {Address}, which other machines can read, in the clear and without a password")]
    public static partial void AdminNotLoopback(ILogger logger, string address);

    [LoggerMessage(252, LogLevel.Information, "told to stop: no more jobs are taken, running ones have {Seconds} s")]
    public static partial void Draining(ILogger logger, double seconds);

    [LoggerMessage(253, LogLevel.Information, "job {Job} is offered, or runs, while the node stops; its next run takes it up")]
    public static partial void OfferLeft(ILogger logger, string job);

    [LoggerMessage(210, LogLevel.Information, "job {Job} offered ({Title})")]
    public static partial void Offered(ILogger logger, string job, string title);

    [LoggerMessage(211, LogLevel.Warning, "an offer was dropped: {Why}")]
    public static partial void OfferUnreadable(ILogger logger, string why);

    [LoggerMessage(212, LogLevel.Information, "job {Job} offered again")]
    public static partial void OfferRepeated(ILogger logger, string job);

    [LoggerMessage(213, LogLevel.Information, "job {Job}: {Source} loaded ({Format}), {Rows} rows, {Columns} features, {Seconds:0.00} s")]
    public static partial void Loaded(ILogger logger, string job, string source, string format, int rows, int columns, double seconds);

    [LoggerMessage(214, LogLevel.Information, "job {Job} accepted")]
    public static partial void Accepted(ILogger logger, string job);

    [LoggerMessage(215, LogLevel.Warning, "job {Job} refused: {Code}: {Why}")]
    public static partial void Refused(ILogger logger, string job, string code, string why);

    [LoggerMessage(216, LogLevel.Information, "job {Job}: resuming attempt {Attempt} from the journal")]
    public static partial void Resuming(ILogger logger, string job, uint attempt);

    [LoggerMessage(217, LogLevel.Warning, "job {Job} runs at the coordinator, and this node has no record of it")]
    public static partial void UnknownRunningJob(ILogger logger, string job);

    [LoggerMessage(243, LogLevel.Warning, "job {Job} runs at the coordinator, but this node refused it, has ended it or still asks its operator")]
    public static partial void NotResumed(ILogger logger, string job);

    [LoggerMessage(244, LogLevel.Information, "job {Job} waits for its peer and leaves its lane to a job that goes first")]
    public static partial void GaveWay(ILogger logger, string job);

    [LoggerMessage(218, LogLevel.Warning, "job {Job}: rule '{Rule}' warns: {Why}")]
    public static partial void RuleWarns(ILogger logger, string job, string rule, string why);

    [LoggerMessage(219, LogLevel.Warning, "job {Job}: columns that the policy's features leave out: {Columns}")]
    public static partial void ColumnsNotAllowed(ILogger logger, string job, string columns);

    [LoggerMessage(220, LogLevel.Information, "job {Job}: {Phase}")]
    public static partial void PhaseStarted(ILogger logger, string job, string phase);

    [LoggerMessage(221, LogLevel.Information, "job {Job}: {Status}")]
    public static partial void Ended(ILogger logger, string job, string status);

    [LoggerMessage(222, LogLevel.Warning, "job {Job}: {Status}: {Code}: {Why}")]
    public static partial void EndedWithError(ILogger logger, string job, string status, string code, string why);

    [LoggerMessage(223, LogLevel.Information, "job {Job}: the coordinator ended it as {State}")]
    public static partial void EndedAtCoordinator(ILogger logger, string job, JobState state);

    [LoggerMessage(224, LogLevel.Error, "job {Job}: {File} was not written: {Why}")]
    public static partial void NotWritten(ILogger logger, string job, string file, string why);

    [LoggerMessage(225, LogLevel.Error, "job {Job}: unexpected failure")]
    public static partial void Unexpected(ILogger logger, Exception exception, string job);

    [LoggerMessage(226, LogLevel.Information, "job {Job} waits for approval until {DecideBefore}: vertfed party approve|refuse {Job}")]
    public static partial void Held(ILogger logger, string job, string decideBefore);

    [LoggerMessage(227, LogLevel.Information, "job {Job}: the operator {Decision} it")]
    public static partial void Decided(ILogger logger, string job, string decision);

    [LoggerMessage(228, LogLevel.Information, "dry run {Request}: {Verdict}")]
    public static partial void DryRun(ILogger logger, string request, string verdict);

    [LoggerMessage(229, LogLevel.Warning, "a dry run was dropped: {Why}")]
    public static partial void DryRunDropped(ILogger logger, string why);

    [LoggerMessage(230, LogLevel.Information, "job {Job}: co-signed the checkpoint at the end of {Phase}")]
    public static partial void CoSigned(ILogger logger, string job, string phase);

    [LoggerMessage(231, LogLevel.Warning, "job {Job}: not co-signed, the checkpoint at the end of {Phase}: {Why}")]
    public static partial void NotCoSigned(ILogger logger, string job, string phase, string why);

    [LoggerMessage(232, LogLevel.Error, "job {Job}: THE COORDINATOR'S RECORD IS NOT THIS PARTY'S, at the end of {Phase}: {Why}")]
    public static partial void CheckpointRefused(ILogger logger, string job, string phase, string why);

    [LoggerMessage(233, LogLevel.Error, "job {Job}: no answer to the checkpoint at the end of {Phase} for now: {Why}")]
    public static partial void CheckpointNotAnswered(ILogger logger, string job, string phase, string why);

    [LoggerMessage(234, LogLevel.Warning, "job {Job}: a checkpoint was dropped, too many wait for an answer")]
    public static partial void CheckpointDropped(ILogger logger, string job);

    [LoggerMessage(235, LogLevel.Information, "model of job {Job}: {State}")]
    public static partial void ModelChanged(ILogger logger, string job, string state);

    [LoggerMessage(236, LogLevel.Error, "model of job {Job}: what the store holds of it is damaged; it scores nothing")]
    public static partial void ModelDamaged(ILogger logger, string job);

    [LoggerMessage(238, LogLevel.Error, "a dry run came to an unexpected failure")]
    public static partial void DryRunFailed(ILogger logger, Exception exception);

    [LoggerMessage(239, LogLevel.Warning, "dry run {Request}: the job would fail here: {Code}: {Why}")]
    public static partial void DryRunInput(ILogger logger, string request, string code, string why);

    [LoggerMessage(240, LogLevel.Information, "envelopes and seeds of {Jobs} job(s) forgotten, which ended more than {Days:0} days ago")]
    public static partial void Pruned(ILogger logger, int jobs, double days);

    [LoggerMessage(241, LogLevel.Error, "what is past its keep was not forgotten for now: {Why}")]
    public static partial void NotPruned(ILogger logger, string why);

    [LoggerMessage(242, LogLevel.Information, "{Intersections} intersection(s) forgotten, which are no longer compared with")]
    public static partial void IntersectionsForgotten(ILogger logger, int intersections);
}
