using System.Globalization;
using System.Text;
using VertFed.Cli.Sample;
using VertFed.Cli.Simulate;
using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;
using VertFed.Models;
using VertFed.Primitives;
using VertFed.Protocol;

namespace VertFed.Cli.Demo.Horizontal;

/// <summary>All rows of the demo, as one table that only the demo has: dealt to the nodes, but for a holdout.</summary>
/// <param name="Names">Of the feature columns.</param>
/// <param name="Train">The rows of all nodes together.</param>
/// <param name="Test">The holdout.</param>
/// <param name="Dealt">[node]: its rows, by their places in <paramref name="Train"/>.</param>
internal sealed record HorizontalTable(string[] Names, Examples Train, Examples Test, int[][] Dealt)
{
    private const string Label = "y";
    private const int SampleFeatures = 10;

    /// <summary>Reads or makes the rows, keeps the holdout and deals the rest.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: not such a file. <see cref="ErrorCode.Usage"/>: not a partition, or too few rows for it.</exception>
    public static HorizontalTable Create(HorizontalDemoOptions options, DemoFolder folder, CancellationToken cancellationToken)
    {
        try
        {
            Partition partition = Partition.Parse(options.Partition);
            (string[] names, Examples all) = options.Data is { } path ? Read(path, cancellationToken) : Sample(options, folder, cancellationToken);
            int[] order = [.. Enumerable.Range(0, all.Count)];
            using RandomStreams streams = RandomStreams.InsecureFromSeed(options.Seed);
            using RandomStream holdout = streams.For("holdout", 0, RandomStreams.Server);
            Draws.Shuffle(holdout, order.AsSpan());
            int test = Math.Max(1, (int)Math.Round(HorizontalDemoOptions.Holdout * all.Count, MidpointRounding.ToEven));
            Examples train = all.Take(order.AsSpan(test));
            using RandomStream deal = streams.For("partition", 0, RandomStreams.Server);
            int[][] dealt = partition.Split(train, classes: true, HorizontalDemoOptions.Nodes.Count, deal);
            return new HorizontalTable(names, train, all.Take(order.AsSpan(0, test)), dealt);
        }
        catch (HorizontalException e)
        {
            throw new VertFedException(ErrorCode.Usage, e.Message, e);
        }
    }

    /// <summary>Writes a node's rows as the file that it reads: an id that counts its rows, the label, the features.</summary>
    public void Write(int node, string path, CancellationToken cancellationToken)
    {
        StringBuilder csv = new($"id,{Label},{string.Join(',', Names)}\n");
        foreach (int row in Dealt[node])
        {
            cancellationToken.ThrowIfCancellationRequested();
            csv.Append(CultureInfo.InvariantCulture, $"{row},{Train.Label(row):r}");
            foreach (double value in Train.Row(row))
            {
                csv.Append(CultureInfo.InvariantCulture, $",{value:r}");
            }

            csv.Append('\n');
        }

        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, csv.ToString());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.CannotWrite(path, e);
        }
    }

    private static (string[] Names, Examples Rows) Read(string path, CancellationToken cancellationToken)
    {
        SimulationTable table = SimulationCsv.Read(path, Label, cancellationToken);
        for (int row = 0; row < table.Rows.Count; row++)
        {
            if (table.Rows.Label(row) is not (0 or 1))
            {
                throw new VertFedException(ErrorCode.BadInput, $"{path}, line {row + 2}: column '{Label}' does not hold 0 or 1.");
            }
        }

        return (table.Names, table.Rows);
    }

    // The vertical demo's two files about the same customers, put together.
    private static (string[] Names, Examples Rows) Sample(HorizontalDemoOptions options, DemoFolder folder, CancellationToken cancellationToken)
    {
        SampleSummary sample = SampleFiles.Write(
            new SyntheticPairOptions(options.Rows, SampleFeatures, SampleFeatures, Overlap: 1, options.Seed), folder.SampleData, cancellationToken);
        Dictionary<string, string> others = File.ReadLines(sample.Retailer).ToDictionary(IdOf, line => line[line.IndexOf(',', StringComparison.Ordinal)..], StringComparer.Ordinal);
        string joined = Path.Combine(folder.SampleData, "all.csv");
        File.WriteAllLines(joined, File.ReadLines(sample.Bank).Select(line => line + others[IdOf(line)]));
        File.Delete(sample.Bank);
        File.Delete(sample.Retailer);
        return Read(joined, cancellationToken);
    }

    private static string IdOf(string line) => line[..line.IndexOf(',', StringComparison.Ordinal)];
}
