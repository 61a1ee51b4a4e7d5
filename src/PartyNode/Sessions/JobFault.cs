using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Sessions;

/// <summary>How a job ended other than with a result.</summary>
/// <param name="Error">For the own operator: log, report, store. It may name files, columns and lines.</param>
public sealed record JobFault(JobState State, JobError Error)
{
    private const int LongestMessage = 1000;
    private const int LongestName = 64;
    private readonly JobError? _shared;

    /// <summary>For the peer, the coordinator and the submitter: it names no file, no column, no line and no path.</summary>
    public JobError Shared
    {
        get => _shared ?? Error;
        init => _shared = value;
    }

    /// <summary>From an exception. One that nobody expected gives its type only: its message could quote data.</summary>
    public static JobFault From(Exception exception, string party)
    {
        if (exception is VertFedException known)
        {
            string who = known.Party.Length > 0 ? known.Party : party;
            JobFault fault = Make(known.Code, who, known.Step, known.Message);
            return fault with
            {
                Shared = known.ForOthers.Length > 0 ? Make(known.Code, who, known.Step, known.ForOthers).Error : ForOthers(fault.Error, party),
            };
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
        return new JobFault(state, Cleaned(new JobError { Code = code.ToString(), Party = party, Step = step, Message = message }));
    }

    /// <summary>A party's own error as others may read it: what tells of its data, or of its disk, stays here.</summary>
    public static JobError ForOthers(JobError own, string party)
    {
        string? generic = own.Party.Length > 0 && own.Party != party ? null : own.Code switch
        {
            nameof(ErrorCode.BadInput) => $"the input of '{party}' does not fit its configuration or the job; its log and its own report say where",
            nameof(ErrorCode.Storage) => $"the storage of '{party}' failed; its log says how",
            nameof(ErrorCode.Usage) => $"the configuration of '{party}' does not fit; its log says where",
            _ => null,
        };
        return generic is null ? own : new JobError { Code = own.Code, Party = own.Party, Step = own.Step, Message = generic };
    }

    /// <summary>Of bounded length and without control characters; a code that is none becomes <see cref="ErrorCode.Internal"/>.</summary>
    private static JobError Cleaned(JobError error) => new()
    {
        Code = Enum.TryParse(error.Code, out ErrorCode code) && code.ToString() == error.Code ? error.Code : nameof(ErrorCode.Internal),
        Party = Line(error.Party, LongestName),
        Step = Line(error.Step, LongestName),
        Message = Line(error.Message, LongestMessage),
    };

    private static string Line(string text, int longest) => string.Concat(text.Take(longest).Select(c => char.IsControl(c) ? ' ' : c));

    /// <summary>The end that the coordinator announced, as this party's own; its words are outside input.</summary>
    public static JobFault From(JobEnd end, string party)
    {
        JobState state = end.State is JobState.Refused or JobState.Cancelled ? end.State : JobState.Failed;
        return end.Error is { Message.Length: > 0 } error
            ? new JobFault(state, Cleaned(error))
            : state == JobState.Cancelled
                ? Make(ErrorCode.Cancelled, "coordinator", "", "cancelled")
                : Make(ErrorCode.PeerUnavailable, party, "", "the coordinator ended the job");
    }
}
