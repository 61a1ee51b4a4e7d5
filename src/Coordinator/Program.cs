using VertFed.Coordinator.Hosting;

return await CoordinatorCommand.RunAsync(args, Console.Out, Console.Error);
