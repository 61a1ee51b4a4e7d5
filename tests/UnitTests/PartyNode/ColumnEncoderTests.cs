using System.Text;
using System.Text.Json;
using VertFed.PartyNode.Data;
using VertFed.Protocol;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

public sealed class ColumnEncoderTests
{
    private const double N = double.NaN;
    private static readonly ColumnDeclaration Words = new() { Kind = ColumnKind.Categorical };
    private static readonly ColumnDeclaration Mean = new() { Kind = ColumnKind.Numeric, Missing = MissingRule.Mean };

    [Fact]
    public void Plain_numbers_pass_unchanged_and_uncopied()
    {
        double[] values = [1, 2, 3];
        RawColumn[] raw = [new NumericColumn("x", values)];
        ColumnEncoder encoder = Fit(raw, "...");

        Assert.True(encoder.IsIdentity);
        Assert.Same(values, encoder.Encode(raw, "bank.csv").Columns[0]);
    }

    [Fact]
    public void A_missing_number_becomes_the_mean_of_the_training_rows_and_is_marked()
    {
        RawColumn[] raw = [new NumericColumn("age", [10, N, 30, 1000, N])];
        ColumnEncoder encoder = Fit(raw, "...tt", ("age", Mean));
        EncodedColumns encoded = encoder.Encode(raw, "bank.csv");

        Assert.Equal(["age", "age=(missing)"], encoded.Names);
        Assert.Equal([10, 20, 30, 1000, 20], encoded.Columns[0]);
        Assert.Equal([0, 1, 0, 0, 1], encoded.Columns[1]);
        Assert.Empty(encoder.Dropped);
    }

    [Fact]
    public void Without_missing_training_rows_the_mark_is_dropped_and_the_mean_still_fills()
    {
        RawColumn[] raw = [new NumericColumn("age", [10, 20, 30, N])];
        ColumnEncoder encoder = Fit(raw, "...t", ("age", Mean));

        Assert.Equal(["age=(missing)"], encoder.Dropped);
        EncodedColumns encoded = encoder.Encode(raw, "bank.csv");
        Assert.Equal([10, 20, 30, 20], Assert.Single(encoded.Columns));
        Assert.Equal(1, encoded.Unseen["age"]);
    }

    [Fact]
    public void A_missing_number_becomes_the_declared_constant()
    {
        RawColumn[] raw = [new NumericColumn("age", [10, N, 30])];
        ColumnEncoder encoder = Fit(raw, "...", ("age", new ColumnDeclaration { Kind = ColumnKind.Numeric, Missing = MissingRule.Constant, Constant = -7 }));
        Assert.Equal([10, -7, 30], Assert.Single(encoder.Encode(raw, "bank.csv").Columns));
    }

    [Fact]
    public void A_mean_of_nothing_is_refused() =>
        Refused([new NumericColumn("age", [N, N, 3])], "..t", "bank.csv: column 'age' has no value in the aligned training rows", ("age", Mean));

    [Fact]
    public void Levels_become_columns_in_ordinal_order_without_the_most_frequent_one()
    {
        RawColumn[] raw = [Category("region", "south north east south Zürich")];
        ColumnEncoder encoder = Fit(raw, ".....", ("region", Words));
        EncodedColumns encoded = encoder.Encode(raw, "bank.csv");

        Assert.Equal(["region=Zürich", "region=east", "region=north"], encoded.Names);
        Assert.Equal([0, 0, 0, 0, 1], encoded.Columns[0]);
        Assert.Equal([0, 0, 1, 0, 0], encoded.Columns[1]);
        Assert.Equal([0, 1, 0, 0, 0], encoded.Columns[2]);
        Assert.Equal("south", Assert.IsType<FittedCategorical>(Assert.Single(encoder.Sources)).Reference);
        Assert.Equal(["region=(other)"], encoder.Dropped);
    }

    [Fact]
    public void Of_equally_frequent_levels_the_first_by_name_is_the_reference() =>
        Assert.Equal(["c=b", "c=c"], Fit([Category("c", "c a b")], "...", ("c", Words)).Names);

