namespace VertFed.PartyNode.Data;

/// <summary>What a label may hold.</summary>
public enum LabelKind
{
    /// <summary>The party brings no label.</summary>
    None,

    /// <summary>0 or 1.</summary>
    Binary,

    /// <summary>Any finite number.</summary>
    Number,

    /// <summary>0, 1, 2 and so on.</summary>
    Count,
}

/// <summary>How a party's file is to be read.</summary>
public sealed record CsvOptions
{
    /// <summary>The file's full path.</summary>
    public required string Path { get; init; }

    /// <summary>Id columns in the order in which they are joined; at least one.</summary>
    public IReadOnlyList<string> Id { get; init; } = ["id"];

    /// <summary>The label column, or null for a party without labels.</summary>
    public string? Label { get; init; }

    /// <summary>Feature columns in this order; null takes every column that is neither id nor label, in file order.</summary>
    public IReadOnlyList<string>? Features { get; init; }

    /// <summary>One ASCII character between cells.</summary>
    public char Delimiter { get; init; } = ',';

    /// <summary>Numbers are written 1,5 instead of 1.5.</summary>
    public bool DecimalComma { get; init; }
}

/// <summary>A party's data as loaded: column-major, rows in file order.</summary>
public sealed class CsvTable
{
    internal CsvTable(string file) => File = file;

    /// <summary>The file's name without its folder, as messages name it.</summary>
    public string File { get; }

    public int Rows { get; internal init; }

    /// <summary>[id column][row], exactly as in the file.</summary>
    public required string[][] Ids { get; init; }

    /// <summary>Feature names.</summary>
    public required string[] Names { get; init; }

    /// <summary>[feature][row], finite.</summary>
    public required double[][] Columns { get; init; }

    /// <summary>[row], or null for a party without labels.</summary>
    public double[]? Labels { get; init; }

    /// <summary>Name of the label column, or null.</summary>
    public string? LabelName { get; init; }

    /// <summary>[row]: line in the file, from 1.</summary>
    public required int[] Lines { get; init; }

    /// <summary>SHA-256 over the file's bytes as they were read.</summary>
    public required byte[] Sha256 { get; init; }
}
