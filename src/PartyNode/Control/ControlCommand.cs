using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Control;

/// <summary>
/// What an operator says to the running node of a configuration: <c>jobs --config FILE [--held] [--json]</c>, <c>privacy</c>, <c>show JOB</c>,
/// <c>approve JOB</c> and <c>refuse JOB [--reason TEXT]</c>, each with <c>--config FILE [--json]</c>. Exit codes are those of <see cref="ErrorCode"/>.
/// </summary>
internal static class ControlCommand
{
    private const string Usage = "usage: party jobs|privacy|show JOB|approve JOB|refuse JOB --config FILE [--held] [--reason TEXT] [--json]";

    /// <summary>The words that lead here instead of to a running node.</summary>
    public static IReadOnlyList<string> Verbs { get; } = ["jobs", "privacy", "show", "approve", "refuse"];

    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors, CancellationToken cancellationToken)
    {
        try
        {
            Arguments given = Parse(arguments);
            using ControlClient client = new(PartyConfig.Load(given.Config));
            await RunAsync(given, client, output, cancellationToken);
            return 0;
        }
        catch (VertFedException exception)
        {
            await errors.WriteLineAsync($"error: {exception.Message}");
            return (int)exception.Code;
        }
    }

    private static async Task RunAsync(Arguments given, ControlClient client, TextWriter output, CancellationToken cancellationToken)
    {
        if (given.Verb == "jobs")
        {
            NodeJobs jobs = await client.CallAsync((node, options) => node.ListJobsAsync(new NodeListRequest { Held = given.Held }, options), cancellationToken);
            Print(jobs, given.Json, output, () => ControlText.WriteJobs(jobs.Jobs, output));
            return;
        }

        if (given.Verb == "privacy")
        {
            NodePrivacy privacy = await client.CallAsync((node, options) => node.ShowPrivacyAsync(new NodePrivacyRequest(), options), cancellationToken);
            Print(privacy, given.Json, output, () => ControlText.WritePrivacy(privacy, output));
            return;
        }

        NodeDecision decision = new() { Job = given.Job, Reason = given.Reason };
        NodeJob job = await client.CallAsync(
            (node, options) => given.Verb switch
            {
                "show" => node.ShowJobAsync(new NodeJobRequest { Job = given.Job }, options),
                "approve" => node.ApproveAsync(decision, options),
                _ => node.RefuseAsync(decision, options),
            },
            cancellationToken);
        Print(job, given.Json, output, () => ControlText.WriteJob(job, given.Verb == "show", output));
    }

    private static void Print(IMessage message, bool json, TextWriter output, Action text)
    {
        if (json)
        {
            output.WriteLine(JsonFormatter.Default.Format(message));
        }
        else
        {
            text();
        }
    }

    private static Arguments Parse(IReadOnlyList<string> arguments)
    {
        Arguments given = new(arguments[0], "", "", "", Held: false, Json: false);
        for (int i = 1; i < arguments.Count; i++)
        {
            bool hasNext = i + 1 < arguments.Count;
            given = arguments[i] switch
            {
                "--config" when given.Config.Length == 0 && hasNext => given with { Config = arguments[++i] },
                "--reason" when given.Verb is "approve" or "refuse" && given.Reason.Length == 0 && hasNext => given with { Reason = arguments[++i] },
                "--held" when given.Verb == "jobs" => given with { Held = true },
                "--json" => given with { Json = true },
                { } word when NeedsJob(given.Verb) && given.Job.Length == 0 && !word.StartsWith('-') => given with { Job = word },
                { } word => throw new VertFedException(ErrorCode.Usage, $"unexpected argument '{word}'; {Usage}"),
            };
        }

        return given.Config.Length > 0 && NeedsJob(given.Verb) == given.Job.Length > 0 ? given : throw new VertFedException(ErrorCode.Usage, Usage);
    }

    private static bool NeedsJob(string verb) => verb is not ("jobs" or "privacy");

    private sealed record Arguments(string Verb, string Config, string Job, string Reason, bool Held, bool Json);
}
