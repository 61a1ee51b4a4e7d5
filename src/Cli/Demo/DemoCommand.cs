using System.CommandLine;
using System.Globalization;

namespace VertFed.Cli.Demo;

/// <summary>`demo`: two parties and a coordinator on this machine, from data to report.</summary>
internal static class DemoCommand
{
    private const int DeadlineSeconds = 900;
    private const long SampleRows = 20_000;

    public static Command Create(Terminal terminal)
    {
        Option<string?> data = new("--data") { Description = "Folder with bank.csv (id, y, features) and retailer.csv (id, features). Default: a generated sample.", HelpName = "DIR" };
        Option<string?> output = new("--out") { Description = "Folder for the report and all else; new or empty. Default: ./demo-out/<UTC time>.", HelpName = "DIR" };
        Option<string> family = new("--family") { Description = "Model family.", DefaultValueFactory = static _ => "logistic" };
        family.AcceptOnlyFromAmong("logistic", "linear");
        Option<double> l2 = Numbers.Between("--l2", "The penalty lambda of lambda/2 ||w||^2.", 1e-3, 1e-6, 1e3);
        Option<double> holdout = Numbers.Between("--holdout", "Share of the common rows that go to the test set.", 0.2, 0, 0.9);
        Option<ulong> seed = new("--seed") { Description = "Seed of the generated sample.", DefaultValueFactory = static _ => 1 };
        Option<long> rows = Numbers.Between("--rows", "Rows of the generated sample on each side.", SampleRows, 10, 10_000_000);
        Option<bool> accept = new("--accept-disclosure-risk") { Description = "Run what a guard would refuse, and say so in the report." };
        Option<bool> score = new("--score") { Description = "Then score new customers with the model, and compare with the joined table. With --data, they are in DIR/new-customers." };
        Option<bool> json = new("--json") { Description = "Print report.json instead of the readable report." };
        Command command = new("demo", "Run a coordinator, a bank and a retailer on this machine: align, train, evaluate, report.")
        {
            data, output, family, l2, holdout, seed, rows, accept, score, json,
        };
        command.Subcommands.Add(Horizontal.HorizontalDemoCommand.Create(terminal));
        command.SetAction(async (result, cancellationToken) =>
        {
            DemoOptions options = new(
                result.GetValue(data),
                result.GetValue(output) ?? Path.Combine("demo-out", DateTime.UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture)),
                result.GetRequiredValue(family),
                result.GetValue(l2),
                result.GetValue(holdout),
                result.GetValue(seed),
                result.GetValue(rows),
                result.GetValue(accept),
                DeadlineSeconds,
                result.GetValue(score));
            return await new DemoRun(options, terminal, result.GetValue(json)).RunAsync(cancellationToken);
        });
        return command;
    }
}
