using System.CommandLine;
using System.Globalization;
using VertFed.Horizontal.Aggregation;

namespace VertFed.Cli.Demo.Horizontal;

/// <summary>`demo horizontal`: five parties with the same columns and a coordinator on this machine, from data to report.</summary>
internal static class HorizontalDemoCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string?> data = new("--data") { Description = "File with all rows: numeric, with a header, a label y (0 or 1) and, if you like, an id. Default: a generated sample.", HelpName = "FILE" };
        Option<string?> output = new("--out") { Description = "Folder for the report and all else; new or empty. Default: ./demo-out/<UTC time>.", HelpName = "DIR" };
        Option<string> partition = new("--partition") { Description = "How rows are dealt to the nodes: iid, dirichlet:ALPHA, shards:K or feature-skew.", DefaultValueFactory = static _ => "iid" };
        Option<string> strategy = new("--strategy") { Description = $"How updates are aggregated: {string.Join(", ", StrategyParser.Forms)}.", DefaultValueFactory = static _ => "fedavg" };
        Option<int> rounds = Numbers.Between("--rounds", "Rounds.", 30, 1, 1000);
        Option<bool> secure = new("--secure") { Description = "Add updates up by secure aggregation: the coordinator learns sums alone." };
        Option<ulong> seed = new("--seed") { Description = "Seed of the sample, of the holdout and of the partition.", DefaultValueFactory = static _ => 1 };
        Option<int> rows = Numbers.Between("--rows", "Rows of the generated sample.", 20_000, 500, 1_000_000);
        Option<bool> json = new("--json") { Description = "Print report.json instead of the readable report." };
        Command command = new("horizontal", "Run a coordinator and five nodes that hold the same columns for different customers: train one logistic model, compare, report.")
        {
            data, output, partition, strategy, rounds, secure, seed, rows, json,
        };
        command.SetAction(async (result, cancellationToken) =>
        {
            HorizontalDemoOptions options = new(
                result.GetValue(data),
                result.GetValue(output) ?? Path.Combine("demo-out", DateTime.UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture)),
                result.GetRequiredValue(partition),
                result.GetRequiredValue(strategy),
                result.GetValue(rounds),
                result.GetValue(secure),
                result.GetValue(seed),
                result.GetValue(rows));
            return await new HorizontalDemoRun(options, terminal, result.GetValue(json)).RunAsync(cancellationToken);
        });
        return command;
    }
}
