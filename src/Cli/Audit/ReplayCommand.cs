using System.CommandLine;
using VertFed.Cli.Hosts;
using VertFed.Protocol;
using VertFed.Transcript;

namespace VertFed.Cli.Audit;

/// <summary>
/// `audit replay`: verifies the transcript, then has the party program run each given party's side of it again. With both parties and
/// --joint, the whole job and the model.
/// </summary>
internal static class ReplayCommand
{
    public static Command Create(Terminal terminal)
    {
        Argument<string> file = AuditCommand.TranscriptFile();
        Option<string[]> configs = new("--party-config")
        {
            Description = "Configuration of a party whose data and secrets are here; may be given for each.",
            Required = true,
            HelpName = "FILE",
        };
        Option<bool> joint = new("--joint") { Description = "Replay both parties and show the model that comes out." };
        Option<bool> json = CommandLine.Json();
        Command command = new("replay", "Run a party's side again from its data and seed, and compare every message byte for byte.") { file, configs, joint, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            string[] parties = result.GetRequiredValue(configs);
            bool both = result.GetValue(joint);
            bool isHorizontal = TranscriptFormat.IsHorizontal(result.GetRequiredValue(file));
            if (isHorizontal && both)
            {
                throw Error.Job(ErrorCode.Usage, "--joint puts two halves of a model together; every party of a horizontal job has the whole one.");
            }

            if (!isHorizontal && (parties.Length > 2 || (both && parties.Length != 2)))
            {
                throw Error.Job(ErrorCode.Usage, "A transcript has two parties: --party-config may be given twice, and must be with --joint.");
            }

            return await RunAsync(result.GetRequiredValue(file), parties, both, result.GetValue(json), terminal, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        string file, string[] parties, bool joint, bool json, Terminal terminal, CancellationToken cancellationToken)
    {
        Verdict verdict = await AuditCommand.VerifyAsync(file, new VerifyOptions(), terminal, cancellationToken);
        if (!verdict.IsVerified)
        {
            throw Error.Job(ErrorCode.DoesNotVerify, $"{file} {verdict.Summary}");
        }

        List<NodeEvent> outcomes = [];
        foreach (string config in parties)
        {
            outcomes.Add(await ReplayAsync(file, config, joint, terminal, cancellationToken));
        }

        if (joint && outcomes.Select(outcome => outcome.Text("party")).Distinct(StringComparer.Ordinal).Count() != 2)
        {
            throw Error.Job(ErrorCode.Usage, "--joint takes the configurations of both parties; these are of one.");
        }

        if (json)
        {
            terminal.Output.WriteLine($"{{\"replays\":[{string.Join(',', outcomes.Select(outcome => outcome.Json))}]}}");
        }
        else
        {
            foreach (NodeEvent outcome in outcomes)
            {
                AuditText.WriteReplay(terminal.Output, outcome);
            }

            if (joint && outcomes.TrueForAll(IsFaithful))
            {
                terminal.Output.WriteLine("The whole job and both halves of the model follow from the parties' data and seeds.");
            }
        }

        return outcomes.TrueForAll(IsFaithful) ? 0 : (int)ErrorCode.Diverges;
    }

    private static bool IsFaithful(NodeEvent outcome) => outcome.Flag("faithful") == true;

    private static async Task<NodeEvent> ReplayAsync(string file, string config, bool withModel, Terminal terminal, CancellationToken cancellationToken)
    {
        NodeEvent? outcome = null;
        string log = Path.Combine(Path.GetTempPath(), $"vertfed-replay-{Environment.ProcessId}.log");
        using PercentLine line = new(terminal, "Replaying");
        List<string> arguments = ["replay", Path.GetFullPath(file), "--config", Path.GetFullPath(config)];
        if (withModel)
        {
            arguments.Add("--with-model");
        }

        try
        {
            await using HostProcess party = HostProcess.Start("party", HostLocator.PartyNode, arguments, log, OnEvent);
            int code = await party.Exited.WaitAsync(cancellationToken);
            return outcome ?? throw party.EndedEarly(code);
        }
        finally
        {
            File.Delete(log);
        }

        void OnEvent(NodeEvent nodeEvent)
        {
            switch (nodeEvent.Name)
            {
                case "replay_progress":
                    line.Show((long)(nodeEvent.Number("reached") ?? 0), Math.Max(1, (long)(nodeEvent.Number("recorded") ?? 1)));
                    break;
                case "replay":
                    outcome = nodeEvent;
                    break;
            }
        }
    }
}
