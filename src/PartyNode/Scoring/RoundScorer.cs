using System.Globalization;
using System.Text;
using VertFed.Horizontal.Learning;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Reporting;
using VertFed.Protocol;

namespace VertFed.PartyNode.Scoring;

/// <summary>How many rows ended as what.</summary>
/// <param name="Rows">All rows of the input.</param>
/// <param name="UnseenRows">Rows with a score in which a cell is of what training did not have.</param>
/// <param name="NotFiniteRows">Rows without a score: the model comes to no finite number.</param>
/// <param name="Unseen">By source column, where there are any: such cells.</param>
/// <param name="FirstUnseen">Line, or row of a query, of the first of <paramref name="UnseenRows"/>; 0: there is none.</param>
/// <param name="FirstNotFinite">The same of <paramref name="NotFiniteRows"/>.</param>
internal sealed record RoundScoreCounts(
    long Rows, long UnseenRows, long NotFiniteRows, IReadOnlyDictionary<string, long> Unseen, long FirstUnseen, long FirstNotFinite);

/// <summary>
/// Scores a source's rows with a model of a horizontal job, at the party that holds both: no peer and no coordinator takes part. One row out for each row in, in that
/// order: the id columns as they stand in the source, the scores, and a status.
/// </summary>
/// <remarks>Rows are encoded and scaled as training did it, by the same code, in blocks: memory does not grow with the rows. A score is E[y]: σ(η) (logistic), η (linear),
/// e^η (Poisson), and one probability for each class under softmax.</remarks>
internal static class RoundScorer
{
    public const string Scored = "scored";

    /// <summary>With a score, though a cell is of what training did not have: a level that no column stands for counts as the reference level, a missing number as the mean.</summary>
    public const string ScoredUnseen = "scored_unseen";

    /// <summary>Without a score: the model comes to no finite number.</summary>
    public const string NotFinite = "not_finite";

    /// <summary>Numbers in a block, so that many columns take no more memory than few.</summary>
    private const int BlockNumbers = 1 << 20;
    private const int MostBlockRows = 4096;

