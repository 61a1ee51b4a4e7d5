using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>
/// The centralised optimum on the joined table, by Newton's method written here and used nowhere else: mean log-loss plus
/// l2/2 ||w||^2, intercept free, columns standardised by mean and population standard deviation of the training rows.
/// </summary>
internal sealed class CentralFit
{
    private readonly Dictionary<string, double> _bank = new(StringComparer.Ordinal);
    private readonly Dictionary<string, double> _retailer = new(StringComparer.Ordinal);
    private readonly Dictionary<(bool Bank, string Name), (double Mean, double Deviation)> _scale = [];
    private double _logLoss;

    /// <param name="holdoutByte">A row is a test row if the first byte of SHA-256(id) is below this.</param>
    public static CentralFit Logistic(string folder, double l2, int holdoutByte) =>
        Logistic(CsvColumns.Read(Path.Combine(folder, "bank.csv")), CsvColumns.Read(Path.Combine(folder, "retailer.csv")), l2, holdoutByte);

    /// <summary>Training rows, by row at both: shared customers outside the holdout.</summary>
    public static (int Bank, int Retailer)[] TrainingRows(string[] bank, string[] retailer, int holdoutByte)
    {
        Dictionary<string, int> rowOf = retailer.Select((id, row) => (id, row)).ToDictionary(entry => entry.id, entry => entry.row, StringComparer.Ordinal);
        return [.. bank.Select((id, row) => (id, row))
            .Where(entry => rowOf.ContainsKey(entry.id) && SHA256.HashData(Encoding.UTF8.GetBytes(entry.id))[0] >= holdoutByte)
            .Select(entry => (entry.row, rowOf[entry.id]))];
    }

    /// <param name="bank">Columns of numbers beside id and y.</param>
    /// <param name="retailer">Columns of numbers beside id.</param>
    public static CentralFit Logistic(Dictionary<string, string[]> bank, Dictionary<string, string[]> retailer, double l2, int holdoutByte)
    {
        (int Bank, int Retailer)[] rows = TrainingRows(bank["id"], retailer["id"], holdoutByte);
        CentralFit fit = new();
        double[] allLabels = CsvColumns.Numbers(bank["y"]);
        double[] y = [.. rows.Select(row => allLabels[row.Bank])];

        List<double[]> columns = [[.. Enumerable.Repeat(1.0, rows.Length)]];
        List<(bool Bank, string Name)> names = [(true, "(intercept)")];
        foreach ((string name, string[] values) in bank.Where(column => column.Key is not ("id" or "y")))
        {
            double[] all = CsvColumns.Numbers(values);
            columns.Add(fit.Standardise((true, name), [.. rows.Select(row => all[row.Bank])]));
            names.Add((true, name));
        }

        foreach ((string name, string[] values) in retailer.Where(column => column.Key != "id"))
        {
            double[] all = CsvColumns.Numbers(values);
            columns.Add(fit.Standardise((false, name), [.. rows.Select(row => all[row.Retailer])]));
            names.Add((false, name));
        }

        double[] w = new double[columns.Count];
        for (int step = 0; step < 30; step++)
        {
            fit._logLoss = NewtonStep(columns, y, w, l2);
        }

        for (int j = 0; j < w.Length; j++)
        {
            (names[j].Bank ? fit._bank : fit._retailer)[names[j].Name] = w[j];
        }

        return fit;
    }

    public void RequireEqual(JsonElement report, double coefficient, double loss) => RequireEqual(report, report, coefficient, loss);

    /// <param name="bank">A report with the bank's coefficients.</param>
    /// <param name="retailer">A report with the retailer's.</param>
    public void RequireEqual(JsonElement bank, JsonElement retailer, double coefficient, double loss)
    {
        Assert.InRange(bank.GetProperty("train").GetProperty("log_loss").GetDouble(), _logLoss - loss, _logLoss + loss);
        RequireEqual(_bank, bank.GetProperty("coefficients").GetProperty("bank"), coefficient);
        RequireEqual(_retailer, retailer.GetProperty("coefficients").GetProperty("retailer"), coefficient);
    }