    [Fact]
    public void Levels_outside_the_declared_ones_share_a_column_and_missing_ones_have_theirs()
    {
        RawColumn[] raw = [Category("region", "north east south west - north")];
        ColumnDeclaration declared = Words with { Levels = ["north", "south", "centre"], Reference = "south", Missing = MissingRule.Level };
        ColumnEncoder encoder = Fit(raw, "......", ("region", declared));
        EncodedColumns encoded = encoder.Encode(raw, "bank.csv");

        Assert.Equal(["region=north", "region=(other)", "region=(missing)"], encoded.Names);
        Assert.Equal([1, 0, 0, 0, 0, 1], encoded.Columns[0]);
        Assert.Equal([0, 1, 0, 1, 0, 0], encoded.Columns[1]);
        Assert.Equal([0, 0, 0, 0, 1, 0], encoded.Columns[2]);
        Assert.Equal(["region=centre"], encoder.Dropped);
    }

    [Fact]
    public void Rare_levels_are_counted_with_the_others()
    {
        RawColumn[] raw = [Category("c", "a a a b b x y")];
        EncodedColumns encoded = Fit(raw, ".......", ("c", Words with { MinimumRows = 2 })).Encode(raw, "bank.csv");
        Assert.Equal(["c=b", "c=(other)"], encoded.Names);
        Assert.Equal([0, 0, 0, 0, 0, 1, 1], encoded.Columns[1]);
    }

    [Fact]
    public void Where_no_level_is_kept_the_others_are_the_reference_and_not_a_column_beside_the_missing_ones()
    {
        RawColumn[] raw = [Category("c", "x y z - w -")];
        ColumnEncoder encoder = Fit(raw, "......", ("c", Words with { MinimumRows = 2, Missing = MissingRule.Level }));
        EncodedColumns encoded = ThroughJson(encoder).Encode(raw, "bank.csv");

        Assert.Equal(["c=(missing)"], encoded.Names);
        Assert.Equal([0, 0, 0, 1, 0, 1], Assert.Single(encoded.Columns));
        Assert.Equal(["c=(other)"], encoder.Dropped);
        Assert.Empty(encoded.Unseen);
    }

    [Fact]
    public void A_level_of_the_test_rows_alone_has_no_column_and_is_counted()
    {
        RawColumn[] raw = [Category("c", "a b a z z"), new NumericColumn("x", [1, 2, 3, 4, 5])];
        ColumnEncoder encoder = Fit(raw, "...tt", ("c", Words));
        EncodedColumns encoded = encoder.Encode(raw, "bank.csv");

        Assert.Equal(["c=b", "x"], encoded.Names);
        Assert.Equal([0, 1, 0, 0, 0], encoded.Columns[0]);
        Assert.Equal(2, encoded.Unseen["c"]);
    }

    [Fact]
    public void A_column_of_one_level_goes_without_taking_the_training_down()
    {
        ColumnEncoder encoder = Fit([Category("c", "a a a"), new NumericColumn("x", [1, 2, 3])], "...", ("c", Words));
        Assert.Equal(["x"], encoder.Names);
        Refused([Category("c", "a a a")], "...", "bank.csv: no feature varies in the aligned training rows", ("c", Words));
    }

    [Fact]
    public void A_reference_level_without_training_rows_is_refused() =>
        Refused(
            [Category("c", "a b z")],
            "..t",
            "bank.csv: no aligned training row has the reference level that is declared for column 'c'",
            ("c", Words with { Reference = "z" }));

    [Fact]
    public void A_name_that_two_columns_would_have_is_refused() =>
        Refused(
            [new NumericColumn("c=b", [1, 2, 3]), Category("c", "a b a")],
            "...",
            "bank.csv: a column that column 'c' is encoded into has the name of another column; rename one of them",
            ("c", Words));

    [Fact]
    public void More_levels_than_the_limit_are_refused() =>
        Refused(
            [Category("c", string.Join(' ', Enumerable.Range(0, 300)))],
            new string('.', 300),
            "bank.csv: column 'c' has more than 256 levels in the aligned training rows; name those to keep (levels) or a least number of rows (minimum_rows)",
            ("c", Words));

