using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

/// <summary>A bank's and a retailer's file joined in the clear, with the centralised optimum to compare with.</summary>
internal sealed class PairData
{
    private PairData(string[] bankNames, double[][] bank, string[] retailerNames, double[][] retailer, double[] y, string[] ids, JsonElement model, string family)
    {
        (BankNames, Bank, RetailerNames, Retailer, Y, Ids, Model) = (bankNames, bank, retailerNames, retailer, y, ids, model);
        Family = GlmFamily.Parse(family);
        bool[] test = [.. ids.Select(id => SHA256.HashData(Encoding.UTF8.GetBytes(id))[0] < 51)];
        Train = [.. Enumerable.Range(0, ids.Length).Where(i => !test[i])];
        Test = [.. Enumerable.Range(0, ids.Length).Where(i => test[i])];
    }

    public string[] BankNames { get; }

    public double[][] Bank { get; }

    public string[] RetailerNames { get; }

    public double[][] Retailer { get; }

    public double[] Y { get; }

    public string[] Ids { get; }

    public JsonElement Model { get; }

    public GlmFamily Family { get; }

    public int[] Train { get; }

    public int[] Test { get; }

    /// <summary>The folder that holds VertFed.sln.</summary>
    public static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "VertFed.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside of the repository.");
    }

    /// <summary>One of the shared data sets; skips the test where there is none.</summary>
    public static PairData Shared(string name)
    {
        string folder = Environment.GetEnvironmentVariable("VERTFED_DATA") ?? Path.Combine(Root(), "..", "shared", "data");
        Skip.IfNot(Directory.Exists(Path.Combine(folder, name)), $"There is no folder {name} in VERTFED_DATA or ../shared/data.");
        return Load(
            File.ReadAllText(Path.Combine(folder, name, "bank.csv")),
            File.ReadAllText(Path.Combine(folder, name, "retailer.csv")),
            File.ReadAllText(Path.Combine(folder, name, "baseline.json")));
    }

    /// <summary>The generated pair whose optimum is committed.</summary>
    public static PairData Generated()
    {
        using MemoryStream bank = new();
        using MemoryStream retailer = new();
        SyntheticPair.Write(new SyntheticPairOptions(6000, 6, 5, 0.7, 2026), bank, retailer);
        return Load(
            Encoding.UTF8.GetString(bank.ToArray()),
            Encoding.UTF8.GetString(retailer.ToArray()),
            File.ReadAllText(Path.Combine(Root(), "tests", "UnitTests", "Models", "Data", "generated_pair_baseline.json")));
    }

    private static PairData Load(string bankText, string retailerText, string baseline)
    {
        (string[] bankIds, string[] bankNames, double[][] bank) = Parse(bankText);
        (string[] retailerIds, string[] retailerNames, double[][] retailer) = Parse(retailerText);
        Dictionary<string, int> place = retailerIds.Select((id, i) => (id, i)).ToDictionary(p => p.id, p => p.i);
        (string Id, int Row)[] joined =
        [
            .. bankIds.Select((id, i) => (Id: id, Row: i)).Where(p => place.ContainsKey(p.Id)).OrderBy(p => p.Id, StringComparer.Ordinal),
        ];
        double[][] bankJoined = [.. bank.Select(c => joined.Select(p => c[p.Row]).ToArray())];
        JsonProperty model = JsonDocument.Parse(baseline).RootElement.GetProperty("models").EnumerateObject().First();
        return new PairData(
            bankNames[1..],
            bankJoined[1..],
            retailerNames,
            [.. retailer.Select(c => joined.Select(p => c[place[p.Id]]).ToArray())],
            bankJoined[0],
            [.. joined.Select(p => p.Id)],
            model.Value,
            model.Name);
    }

    private static (string[] Ids, string[] Names, double[][] Columns) Parse(string text)
    {
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string[] header = lines[0].Split(',');
        string[][] rows = [.. lines.Skip(1).Select(line => line.Split(','))];
        return (
            [.. rows.Select(row => row[0])],
            header[1..],
            [.. Enumerable.Range(1, header.Length - 1).Select(c => rows.Select(row => double.Parse(row[c], CultureInfo.InvariantCulture)).ToArray())]);
    }
}
