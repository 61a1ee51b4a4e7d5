using System.Globalization;
using System.Text;
using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Scoring;

/// <summary>Rows scored offline with a model of a horizontal job, each against the formulas computed by hand.</summary>
public sealed class RoundScorerTests : IDisposable
{
    private const string Header = "id,age,income,region,kind\n";
    private readonly TemporaryPlace _place = new();

    public void Dispose() => _place.Dispose();

    [Theory]
    [InlineData("logistic")]
    [InlineData("linear")]
    [InlineData("poisson")]
    [InlineData("softmax:3")]
    [InlineData("logistic/tanh:3,2")]
    [InlineData("softmax:4/relu:5")]
    public void Scores_are_those_of_the_formulas_with_levels_and_missing_values_as_in_training(string model)
    {
        // Columns stand in another order than in training, a label and another column are not read, and the last row's kind is new.
        Write("kind,zzz,region,age,id,income\nx,q,b,35,n1,1.2\ny,q,zz,,n2,2.5\nx,q,,61,n3,0.4\nother,q,a,35,n4,1.2\n");

        RoundScoreCounts counts = RoundScorer.Run(RoundScoreBench.Parsed(model), RoundScoreBench.Dataset(_place.At("new.csv")), _place.At("scores.csv"), default);

        Assert.Equal((4L, 1L, 0L, 5L), (counts.Rows, counts.UnseenRows, counts.NotFiniteRows, counts.FirstUnseen));
        Assert.Equal([KeyValuePair.Create("kind", 1L)], counts.Unseen);
        double[][] rows = [[35, 0, 1.2, 1, 0, 0, 0], [40, 1, 2.5, 0, 1, 0, 1], [61, 0, 0.4, 0, 0, 1, 0], [35, 0, 1.2, 0, 0, 0, 0]];
        string[] lines = File.ReadAllLines(_place.At("scores.csv"));
        Assert.Equal(5, lines.Length);
        Assert.Equal(model.StartsWith("softmax:3", StringComparison.Ordinal) ? "id,score_0,score_1,score_2,status" : lines[0], lines[0]);
        for (int row = 0; row < rows.Length; row++)
        {
            string[] cells = lines[row + 1].Split(',');
            double[] expected = RoundScoreBench.Expected(model, rows[row]);
            Assert.Equal(($"n{row + 1}", row == 3 ? "scored_unseen" : "scored", expected.Length + 2), (cells[0], cells[^1], cells.Length));
            for (int output = 0; output < expected.Length; output++)
            {
                double score = double.Parse(cells[output + 1], CultureInfo.InvariantCulture);
                Assert.Equal(expected[output], score, 1e-12 * Math.Max(1, Math.Abs(expected[output])));
            }
        }
    }

    [Fact]
    public void Without_scaling_columns_are_taken_as_they_are_and_many_rows_keep_their_order()
    {
        StringBuilder csv = new(Header);
        for (int row = 0; row < 9000; row++)
        {
            csv.Append(CultureInfo.InvariantCulture, $"{row},{row % 70},1.5,{(row % 3 == 0 ? "b" : "a")},x\n");
        }

        Write(csv.ToString());

        RoundScoreCounts counts = RoundScorer.Run(
            RoundScoreBench.Parsed("linear", ScalingChoice.None), RoundScoreBench.Dataset(_place.At("new.csv")), _place.At("scores.csv"), default);

        Assert.Equal(9000, counts.Rows);
        string[] lines = File.ReadAllLines(_place.At("scores.csv"));
        Assert.Equal(9001, lines.Length);
        foreach (int row in new[] { 0, 4095, 4096, 8192, 8999 })
        {
            string[] cells = lines[row + 1].Split(',');
            Assert.Equal(row.ToString(CultureInfo.InvariantCulture), cells[0]);
            double expected = RoundScoreBench.Expected("linear", [row % 70, 0, 1.5, row % 3 == 0 ? 1 : 0, 0, 0, 0], scales: false)[0];
            Assert.Equal(expected, double.Parse(cells[1], CultureInfo.InvariantCulture), 1e-12 * Math.Max(1, Math.Abs(expected)));
        }
    }

