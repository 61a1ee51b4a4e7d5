using System.Globalization;
using System.Text;
using System.Text.Json;

namespace VertFed.Load;

/// <summary>One table of figures: as Markdown for docs/performance.md, as JSON for whoever compares runs.</summary>
/// <param name="name">Of the table in JSON.</param>
/// <param name="title">One sentence on what was measured and how, before the table.</param>
internal sealed class ResultTable(string name, string title, params string[] columns)
{
    private readonly List<object[]> _rows = [];

    /// <summary>Adds a row; a double is shown with three significant digits and kept whole in JSON.</summary>
    /// <param name="cells">Texts, integers or doubles, as many as there are columns.</param>
    public void Add(params object[] cells)
    {
        if (cells.Length != columns.Length)
        {
            throw new ArgumentException($"{name}: {cells.Length} cells for {columns.Length} columns", nameof(cells));
        }

        _rows.Add(cells);
    }

    public void WriteMarkdown(StringBuilder text)
    {
        text.Append(title).Append("\n\n");
        Line(text, columns);
        Line(text, columns.Select(_ => "---"));
        foreach (object[] row in _rows)
        {
            Line(text, row.Select(Shown));
        }

        text.Append('\n');
    }

    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteString("title", title);
        json.WriteStartArray("rows");
        foreach (object[] row in _rows)
        {
            json.WriteStartObject();
            for (int i = 0; i < row.Length; i++)
            {
                json.WritePropertyName(columns[i]);
                switch (row[i])
                {
                    case double number:
                        json.WriteNumberValue(Math.Round(number, 6));
                        break;
                    case int or long:
                        json.WriteNumberValue(Convert.ToInt64(row[i], CultureInfo.InvariantCulture));
                        break;
                    default:
                        json.WriteStringValue(row[i].ToString());
                        break;
                }
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Line(StringBuilder text, IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");

    private static string Shown(object cell) => cell switch
    {
        double number => Significant(number),
        int or long => Convert.ToInt64(cell, CultureInfo.InvariantCulture).ToString("N0", CultureInfo.InvariantCulture),
        _ => cell.ToString() ?? "",
    };

    /// <summary>Three significant digits, without an exponent.</summary>
    internal static string Significant(double value)
    {
        if (value == 0 || !double.IsFinite(value))
        {
            return value.ToString(CultureInfo.InvariantCulture);
        }

        int digits = (int)Math.Floor(Math.Log10(Math.Abs(value))) + 1;
        return digits >= 3
            ? Math.Round(value).ToString("N0", CultureInfo.InvariantCulture)
            : Math.Round(value, Math.Min(15, 3 - digits)).ToString(CultureInfo.InvariantCulture);
    }
}
