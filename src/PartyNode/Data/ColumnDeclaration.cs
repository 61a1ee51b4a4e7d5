namespace VertFed.PartyNode.Data;

/// <summary>What a feature column holds.</summary>
public enum ColumnKind
{
    Numeric,
    Categorical,
}

/// <summary>What becomes of a missing value.</summary>
public enum MissingRule
{
    /// <summary>The input is refused.</summary>
    Refuse,

    /// <summary>Numeric: the mean of the aligned training rows, and a column of 0 and 1 that says where.</summary>
    Mean,

    /// <summary>Numeric: a declared number.</summary>
    Constant,

    /// <summary>Categorical: a level of its own.</summary>
    Level,
}

/// <summary>A feature column as the operator declares it.</summary>
public sealed record ColumnDeclaration
{
    /// <summary>A number without missing values: what every column is that nobody declares.</summary>
    public static ColumnDeclaration Numeric { get; } = new() { Kind = ColumnKind.Numeric };

    public required ColumnKind Kind { get; init; }

    public MissingRule Missing { get; init; } = MissingRule.Refuse;

    /// <summary>With <see cref="MissingRule.Constant"/>: the number.</summary>
    public double Constant { get; init; }

    /// <summary>The level without a column of its own; null: the most frequent one of the aligned training rows.</summary>
    public string? Reference { get; init; }

    /// <summary>The levels that get a column; all others count as (other). Null: those of the aligned training rows.</summary>
    public IReadOnlyList<string>? Levels { get; init; }

    /// <summary>Levels with fewer aligned training rows count as (other); 1 keeps all.</summary>
    public int MinimumRows { get; init; } = 1;
}