    /// <summary>A customer's probability by this fit.</summary>
    public double Score(Dictionary<string, string[]> bank, int bankRow, Dictionary<string, string[]> retailer, int retailerRow)
    {
        double eta = _bank["(intercept)"];
        foreach (((bool isBank, string name), (double mean, double deviation)) in _scale)
        {
            double x = double.Parse((isBank ? bank : retailer)[name][isBank ? bankRow : retailerRow], NumberStyles.Float, CultureInfo.InvariantCulture);
            eta += (isBank ? _bank : _retailer)[name] * (x - mean) / deviation;
        }

        return 1 / (1 + Math.Exp(-eta));
    }

    private static void RequireEqual(Dictionary<string, double> expected, JsonElement found, double tolerance)
    {
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), found.EnumerateObject().Select(entry => entry.Name).Order(StringComparer.Ordinal));
        foreach (JsonProperty entry in found.EnumerateObject())
        {
            Assert.True(Math.Abs(entry.Value.GetDouble() - expected[entry.Name]) <= tolerance, $"{entry.Name}: {entry.Value} instead of {expected[entry.Name]}");
        }
    }

    private double[] Standardise((bool Bank, string Name) name, double[] column)
    {
        double mean = column.Average();
        double deviation = Math.Sqrt(column.Average(value => (value - mean) * (value - mean)));
        _scale[name] = (mean, deviation);
        return [.. column.Select(value => (value - mean) / deviation)];
    }

    // One Newton step in place; returns the mean log-loss before it.
    private static double NewtonStep(List<double[]> columns, double[] y, double[] w, double l2)
    {
        int n = y.Length;
        int d = w.Length;
        double loss = 0;
        double[] residual = new double[n];
        double[] weight = new double[n];
        for (int i = 0; i < n; i++)
        {
            double eta = 0;
            for (int j = 0; j < d; j++)
            {
                eta += columns[j][i] * w[j];
            }

            double p = 1 / (1 + Math.Exp(-eta));
            loss += Math.Max(eta, 0) + Math.Log(1 + Math.Exp(-Math.Abs(eta))) - (y[i] * eta);
            residual[i] = p - y[i];
            weight[i] = p * (1 - p);
        }

        double[,] h = new double[d, d + 1];
        for (int j = 0; j < d; j++)
        {
            for (int k = j; k < d; k++)
            {
                double sum = 0;
                for (int i = 0; i < n; i++)
                {
                    sum += columns[j][i] * weight[i] * columns[k][i];
                }

                h[j, k] = h[k, j] = sum / n;
            }

            double gradient = 0;
            for (int i = 0; i < n; i++)
            {
                gradient += columns[j][i] * residual[i];
            }

            double penalty = j == 0 ? 0 : l2;
            h[j, j] += penalty;
            h[j, d] = (gradient / n) + (penalty * w[j]);
        }

        Eliminate(h, d);
        for (int j = 0; j < d; j++)
        {
            w[j] -= h[j, d];
        }

        return loss / n;
    }

    // Gauss-Jordan on [H | g] with partial pivoting; the last column becomes the solution.
    private static void Eliminate(double[,] h, int d)
    {
        for (int column = 0; column < d; column++)
        {
            int pivot = Enumerable.Range(column, d - column).MaxBy(row => Math.Abs(h[row, column]));
            for (int k = 0; k <= d; k++)
            {
                (h[column, k], h[pivot, k]) = (h[pivot, k], h[column, k]);
            }

            for (int row = 0; row < d; row++)
            {
                if (row == column)
                {
                    continue;
                }

                double factor = h[row, column] / h[column, column];
                for (int k = column; k <= d; k++)
                {
                    h[row, k] -= factor * h[column, k];
                }
            }
        }

        for (int row = 0; row < d; row++)
        {
            h[row, d] /= h[row, row];
        }
    }
}