    [Fact]
    public async Task A_score_that_is_interrupted_or_asked_for_without_a_files_name_says_so_and_writes_nothing()
    {
        Write(Header + "1,30,1,a,x\n");
        await File.WriteAllTextAsync(
            _place.At("party.yaml"),
            $$"""
            name: bank
            role: label
            coordinator: https://127.0.0.1:1
            coordinator_fingerprint: {{new string('0', 64)}}
            identity: bank.pem
            data_dir: .
            peers: [{name: retailer, fingerprint: {{new string('2', 64)}}}]
            submitters: [{{new string('3', 64)}}]
            data: {csv: new.csv}
            """);
        string[] before = Directory.GetFileSystemEntries(_place.Folder);
        string[] arguments = [RoundScoreBench.Job, "--config", _place.At("party.yaml")];

        Assert.Equal((130, "error: interrupted; no file was written\n"), await RunAsync([.. arguments, "--out", _place.At("scores.csv")], new CancellationToken(canceled: true)));
        Assert.Throws<OperationCanceledException>(() => RoundScorer.Run(
            RoundScoreBench.Parsed("linear"), RoundScoreBench.Dataset(_place.At("new.csv")), _place.At("scores.csv"), new CancellationToken(canceled: true)));
        foreach (string[] nameless in (string[][])[["--out", ""], ["--out", _place.At("scores.csv"), "--data", ""]])
        {
            (int code, string text) = await RunAsync([.. arguments, .. nameless], default);
            Assert.Equal((int)ErrorCode.Usage, code);
            Assert.StartsWith("error: a file has no name; usage: ", text, StringComparison.Ordinal);
        }

        Assert.Equal(before, Directory.GetFileSystemEntries(_place.Folder));

        static async Task<(int Code, string Errors)> RunAsync(string[] arguments, CancellationToken cancellationToken)
        {
            using StringWriter errors = new() { NewLine = "\n" };
            return (await ScoreCommand.RunAsync(arguments, TextWriter.Null, errors, cancellationToken), errors.ToString());
        }
    }

    [Fact]
    public void Ids_that_a_spreadsheet_would_run_are_guarded_and_rows_without_a_finite_score_have_none()
    {
        Write(Header + "=2+3,30,1,a,x\n\"a,b\",30,-1e308,a,x\n");

        RoundScoreCounts counts = RoundScorer.Run(RoundScoreBench.Parsed("poisson"), RoundScoreBench.Dataset(_place.At("new.csv")), _place.At("scores.csv"), default);

        string[] lines = File.ReadAllLines(_place.At("scores.csv"));
        Assert.StartsWith("'=2+3,", lines[1], StringComparison.Ordinal);
        Assert.EndsWith(",scored", lines[1], StringComparison.Ordinal);
        Assert.Equal("\"a,b\",,not_finite", lines[2]);
        Assert.Equal((2L, 1L, 3L), (counts.Rows, counts.NotFiniteRows, counts.FirstNotFinite));
    }

    [Theory]
    [InlineData("id,age,region,kind\n1,30,a,x\n", "new.csv, line 1: feature column 'income' is missing")]
    [InlineData(Header + "1,30,1,a,x\n2,30,,a,x\n", "new.csv, line 3, column 'income': empty cell")]
    [InlineData(Header + "1,30,1,a,\n", "new.csv, line 2, column 'kind': empty cell")]
    [InlineData(Header + "1,thirty,1,a,x\n", "new.csv, line 2, column 'age': not a number")]
    [InlineData(Header + "1,NaN,1,a,x\n", "new.csv, line 2, column 'age': not a finite number")]
    [InlineData(Header + "1,30,1,a,x\n2,30,1,a\n", "new.csv, line 3: 4 cells where the header has 5")]
    [InlineData(Header + "1,30,1,a,\"x\n", "new.csv, line 2, column 'kind': a quote is opened and never closed")]
    [InlineData("age,income,region,kind\n30,1,a,x\n", "new.csv, line 1: id column 'id' is missing")]
    [InlineData(Header, "new.csv: holds a header row but no data rows")]
    public void Input_that_cannot_be_scored_is_refused_by_line_and_column_and_leaves_no_file(string csv, string message)
    {
        Write(csv);

        VertFedException error = Assert.Throws<VertFedException>(
            () => RoundScorer.Run(RoundScoreBench.Parsed("logistic"), RoundScoreBench.Dataset(_place.At("new.csv")), _place.At("scores.csv"), default));

        Assert.Equal((ErrorCode.BadInput, message), (error.Code, error.Message));
        Assert.Equal([_place.At("new.csv")], Directory.GetFiles(_place.Folder));
    }

    private void Write(string csv) => File.WriteAllText(_place.At("new.csv"), csv);
}
