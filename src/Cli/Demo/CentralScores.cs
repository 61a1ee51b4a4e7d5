using System.Globalization;
using System.Text.Json;
using VertFed.Protocol;

namespace VertFed.Cli.Demo;

/// <summary>
/// The scores that one party with both files and both halves of the model would compute: the demo owns both sides, and holds the job's
/// scores to these. Plain files without quotes, as samples are.
/// </summary>
internal sealed class CentralScores
{
    private readonly Dictionary<string, double> _scores;

    private CentralScores(Dictionary<string, double> scores, double tolerance) => (_scores, Tolerance) = (scores, tolerance);

    /// <summary>How many customers both sides have.</summary>
    public int Count => _scores.Count;

    /// <summary>What the rounding of the feature party's part to 2^-12 may move a score by.</summary>
    public double Tolerance { get; }

    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: a file is not as it should be.</exception>
    public static CentralScores Read(string bankModel, string retailerModel, string bankCsv, string retailerCsv)
    {
        try
        {
            using JsonDocument bank = JsonDocument.Parse(File.ReadAllBytes(bankModel));
            using JsonDocument retailer = JsonDocument.Parse(File.ReadAllBytes(retailerModel));
            bool isLogistic = bank.RootElement.GetProperty("family").GetString() == "logistic";
            double scale = bank.RootElement.GetProperty("label_scale").GetDouble();
            Dictionary<string, double> others = Predict(retailer.RootElement, retailerCsv);
            Dictionary<string, double> scores = Predict(bank.RootElement, bankCsv)
                .Where(row => others.ContainsKey(row.Key))
                .ToDictionary(row => row.Key, row => Score(row.Value + others[row.Key]), StringComparer.Ordinal);

            // Half a step of 2^-12; a probability moves by at most a quarter of its log odds. A little room for the last digits.
            return new CentralScores(scores, 1.0001 * (isLogistic ? 1.0 / 32_768 : scale / 8192));

            double Score(double eta) => isLogistic ? 1 / (1 + Math.Exp(-eta)) : eta;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or FormatException or InvalidOperationException or IOException)
        {
            throw Error.Job(ErrorCode.BadInput, $"The scores cannot be compared with those of the joined table: {Error.OneLine(e.Message)}");
        }
    }

    /// <summary>A shared customer's score; null for any other.</summary>
    public double? Find(string id) => _scores.TryGetValue(id, out double score) ? score : null;

    /// <summary>A party's part of each row's linear predictor.</summary>
    private static Dictionary<string, double> Predict(JsonElement model, string csv)
    {
        using StreamReader reader = new(csv);
        List<string> header = [.. (reader.ReadLine() ?? "").Split(',')];
        int id = header.IndexOf("id");
        double intercept = 0;
        List<(int Column, double Value, double Mean, double Deviation)> terms = [];
        foreach (JsonElement term in model.GetProperty("coefficients").EnumerateArray())
        {
            string name = term.GetProperty("name").GetString() ?? "";
            double value = term.GetProperty("value").GetDouble();
            if (name == "(intercept)")
            {
                intercept = value;
                continue;
            }

            int column = header.IndexOf(name);
            terms.Add(column < 0
                ? throw new FormatException($"column '{name}' is not in {Path.GetFileName(csv)}")
                : (column, value, term.GetProperty("mean").GetDouble(), term.GetProperty("standard_deviation").GetDouble()));
        }

        Dictionary<string, double> sums = new(StringComparer.Ordinal);
        while (reader.ReadLine() is { } line)
        {
            string[] cells = line.Split(',');
            double sum = intercept;
            foreach ((int column, double value, double mean, double deviation) in terms)
            {
                sum += value * (double.Parse(cells[column], CultureInfo.InvariantCulture) - mean) / deviation;
            }

            sums[cells[id]] = sum;
        }

        return sums;
    }
}
