using System.Globalization;
using System.Text;

namespace VertFed.UnitTests.Operations;

/// <summary>One sample of a text in the format of Prometheus.</summary>
internal sealed record Sample(string Name, IReadOnlyDictionary<string, string> Labels, double Value);

/// <summary>
/// Reads the text format, version 0.0.4, by the rules at https://prometheus.io/docs/instrumenting/exposition_formats/, and refuses what
/// breaks one: a character out of place, a family whose lines are not together, a second TYPE, a TYPE after a sample, a sample twice,
/// a histogram whose buckets shrink or lack +Inf, a last line without its line feed.
/// </summary>
internal sealed class ExpositionFormat
{
    private readonly Dictionary<string, string> _types = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _help = new(StringComparer.Ordinal);
    private readonly List<Sample> _samples = [];
    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
    private readonly HashSet<string> _closed = new(StringComparer.Ordinal);
    private string _family = "";

    public IReadOnlyDictionary<string, string> Types => _types;

    public IReadOnlyDictionary<string, string> Help => _help;

    public IReadOnlyList<Sample> Samples => _samples;

    public static ExpositionFormat Parse(string text)
    {
        if (text.Length > 0 && !text.EndsWith('\n'))
            throw new FormatException("the last line has no line feed");
        var result = new ExpositionFormat();
        foreach (string line in text.Split('\n')[..^1])
            result.Line(line);
        result.CheckHistograms();
        return result;
    }

    /// <summary>The value of the one sample with this name and these labels, given as a="1",b="2".</summary>
    public double Value(string name, params (string Key, string Value)[] labels) => _samples.Single(
        sample => sample.Name == name && sample.Labels.Count == labels.Length && labels.All(label => sample.Labels.GetValueOrDefault(label.Key) == label.Value)).Value;

    private void Line(string line)
    {
        if (line.Length == 0)
            return;
        if (line.StartsWith("# HELP ", StringComparison.Ordinal) || line.StartsWith("# TYPE ", StringComparison.Ordinal))
            Comment(line[2..6], line[7..]);
        else if (!line.StartsWith('#'))
            TakeSample(line);
    }

    private void Comment(string word, string rest)
    {
        int space = rest.IndexOf(' ', StringComparison.Ordinal);
        string name = space < 0 ? rest : rest[..space];
        string value = space < 0 ? "" : rest[(space + 1)..];
        Require(IsName(name, colons: true), $"'{name}' is no metric name");
        Enter(name);
        Require(!_samples.Exists(sample => FamilyOf(sample.Name) == name), $"{word} of {name} after its samples");
        if (word == "TYPE")
            Require(value is "counter" or "gauge" or "histogram" or "summary" or "untyped", $"'{value}' is no type");
        Require((word == "TYPE" ? _types : _help).TryAdd(name, word == "TYPE" ? value : Unescape(value, quotes: false)), $"a second {word} of {name}");
    }

    private void TakeSample(string line)
    {
        int at = 0;
        while (at < line.Length && line[at] is not ('{' or ' ' or '\t'))
            at++;
        string name = line[..at];
        Require(IsName(name, colons: true), $"'{name}' is no metric name");
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (at < line.Length && line[at] == '{')
            at = ReadLabels(line, at + 1, labels);
        string[] rest = line[at..].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        Require(rest.Length is 1 or 2, $"'{line}' has no value, or more than a value and a time");
        Enter(FamilyOf(name));
        string key = name + string.Concat(labels.Select(label => $"|{label.Key}={label.Value}"));
        Require(_seen.Add(key), $"{key} is there twice");
        _samples.Add(new Sample(name, labels, Number(rest[0])));
    }

    private static int ReadLabels(string line, int at, SortedDictionary<string, string> labels)
    {
        while (line[at] != '}')
        {
            int equals = line.IndexOf('=', at);
            string name = line[at..equals];
            Require(IsName(name, colons: false), $"'{name}' is no label name");
            Require(line[equals + 1] == '"', "a label's value is in quotes");
            int end = equals + 2;
            while (line[end] != '"')
                end += line[end] == '\\' ? 2 : 1;
            Require(labels.TryAdd(name, Unescape(line[(equals + 2)..end], quotes: true)), $"label {name} is there twice");
            at = end + 1;
            if (line[at] == ',')
                at++;
            else
                Require(line[at] == '}', "labels are parted by commas");
        }

        return at + 1;
    }

    private string FamilyOf(string sample)
    {
        foreach (string suffix in new[] { "_bucket", "_sum", "_count" })
        {
            if (sample.EndsWith(suffix, StringComparison.Ordinal) && _types.GetValueOrDefault(sample[..^suffix.Length]) is "histogram" or "summary")
                return sample[..^suffix.Length];
        }

        return sample;
    }

    private void Enter(string family)
    {
        if (family == _family)
            return;
        Require(!_closed.Contains(family), $"the lines of {family} are not together");
        _closed.Add(_family);
        _family = family;
    }

    private void CheckHistograms()
    {
        foreach (string name in _types.Where(type => type.Value == "histogram").Select(type => type.Key))
        {
            foreach (IGrouping<string, Sample> series in _samples.Where(sample => sample.Name == name + "_bucket")
                .GroupBy(sample => string.Join('|', sample.Labels.Where(label => label.Key != "le"))))
            {
                double[] bounds = [.. series.Select(sample => Number(sample.Labels["le"]))];
                double[] counts = [.. series.Select(sample => sample.Value)];
                Require(bounds.SequenceEqual(bounds.Order()) && double.IsPositiveInfinity(bounds[^1]), $"{name}: bounds ascend to +Inf");
                Require(counts.SequenceEqual(counts.Order()), $"{name}: buckets are cumulative");
                string others = series.Key;
                Sample count = _samples.Single(sample => sample.Name == name + "_count" && string.Join('|', sample.Labels) == others);
                Require(count.Value == counts[^1], $"{name}: the +Inf bucket is the count");
                Require(_samples.Exists(sample => sample.Name == name + "_sum" && string.Join('|', sample.Labels) == others), $"{name}: a sum");
            }
        }
    }

    private static string Unescape(string text, bool quotes)
    {
        var result = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                result.Append(text[i]);
                continue;
            }

            i++;
            Require(i < text.Length && (text[i] is '\\' or 'n' || (quotes && text[i] == '"')), "an escape is \\\\, \\n or, in a label, \\\"");
            result.Append(text[i] == 'n' ? '\n' : text[i]);
        }

        return result.ToString();
    }

    private static double Number(string text) => text switch
    {
        "+Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        "NaN" => double.NaN,
        _ => double.Parse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture),
    };

    private static bool IsName(string text, bool colons) =>
        text.Length > 0 && !char.IsAsciiDigit(text[0]) && text.All(c => char.IsAsciiLetterOrDigit(c) || c == '_' || (colons && c == ':'));

    private static void Require(bool holds, string what)
    {
        if (!holds)
            throw new FormatException(what);
    }
}
