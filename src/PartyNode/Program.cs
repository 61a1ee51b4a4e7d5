using VertFed.PartyNode.Control;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Profiling;
using VertFed.PartyNode.Replay;
using VertFed.PartyNode.Scoring;

return args switch
{
    [ReplayCommand.Name, .. string[] rest] => await ReplayCommand.RunAsync(rest, Console.Out, Console.Error, CancellationToken.None),
    [ProfileCommand.Name, .. string[] rest] => await ProfileCommand.RunAsync(rest, Console.Out, Console.Error, CancellationToken.None),
    [ScoreCommand.Name, .. string[] rest] => await ScoreCommand.RunUntilToldAsync(rest, Console.Out, Console.Error),
    [var verb, ..] when ModelCommand.Verbs.Contains(verb) => await ModelCommand.RunAsync(args, Console.Out, Console.Error, CancellationToken.None),
    [var verb, ..] when ControlCommand.Verbs.Contains(verb) => await ControlCommand.RunAsync(args, Console.Out, Console.Error, CancellationToken.None),
    _ => await PartyCommand.RunAsync(args, Console.OpenStandardInput(), Console.Out, Console.Error),
};