    [Fact]
    public void It_encodes_new_rows_after_a_way_through_json_whatever_their_dictionary_and_order()
    {
        RawColumn[] raw = [Category("c", "a b a - c"), new NumericColumn("x", [1, N, 0.1, 4, 5]), new NumericColumn("z", [1, 2, 3, 4, 5])];
        ColumnEncoder fitted = Fit(raw, ".....", ("c", Words with { Missing = MissingRule.Level }), ("x", Mean));
        ColumnEncoder read = ThroughJson(fitted);
        Assert.Equal(fitted.Names, read.Names);
        Assert.Equal(fitted.Dropped, read.Dropped);

        RawColumn[] fresh = [new NumericColumn("z", [9, 8]), new NumericColumn("unused", [0, 0]), Category("c", "c new"), new NumericColumn("x", [N, 7])];
        EncodedColumns encoded = read.Encode(fresh, "bank.csv");

        Assert.Equal(["c=b", "c=c", "c=(missing)", "x", "x=(missing)", "z"], encoded.Names);
        Assert.Equal([[0, 0], [1, 0], [0, 0], [(1 + 0.1 + 4 + 5) / 4, 7], [1, 0], [9, 8]], encoded.Columns);
        Assert.Equal(1, encoded.Unseen["c"]);
    }

