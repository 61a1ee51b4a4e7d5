using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using VertFed.Models;

namespace VertFed.Cli.Sample;

/// <summary>`sample`: writes a synthetic bank.csv and retailer.csv of any size.</summary>
internal static class SampleCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<long> rows = Numbers.Between("--rows", "Rows on each side.", 20_000L, 10, 100_000_000);
        Option<int> bankFeatures = Numbers.Between("--bank-features", "Feature columns of the bank.", 10, 1, 4000);
        Option<int> retailerFeatures = Numbers.Between("--retailer-features", "Feature columns of the retailer.", 10, 1, 4000);
        Option<double> overlap = Numbers.Between("--overlap", "Share of each side's rows that the other side has too.", 0.7, 0.0, 1.0);
        Option<ulong> seed = new("--seed") { Description = "Seed; the same seed writes the same bytes.", DefaultValueFactory = static _ => 1 };
        Option<string> output = new("--out") { Description = "Folder for bank.csv and retailer.csv, which must not be there yet.", HelpName = "DIR", Required = true };
        Option<bool> json = CommandLine.Json();
        Command command = new("sample", "Write a synthetic pair: bank.csv (id, y, features) and retailer.csv (id, features), with a signal that needs both.")
        {
            rows, bankFeatures, retailerFeatures, overlap, seed, output, json,
        };
        command.SetAction((result, cancellationToken) =>
        {
            Stopwatch clock = Stopwatch.StartNew();
            SyntheticPairOptions options = new(
                result.GetValue(rows), result.GetValue(bankFeatures), result.GetValue(retailerFeatures), result.GetValue(overlap), result.GetValue(seed));
            SampleSummary summary = SampleFiles.Write(options, Path.GetFullPath(result.GetRequiredValue(output)), cancellationToken);
            if (result.GetValue(json))
            {
                terminal.Output.WriteLine(JsonSerializer.Serialize(summary, SampleJson.Default.SampleSummary));
                return Task.FromResult(0);
            }

            terminal.Output.WriteLine(summary.Bank);
            terminal.Output.WriteLine(summary.Retailer);
            terminal.Info(string.Create(
                CultureInfo.InvariantCulture,
                $"{options.Rows:N0} rows each, {(summary.BankBytes + summary.RetailerBytes) / 1e6:0.0} MB in {clock.Elapsed.TotalSeconds:0.0} s"));
            return Task.FromResult(0);
        });
        return command;
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(SampleSummary))]
internal sealed partial class SampleJson : JsonSerializerContext;
