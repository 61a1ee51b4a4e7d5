using VertFed.PartyNode.Hosting;

return await PartyCommand.RunAsync(args, Console.OpenStandardInput(), Console.Out, Console.Error);
