using System.Text;
using VertFed.PartyNode.Data;

namespace VertFed.PartyNode.Profiling;

/// <summary>Sums up one column in bounded memory while the rows go by.</summary>
internal sealed class ColumnProfiler(int position, string name, string use, ColumnKind? kind)
{
    /// <summary>Up to here different values are counted, and levels told apart.</summary>
    public const int DistinctLimit = 10_000;

    /// <summary>Up to here quantiles are exact.</summary>
    public const int SampleSize = 100_000;

    private const int SampleSeed = 1;
    private const int ShownLevels = 20;
    private static readonly double[] Probabilities = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
    private readonly HashSet<long> _numbers = [];
    private readonly Dictionary<string, long> _words = new(StringComparer.Ordinal);
    private readonly List<double> _sample = [];

    // Chooses rows to look at, and nothing that anybody relies on to be secret; the same file gives the same profile.
    private readonly Random _choice = new(SampleSeed);
    private bool _tooMany;
    private long _rows;
    private long _missing;
    private long _finite;
    private long _notNumbers;
    private long _firstNotNumber;
    private double _minimum = double.PositiveInfinity;
    private double _maximum = double.NegativeInfinity;
    private double _mean;

    public void Add(CellReader cells, long row)
    {
        _rows++;
        if (kind == ColumnKind.Numeric)
        {
            AddNumber(cells, row);
            return;
        }

        if (cells.IsMissing(position))
        {
            _missing++;
            return;
        }

        string text = Encoding.UTF8.GetString(cells.Trimmed(position));
        if (_words.TryGetValue(text, out long count))
        {
            _words[text] = count + 1;
        }
        else if (_words.Count < DistinctLimit)
        {
            _words[text] = 1;
        }
        else
        {
            _tooMany = true;
        }
    }

    /// <param name="fewestRows">Levels with fewer rows are not named.</param>
    public ColumnProfile Profile(int fewestRows) =>
        new(name, use, kind switch { ColumnKind.Numeric => "numeric", ColumnKind.Categorical => "categorical", _ => "text" }, _rows, _missing,
            _tooMany ? null : kind == ColumnKind.Numeric ? _numbers.Count : _words.Count)
        {
            Numbers = _finite > 0 ? new NumberSummary(_minimum, _maximum, _mean, Quantiles(), _finite > SampleSize) : null,
            Levels = kind == ColumnKind.Categorical ? SumUpLevels(fewestRows) : null,
            NotNumbers = _notNumbers > 0 ? (_notNumbers, _firstNotNumber) : null,
        };

    private void AddNumber(CellReader cells, long row)
    {
        if (!cells.TryNumber(position, out double value, out bool missing))
        {
            if (missing)
            {
                _missing++;
            }
            else if (_notNumbers++ == 0)
            {
                _firstNotNumber = row;
            }

            return;
        }

        _finite++;
        _minimum = Math.Min(_minimum, value);
        _maximum = Math.Max(_maximum, value);
        _mean += (value - _mean) / _finite;
        if (_sample.Count < SampleSize)
        {
            _sample.Add(value);
        }
        else if (_choice.NextInt64(_finite) is var place && place < SampleSize)
        {
            _sample[(int)place] = value;
        }

        if (!_tooMany && _numbers.Add(BitConverter.DoubleToInt64Bits(value == 0 ? 0 : value)) && _numbers.Count > DistinctLimit)
        {
            _tooMany = true;
            _numbers.Clear();
        }
    }

    private double[] Quantiles()
    {
        _sample.Sort();
        return Array.ConvertAll(Probabilities, p => _sample[(int)Math.Round(p * (_sample.Count - 1), MidpointRounding.AwayFromZero)]);
    }

    private LevelSummary SumUpLevels(int fewestRows)
    {
        KeyValuePair<string, long>[] frequent =
        [
            .. _words.Where(word => word.Value >= fewestRows).OrderByDescending(word => word.Value).ThenBy(word => word.Key, StringComparer.Ordinal),
        ];
        long[] rare = [.. _words.Values.Where(rows => rows < fewestRows)];
        return new LevelSummary(
            [.. frequent.Take(ShownLevels).Select(word => (word.Key, word.Value))], rare.Length, rare.Sum(), Math.Max(0, frequent.Length - ShownLevels));
    }
}
