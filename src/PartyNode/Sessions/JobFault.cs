using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Sessions;

/// <summary>How a job ended other than with a result: the state and the error that the coordinator and the report get.</summary>
public sealed record JobFault(JobState State, JobError Error)
{
    private const int LongestMessage = 1000;

    /// <summary>From an exception. One that nobody expected gives its type only: its message could quote data.</summary>
    public static JobFault From(Exception exception, string party)
    {
        if (exception is VertFedException known)
        {
            string who = known.Party.Length > 0 ? known.Party : party;
            return Make(known.Code, who, known.Step, known.Message);
        }

        return Make(ErrorCode.Internal, party, "", $"internal fault ({exception.GetType().Name})");
    }

    public static JobFault Make(ErrorCode code, string party, string step, string message)
    {
        JobState state = code switch
        {
            ErrorCode.Refused => JobState.Refused,
            ErrorCode.Cancelled => JobState.Cancelled,
            _ => JobState.Failed,
        };
        string line = string.Concat(message.Take(LongestMessage).Select(c => char.IsControl(c) ? ' ' : c));
        return new JobFault(state, new JobError { Code = code.ToString(), Party = party, Step = step, Message = line });
    }

    /// <summary>The end that the coordinator announced, as this party's own.</summary>
    public static JobFault From(JobEnd end, string party)
    {
        JobState state = end.State is JobState.Refused or JobState.Cancelled ? end.State : JobState.Failed;
        return end.Error is { Message.Length: > 0 } error
            ? new JobFault(state, error)
            : state == JobState.Cancelled
                ? Make(ErrorCode.Cancelled, "coordinator", "", "cancelled")
                : Make(ErrorCode.PeerUnavailable, party, "", "the coordinator ended the job");
    }
}
