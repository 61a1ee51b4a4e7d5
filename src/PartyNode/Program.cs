using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Profiling;
using VertFed.PartyNode.Replay;

return args is [ReplayCommand.Name, .. string[] rest]
    ? await ReplayCommand.RunAsync(rest, Console.Out, Console.Error, CancellationToken.None)
    : args is [ProfileCommand.Name, .. string[] profiled]
    ? await ProfileCommand.RunAsync(profiled, Console.Out, Console.Error, CancellationToken.None)
    : await PartyCommand.RunAsync(args, Console.OpenStandardInput(), Console.Out, Console.Error);
