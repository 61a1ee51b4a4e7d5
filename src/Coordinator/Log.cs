using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator;

/// <summary>Every log line of the coordinator. None takes a payload, a key or a signature.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "listening on {Address}, store {Store}, {OpenJobs} open jobs")]
    public static partial void Listening(ILogger logger, string address, string store, int openJobs);

    [LoggerMessage(2, LogLevel.Information, "stopping")]
    public static partial void Stopping(ILogger logger);

    [LoggerMessage(50, LogLevel.Warning, "a TLS handshake was refused: {Reason}")]
    public static partial void HandshakeRefused(ILogger logger, string reason);

    [LoggerMessage(52, LogLevel.Warning, "{Count} more denials of {Whom} in one minute are not in the access log")]
    public static partial void DenialsNotKept(ILogger logger, int count, string whom);

    [LoggerMessage(53, LogLevel.Warning, "a connection of key {Fingerprint} was closed: too many of it are open")]
    public static partial void TooManyConnections(ILogger logger, string fingerprint);

    [LoggerMessage(56, LogLevel.Warning, "too many TLS handshakes at once: {Count} connections were closed unread since the start")]
    public static partial void TooManyHandshakes(ILogger logger, long count);

    [LoggerMessage(54, LogLevel.Information, "trust was read again: {Parties} parties, {Principals} principals; {Closed} connections of keys whose trust changed were closed")]
    public static partial void TrustReplaced(ILogger logger, int parties, int principals, int closed);

    [LoggerMessage(55, LogLevel.Error, "the configuration was not taken, what was trusted before still is: {Reason}")]
    public static partial void TrustNotReplaced(ILogger logger, string reason);

    [LoggerMessage(51, LogLevel.Warning, "a call of key {Fingerprint} to {Method} was denied: {Reason}")]
    public static partial void CallDenied(ILogger logger, string fingerprint, string method, string reason);

    [LoggerMessage(4, LogLevel.Information, "metrics and health at {Address}")]
    public static partial void Admin(ILogger logger, string address);

    [LoggerMessage(5, LogLevel.Warning, "metrics and health at {Address}, which other machines can read, in the clear and without a password")]
    public static partial void AdminNotLoopback(ILogger logger, string address);

    [LoggerMessage(6, LogLevel.Information, "told to stop: no more jobs are taken, running ones have {Seconds} s")]
    public static partial void Draining(ILogger logger, double seconds);

    [LoggerMessage(7, LogLevel.Information, "{Jobs} jobs still run and go on when the coordinator is started again")]
    public static partial void StillRunning(ILogger logger, int jobs);

    [LoggerMessage(10, LogLevel.Information, "party {Party} connected, software {Version}")]
    public static partial void Connected(ILogger logger, string party, string version);

    [LoggerMessage(11, LogLevel.Information, "party {Party} disconnected")]
    public static partial void Disconnected(ILogger logger, string party);

    [LoggerMessage(12, LogLevel.Warning, "a connection as {Party} was refused: {Reason}")]
    public static partial void RegistrationRefused(ILogger logger, string party, string reason);

    [LoggerMessage(13, LogLevel.Warning, "party {Party} broke a rule, its stream is closed: {Code}: {Reason}")]
    public static partial void RuleBroken(ILogger logger, string party, ErrorCode code, string reason);

    [LoggerMessage(19, LogLevel.Warning, "party {Party} still has key {Fingerprint}, which is not admitted (any more); jobs that name it do not go on")]
    public static partial void PreviousNotAdmitted(ILogger logger, string party, string fingerprint);

    [LoggerMessage(14, LogLevel.Information, "a newer connection of party {Party} replaces the older")]
    public static partial void Replaced(ILogger logger, string party);

    [LoggerMessage(20, LogLevel.Information, "job {Job} submitted: {LabelParty} and {FeatureParty}")]
    public static partial void Submitted(ILogger logger, string job, string labelParty, string featureParty);

    [LoggerMessage(21, LogLevel.Information, "job {Job} is {State}")]
    public static partial void StateChanged(ILogger logger, string job, JobState state);

    [LoggerMessage(22, LogLevel.Information, "job {Job} is {State}: {Code} by {Party} at {Step}: {Reason}")]
    public static partial void EndedWithError(ILogger logger, string job, JobState state, string code, string party, string step, string reason);

    [LoggerMessage(23, LogLevel.Debug, "job {Job}: envelope {Sequence} of {Sender}, {Step}, {Bytes} bytes: {Outcome}")]
    public static partial void Deposited(ILogger logger, string job, long sequence, Role sender, Step step, long bytes, Storage.DepositOutcome outcome);

    [LoggerMessage(24, LogLevel.Information, "job {Job}: checkpoint at the end of {Phase}, {Entries} entries")]
    public static partial void Checkpoint(ILogger logger, string job, Phase phase, long entries);

    [LoggerMessage(25, LogLevel.Information, "job {Job}: party {Party} co-signed the checkpoint at the end of {Phase}")]
    public static partial void CoSigned(ILogger logger, string job, string party, Phase phase);

    [LoggerMessage(26, LogLevel.Warning, "job {Job}: party {Party} does not co-sign the checkpoint at the end of {Phase}: {Code}: {Reason}")]
    public static partial void NotCoSigned(ILogger logger, string job, string party, Phase phase, string code, string reason);

    [LoggerMessage(27, LogLevel.Warning, "job {Job}: party {Party} has another checkpoint key than the one it began the job with; nothing is proposed to it")]
    public static partial void OtherCheckpointKey(ILogger logger, string job, string party);

    [LoggerMessage(28, LogLevel.Information, "job {Job}: party {Party} asks its operator, for at most {Seconds} s")]
    public static partial void Held(ILogger logger, string job, string party, long seconds);

    [LoggerMessage(29, LogLevel.Information, "job {Job}, {State}: party {Party} speaks of its model, and there is none yet")]
    public static partial void NoModel(ILogger logger, string job, string party, JobState state);

    [LoggerMessage(33, LogLevel.Information, "horizontal job {Job} submitted, {Parties} parties")]
    public static partial void RoundJobSubmitted(ILogger logger, string job, int parties);

    [LoggerMessage(34, LogLevel.Information, "horizontal job {Job} is {State} {Code} {Reason}")]
    public static partial void RoundJobEnded(ILogger logger, string job, JobState state, string code, string reason);

    [LoggerMessage(30, LogLevel.Error, "unexpected failure in {Where}, incident {Incident}")]
    public static partial void Unexpected(ILogger logger, Exception exception, string where, string incident);

    [LoggerMessage(31, LogLevel.Error, "{Where}: {Reason}")]
    public static partial void StoreFailed(ILogger logger, string where, string reason);

    [LoggerMessage(32, LogLevel.Error, "{Where}, incident {Incident}: {Reason}")]
    public static partial void CallFailed(ILogger logger, string where, string incident, string reason);
}