    [Fact]
    public void New_rows_that_do_not_fit_the_model_are_refused()
    {
        ColumnEncoder encoder = Fit([Category("c", "a b"), new NumericColumn("x", [1, 2])], "..", ("c", Words));
        Assert.Equal("new.csv: column 'c', which the model uses, is missing", EncodeError([new NumericColumn("x", [1])]));
        Assert.Equal("new.csv: column 'x' is declared as another kind than the model's", EncodeError([Category("c", "a"), Category("x", "1")]));
        Assert.Equal("new.csv: column 'x' has missing values, and the model was trained to refuse them", EncodeError([Category("c", "a"), new NumericColumn("x", [N])]));
        Assert.Equal("new.csv: column 'c' has missing values, and the model was trained to refuse them", EncodeError([Category("c", "-"), new NumericColumn("x", [1])]));

        string EncodeError(RawColumn[] columns) => Assert.Throws<VertFedException>(() => encoder.Encode(columns, "new.csv")).Message;
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"columns":[]}""")]
    [InlineData("""{"columns":[{"source":"x","kind":"number","missing":"refuse","dropped":[]}]}""")]
    [InlineData("""{"columns":[{"source":"x","kind":"numeric","missing":"level","dropped":[]}]}""")]
    [InlineData("""{"columns":[{"source":"x","kind":"numeric","missing":"mean","indicator":true,"dropped":[]}]}""")]
    [InlineData("""{"columns":[{"source":"x","kind":"numeric","missing":"constant","constant":1e999,"indicator":false,"dropped":[]}]}""")]
    [InlineData("""{"columns":[{"source":null,"kind":"numeric","missing":"refuse","dropped":[]}]}""")]
    [InlineData("""{"columns":[{"source":"x","kind":"numeric","missing":"refuse","dropped":[]},{"source":"x","kind":"numeric","missing":"refuse","dropped":[]}]}""")]
    [InlineData("""{"columns":[{"source":"c","kind":"categorical","missing":"refuse","reference":"a","levels":["a","b"],"other":false,"missing_column":false,"dropped":[]}]}""")]
    [InlineData("""{"columns":[{"source":"c","kind":"categorical","missing":"refuse","reference":"a","levels":["(other)"],"other":false,"missing_column":false,"dropped":[]}]}""")]
    [InlineData("""{"columns":[{"source":"c","kind":"categorical","missing":"refuse","reference":"a","levels":["b","b"],"other":false,"missing_column":false,"dropped":[]}]}""")]
    public void An_encoding_that_nobody_wrote_is_refused(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.Equal(ErrorCode.BadInput, Assert.Throws<VertFedException>(() => EncodingJson.Read(document.RootElement)).Code);
    }

    [Fact]
    public void It_agrees_with_a_plain_encoding_on_random_tables()
    {
        Random random = new(5);
        for (int round = 0; round < 200; round++)
        {
            int rows = random.Next(4, 60);
            string?[] words = [.. Enumerable.Range(0, rows).Select(_ => random.Next(8) is > 0 and int level ? $"l{level}" : null)];
            double?[] numbers = [.. Enumerable.Range(0, rows).Select(_ => random.Next(5) == 0 ? (double?)null : random.Next(-20, 20))];
            bool[] test = [.. Enumerable.Range(0, rows).Select(row => row > 1 && random.Next(4) == 0)];
            (words[0], numbers[0]) = ("l1", 1);
            RawColumn[] raw = [Category("c", words), new NumericColumn("x", Array.ConvertAll(numbers, value => value ?? N))];
            DatasetOptions options = Options(("c", Words with { Missing = MissingRule.Level, MinimumRows = 2 }), ("x", Mean));
            EncodedColumns encoded = ColumnEncoder.Fit(raw, test, options, "bank.csv").Encode(raw, "bank.csv");
            Assert.Equal(PlainEncoding(words, numbers, test), encoded.Names.Zip(encoded.Columns).Select(pair => $"{pair.First}: {string.Join(' ', pair.Second)}"));
        }
    }

    /// <summary>The definition, told row by row over strings.</summary>
    private static IEnumerable<string> PlainEncoding(string?[] words, double?[] numbers, bool[] test)
    {
        int[] train = [.. Enumerable.Range(0, test.Length).Where(row => !test[row])];
        var groups = train.Where(row => words[row] is not null).GroupBy(row => words[row]!, StringComparer.Ordinal).Where(group => group.Count() >= 2)
            .OrderBy(group => group.Key, StringComparer.Ordinal).ToList();
        string? reference = groups.OrderByDescending(group => group.Count()).FirstOrDefault()?.Key;
        List<string> kept = [.. groups.Select(group => group.Key)];
        List<(string Name, Func<int, double> Value)> columns = [.. kept.Where(level => level != reference).Select(level =>
            ($"c={level}", (Func<int, double>)(row => words[row] == level ? 1 : 0)))];
        columns.Add(("c=(other)", row => reference is not null && words[row] is { } word && !kept.Contains(word) ? 1 : 0));
        columns.Add(("c=(missing)", row => words[row] is null ? 1 : 0));
        double mean = train.Where(row => numbers[row] is not null).Average(row => numbers[row]!.Value);
        columns.Add(("x", row => numbers[row] ?? mean));
        columns.Add(("x=(missing)", row => numbers[row] is null ? 1 : 0));
        return columns.Where(column => column.Name == "x" || train.Select(column.Value).Distinct().Count() == 2)
            .Select(column => $"{column.Name}: {string.Join(' ', Enumerable.Range(0, test.Length).Select(column.Value))}");
    }

    private static ColumnEncoder ThroughJson(ColumnEncoder encoder)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            EncodingJson.Write(json, encoder);
        }

        using JsonDocument document = JsonDocument.Parse(Encoding.UTF8.GetString(stream.ToArray()));
        return EncodingJson.Read(document.RootElement);
    }

    /// <param name="rows">One character a row: t for a test row.</param>
    private static ColumnEncoder Fit(RawColumn[] raw, string rows, params (string Name, ColumnDeclaration Declared)[] columns) =>
        ColumnEncoder.Fit(raw, [.. rows.Select(row => row == 't')], Options(columns), "bank.csv");

    private static void Refused(RawColumn[] raw, string rows, string message, params (string Name, ColumnDeclaration Declared)[] columns)
    {
        VertFedException error = Assert.Throws<VertFedException>(() => Fit(raw, rows, columns));
        Assert.Equal(ErrorCode.BadInput, error.Code);
        Assert.Equal(message, error.Message);
    }

    private static DatasetOptions Options(params (string Name, ColumnDeclaration Declared)[] columns) => new()
    {
        Source = new CsvSource { Path = "bank.csv" },
        Columns = columns.ToDictionary(column => column.Name, column => column.Declared, StringComparer.Ordinal),
    };

    /// <param name="words">Levels parted by spaces, - for a missing one.</param>
    private static CategoricalColumn Category(string name, string words) =>
        Category(name, [.. words.Split(' ').Select(word => word == "-" ? null : word)]);

    private static CategoricalColumn Category(string name, string?[] words)
    {
        string[] levels = [.. words.OfType<string>().Distinct(StringComparer.Ordinal)];
        return new CategoricalColumn(name, Array.ConvertAll(words, word => Array.IndexOf(levels, word)), levels);
    }
}