    /// <summary>Scores all rows.</summary>
    /// <param name="dataset">Where rows come from, and which columns are ids; what it declares of columns is the model's to say, and a label is not read.</param>
    /// <param name="path">The file to write, as a whole or not at all.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming source, position and column; <see cref="ErrorCode.Storage"/>: the file cannot be written.</exception>
    public static RoundScoreCounts Run(RoundModelFile model, DatasetOptions dataset, string path, CancellationToken cancellationToken)
    {
        DatasetOptions options = dataset with
        {
            Label = null,
            Features = [.. model.Encoder.Sources.Select(column => column.Source)],
            Columns = model.Encoder.Sources.ToDictionary(column => column.Source, column => column.Declaration, StringComparer.Ordinal),
        };
        InputErrors errors = RowSources.Errors(options.Source);
        using IRowSource source = RowSources.Open(options.Source, errors, cancellationToken);
        TableLayout layout = TableLayout.Of(source.Names, options, LabelKind.None, errors);
        CellReader cells = new(source, layout.Names, options, errors);
        source.ExpectNumbers(layout.Numbers(options));
        RoundScoreCounts counts = new(0, 0, 0, new Dictionary<string, long>(StringComparer.Ordinal), 0, 0);
        AtomicFile.Write(path, stream =>
        {
            using StreamWriter writer = new(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), bufferSize: 1 << 16, leaveOpen: true) { NewLine = "\n" };
            writer.WriteLine(string.Join(',', [.. options.Id.Select(ScoreFile.Cell), .. Headings(model.Model.Head), "status"]));
            int size = Math.Clamp(BlockNumbers / model.Encoder.Names.Count, 1, MostBlockRows);
            Block block = new(model, layout, options, errors.Source);
            while (block.Read(source, cells, size, cancellationToken))
            {
                counts = block.Write(writer, counts);
                if (counts.Rows > Limits.MaxRows)
                {
                    throw errors.TooManyRows(Limits.MaxRows);
                }
            }

            if (counts.Rows == 0)
            {
                throw errors.NoRows();
            }
        }, overwrite: false);
        return counts;
    }

    private static IEnumerable<string> Headings(LossHead head) => head.Outputs == 1
        ? ["score"]
        : Enumerable.Range(0, head.Outputs).Select(label => string.Create(CultureInfo.InvariantCulture, $"score_{label}"));

    /// <summary>Some rows at a time.</summary>
    private sealed class Block(RoundModelFile model, TableLayout layout, DatasetOptions options, string source)
    {
        private readonly ModelScratch _scratch = model.Model.CreateScratch();
        private readonly double[] _row = new double[model.Encoder.Names.Count];
        private readonly List<string> _ids = [];
        private readonly List<long> _positions = [];
        private RawColumn[] _columns = [];

        /// <summary>Reads the next rows; false where there are none.</summary>
        public bool Read(IRowSource rows, CellReader cells, int most, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _ids.Clear();
            _positions.Clear();
            ColumnBuilder[] builders = Array.ConvertAll(layout.Features, i => ColumnBuilder.Of(i, options.Declared(layout.Names[i])));
            while (_positions.Count < most && rows.Read(cancellationToken))
            {
                foreach (int id in layout.Ids)
                {
                    _ids.Add(Encoding.UTF8.GetString(rows.Text(id)));
                }

                foreach (ColumnBuilder builder in builders)
                {
                    builder.Add(cells);
                }

                _positions.Add(rows.Position);
            }

            _columns = Array.ConvertAll(builders, builder => builder.Build(layout.Names[builder.Position]));
            return _positions.Count > 0;
        }

        /// <summary>Writes their scores.</summary>
        /// <returns>The counts with these rows.</returns>
        public RoundScoreCounts Write(TextWriter writer, RoundScoreCounts before)
        {
            bool[] unseen = new bool[_positions.Count];
            EncodedColumns encoded = model.Encoder.Encode(_columns, source, unseen);
            Dictionary<string, long> columns = new(before.Unseen, StringComparer.Ordinal);
            foreach ((string column, int rows) in encoded.Unseen)
            {
                columns[column] = columns.GetValueOrDefault(column) + rows;
            }

            RoundScoreCounts counts = before with { Rows = before.Rows + _positions.Count, Unseen = columns };
            int ids = layout.Ids.Length;
            for (int row = 0; row < _positions.Count; row++)
            {
                for (int i = 0; i < ids; i++)
                {
                    writer.Write(ScoreFile.Cell(_ids[(row * ids) + i]));
                    writer.Write(',');
                }

                ReadOnlySpan<double> scores = Score(encoded.Columns, row);
                bool isFinite = IsFinite(scores);
                foreach (double score in scores)
                {
                    if (isFinite)
                    {
                        writer.Write(score.ToString("R", CultureInfo.InvariantCulture));
                    }

                    writer.Write(',');
                }

                writer.WriteLine(!isFinite ? NotFinite : unseen[row] ? ScoredUnseen : Scored);
                counts = !isFinite ? counts with { NotFiniteRows = counts.NotFiniteRows + 1, FirstNotFinite = First(counts.FirstNotFinite, row) }
                    : unseen[row] ? counts with { UnseenRows = counts.UnseenRows + 1, FirstUnseen = First(counts.FirstUnseen, row) }
                    : counts;
            }

            return counts;
        }

        private long First(long before, int row) => before > 0 ? before : _positions[row];

        /// <summary>E[y] of a row; valid until the next call.</summary>
        private Span<double> Score(double[][] columns, int row)
        {
            for (int column = 0; column < _row.Length; column++)
            {
                double value = columns[column][row];
                _row[column] = model.Means.Length == 0 ? value : (value - model.Means[column]) / model.Deviations[column];
            }

            Span<double> outputs = model.Model.Outputs(model.Parameters, _row, _scratch);
            model.Model.Head.ToMean(outputs);
            return outputs;
        }

        private static bool IsFinite(ReadOnlySpan<double> scores)
        {
            foreach (double score in scores)
            {
                if (!double.IsFinite(score))
                {
                    return false;
                }
            }

            return true;
        }
    }
}
