using System.Text;
using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>Cells of the current row as numbers and levels. What is not as declared is refused with position and column.</summary>
internal sealed class CellReader
{
    private readonly IRowSource _source;
    private readonly string[] _names;
    private readonly InputErrors _errors;
    private readonly byte[][] _missing;
    private readonly bool _missingMayBeNumber;

    public CellReader(IRowSource source, string[] names, DatasetOptions options, InputErrors errors)
    {
        (_source, _names, _errors) = (source, names, errors);
        _missing = [.. options.MissingValues.Select(text => Encoding.UTF8.GetBytes(text.Trim(' ', '\t')))];
        _missingMayBeNumber = Array.Exists(_missing, text => DecimalParser.TryParse(text, (byte)'.', out _) || DecimalParser.TryParse(text, (byte)',', out _));
    }

    /// <summary>A finite number, or NaN for a missing value where that is accepted.</summary>
    public double Number(int column, bool refuseMissing) =>
        TryNumber(column, out double value, out bool missing) ? value : missing ? Missing(column, refuseMissing) : throw NotANumber(column);

    /// <summary>A finite number; false where the cell is missing or is none.</summary>
    public bool TryNumber(int column, out double value, out bool missing)
    {
        missing = _source.Kind(column) == CellKind.Null || (_missingMayBeNumber && IsMissing(_source.Text(column)));
        value = 0;
        if (missing)
        {
            return false;
        }

        if (TryParse(column, out value) && double.IsFinite(value))
        {
            return true;
        }

        missing = IsMissing(_source.Text(column));
        return false;
    }

    public bool IsMissing(int column) => _source.Kind(column) == CellKind.Null || IsMissing(_source.Text(column));

    /// <summary>A cell's text without spaces and tabs around it.</summary>
    public ReadOnlySpan<byte> Trimmed(int column) => DecimalParser.Trim(_source.Text(column));

    public double Label(int column, LabelKind kind)
    {
        double value = Number(column, refuseMissing: true);
        return kind switch
        {
            LabelKind.Binary when value is not (0 or 1) => throw _errors.LabelNotBinary(_source.Position, _names[column]),
            LabelKind.Count when value < 0 || value != Math.Floor(value) => throw _errors.LabelNotCount(_source.Position, _names[column]),
            _ => value,
        };
    }

    /// <summary>A level's text as UTF-8, without spaces and tabs around it.</summary>
    public ReadOnlySpan<byte> Level(int column, bool refuseMissing, out bool missing)
    {
        ReadOnlySpan<byte> text = Trimmed(column);
        missing = IsMissing(column);
        if (missing)
        {
            Missing(column, refuseMissing);
            return [];
        }

        return text.Length switch
        {
            0 => throw _errors.EmptyCell(_source.Position, _names[column]),
            > ColumnEncoder.LongestLevelBytes =>
                throw _errors.BadLevel(_source.Position, _names[column], $"is longer than {ColumnEncoder.LongestLevelBytes} bytes"),
            _ => text,
        };
    }

    /// <summary>Refuses a level that was not there before and cannot be taken up.</summary>
    /// <param name="known">How many levels the column has without it.</param>
    public void RequireNewLevel(int column, ReadOnlySpan<char> level, int known, int most)
    {
        if (known == most)
        {
            throw _errors.TooManyLevels(_source.Position, _names[column], most);
        }

        if (ColumnEncoder.ObjectionToLevel(level) is { } why)
        {
            throw _errors.BadLevel(_source.Position, _names[column], why);
        }
    }

    private double Missing(int column, bool refuse)
    {
        if (!refuse)
        {
            return double.NaN;
        }

        throw _source.Kind(column) == CellKind.Null || DecimalParser.Trim(_source.Text(column)).IsEmpty
            ? _errors.EmptyCell(_source.Position, _names[column])
            : _errors.MissingValue(_source.Position, _names[column]);
    }

    private bool IsMissing(ReadOnlySpan<byte> cell)
    {
        cell = DecimalParser.Trim(cell);
        foreach (byte[] text in _missing)
        {
            if (cell.SequenceEqual(text))
            {
                return true;
            }
        }

        return false;
    }

    private bool TryParse(int column, out double value)
    {
        value = 0;
        if (_source.Kind(column) == CellKind.Number)
        {
            value = _source.Number(column);
            return true;
        }

        return _source.DecimalPoint is { } point && DecimalParser.TryParse(_source.Text(column), point, out value);
    }

    private VertFedException NotANumber(int column)
    {
        string name = _names[column];
        ReadOnlySpan<byte> cell = _source.Text(column);
        if (TryParse(column, out _) || IsNotFiniteWord(cell))
        {
            return _errors.NotFinite(_source.Position, name);
        }

        if (DecimalParser.Trim(cell).IsEmpty)
        {
            return _errors.EmptyCell(_source.Position, name);
        }

        return _source.DecimalPoint is { } point
            ? _errors.NotANumber(_source.Position, name, Hint(cell, point == (byte)','))
            : _errors.TextWhereNumber(_source.Position, name);
    }

    private static string Hint(ReadOnlySpan<byte> cell, bool decimalComma)
    {
        byte other = decimalComma ? (byte)'.' : (byte)',';
        if (cell.Count(other) != 1 || !DecimalParser.TryParse(cell, other, out _))
        {
            return "";
        }

        return decimalComma
            ? "; it has a decimal point where decimal_comma: true is declared or was detected"
            : "; it looks like a decimal comma: declare decimal_comma: true";
    }

    private static bool IsNotFiniteWord(ReadOnlySpan<byte> cell)
    {
        ReadOnlySpan<byte> word = DecimalParser.Trim(cell).TrimStart("+-"u8);
        return Ascii.EqualsIgnoreCase(word, "nan"u8) || Ascii.EqualsIgnoreCase(word, "inf"u8)
            || Ascii.EqualsIgnoreCase(word, "infinity"u8);
    }
}
