namespace VertFed.Horizontal.Learning;

/// <summary>One named block of a flat parameter vector: a row-major matrix.</summary>
/// <param name="Name">Such as "hidden1.weights".</param>
/// <param name="Offset">Where it starts in the vector.</param>
/// <param name="Rows">Rows of the matrix, at least 1 (one for each output of the layer).</param>
/// <param name="Columns">Columns of the matrix, at least 1 (one for each input of the layer; 1 for a bias).</param>
/// <param name="Penalised">Whether the L2 penalty takes it in: weights yes, biases no.</param>
public sealed record ParameterBlock(string Name, int Offset, int Rows, int Columns, bool Penalised)
{
    public int Length => Rows * Columns;
}

/// <summary>What stands where in a model's flat parameter vector. Two vectors can be added if their layouts are equal.</summary>
public sealed class ParameterLayout : IEquatable<ParameterLayout>
{
    /// <summary>The longest vector that any part of the service takes: 16 M doubles, 128 MiB.</summary>
    public const int MostParameters = 1 << 24;

    private readonly ParameterBlock[] _blocks;

    /// <param name="blocks">(name, rows, columns, penalised) in order.</param>
    /// <exception cref="HorizontalException">No block, a name twice, a size below 1, or more than <see cref="MostParameters"/>.</exception>
    public ParameterLayout(params (string Name, int Rows, int Columns, bool Penalised)[] blocks)
    {
        Throw.Invalid(blocks.Length == 0, "A parameter layout has at least one block.");
        _blocks = new ParameterBlock[blocks.Length];
        var names = new HashSet<string>(StringComparer.Ordinal);
        long offset = 0;
        for (int i = 0; i < blocks.Length; i++)
        {
            (string name, int rows, int columns, bool penalised) = blocks[i];
            Throw.Invalid(rows < 1 || columns < 1, $"Block '{name}' has {rows} rows and {columns} columns.");
            Throw.Invalid(!names.Add(name), $"Two blocks are called '{name}'.");
            Throw.Invalid(offset + ((long)rows * columns) > MostParameters, $"A model has at most {MostParameters} parameters; block '{name}' goes beyond.");
            _blocks[i] = new ParameterBlock(name, (int)offset, rows, columns, penalised);
            offset += (long)rows * columns;
        }

        Length = (int)offset;
    }

    /// <summary>Length of the flat vector.</summary>
    public int Length { get; }

    public IReadOnlyList<ParameterBlock> Blocks => _blocks;

    /// <summary>The block of that name.</summary>
    /// <exception cref="HorizontalException">There is none.</exception>
    public ParameterBlock this[string name] => Array.Find(_blocks, block => string.Equals(block.Name, name, StringComparison.Ordinal))
        ?? throw new HorizontalException(HorizontalError.InvalidInput, $"The model has no parameters '{name}'.");

    public bool Equals(ParameterLayout? other) => other is not null && _blocks.AsSpan().SequenceEqual(other._blocks);

    public override bool Equals(object? obj) => Equals(obj as ParameterLayout);

    public override int GetHashCode() => HashCode.Combine(Length, _blocks.Length);
}
