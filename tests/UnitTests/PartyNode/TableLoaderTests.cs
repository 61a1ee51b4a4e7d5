using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using VertFed.PartyNode.Data;
using VertFed.Protocol;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

public sealed class TableLoaderTests
{
    private static readonly CsvSource BankCsv = new() { Path = "bank.csv" };
    private static readonly CsvSource RetailerCsv = new() { Path = "retailer.csv" };
    private static readonly DatasetOptions Label = new() { Source = BankCsv, Label = "y" };
    private static readonly DatasetOptions Feature = new() { Source = RetailerCsv };

    [Fact]
    public void Loads_ids_label_and_features_in_columns()
    {
        RawTable table = Load("id,y,age,income\na,1,30,1.5\nb,0,-4,2e3\n", Label, LabelKind.Binary);

        Assert.Equal(2, table.Rows);
        Assert.Equal(["a", "b"], table.Ids[0]);
        Assert.Equal([1.0, 0.0], table.Labels!);
        Assert.Equal(["age", "income"], table.Names);
        Assert.Equal([30.0, -4.0], table.Numbers(0));
        Assert.Equal([1.5, 2000.0], table.Numbers(1));
        Assert.Equal([2, 3], table.Positions);
    }

    [Fact]
    public void Hashes_the_bytes_as_read()
    {
        byte[] bytes = [0xEF, 0xBB, 0xBF, .. "id,x\r\n1,2\r\n"u8];
        Assert.Equal(SHA256.HashData(bytes), Load(bytes, Feature).Sha256);
    }

    [Theory]
    [InlineData("id,x\r\n1,2\r\n3,4\r\n")]
    [InlineData("id,x\n1,2\n3,4")]
    [InlineData("id,x\n1,2\n3,4\n\n\n")]
    [InlineData("id,x\n1,2\r\n3,4\r")]
    [InlineData("\"id\",\"x\"\n\"1\",\"2\"\n\"3\",\"4\"\n")]
    [InlineData("\uFEFFid,x\n1, 2\n3,\t4 \n")]
    public void Accepts_the_usual_line_ends_quotes_and_byte_order_mark(string text)
    {
        RawTable table = Load(text, Feature);
        Assert.Equal(["1", "3"], table.Ids[0]);
        Assert.Equal([2.0, 4.0], table.Numbers(0));
    }

    [Fact]
    public void Keeps_ids_exactly_as_they_stand_quoted_text_included()
    {
        RawTable table = Load("id,x\n\" Zo\u00eb, \"\"B\"\"\nx \",1\n", Feature);
        Assert.Equal(" Zo\u00eb, \"B\"\nx ", table.Ids[0][0]);
    }

    [Fact]
    public void Several_id_columns_are_kept_apart_and_in_the_declared_order()
    {
        RawTable table = Load("a,x,b\n1,0,2\n3,1,4\n", Feature with { Id = ["b", "a"] });
        Assert.Equal(["2", "4"], table.Ids[0]);
        Assert.Equal(["1", "3"], table.Ids[1]);
        Assert.Equal(["x"], table.Names);
    }

    [Fact]
    public void A_feature_list_chooses_and_orders_and_other_columns_may_hold_anything()
    {
        RawTable table = Load("id,note,b,a\n1,text,2,3\n", Feature with { Features = ["a", "b"] });
        Assert.Equal(["a", "b"], table.Names);
        Assert.Equal(3, table.Numbers(0)[0]);
        Assert.Equal(2, table.Numbers(1)[0]);
    }

    [Fact]
    public void A_column_named_y_is_a_feature_of_a_party_without_labels() =>
        Assert.Equal(["y"], Load("id,y\n1,2\n", Feature).Names);

    [Fact]
    public void Declared_semicolons_and_decimal_commas_are_read()
    {
        RawTable table = Load("id;x\n1;2,5\n", Feature with { Source = RetailerCsv with { Delimiter = ';', DecimalComma = true } });
        Assert.Equal(2.5, table.Numbers(0)[0]);
    }

    [Theory]
    [InlineData("", "the file is empty; a header row and data rows are expected")]
    [InlineData("\uFEFF", "the file is empty; a header row and data rows are expected")]
    [InlineData("\n\n", "the file is empty; a header row and data rows are expected")]
    [InlineData("id,y,x\n", "holds a header row but no data rows")]
    public void An_empty_file_is_refused(string text, string what) => Refused(text, $"bank.csv: {what}");

    [Theory]
    [InlineData("id,x\n1,2\n", "bank.csv, line 1: label column 'y' is missing")]
    [InlineData("key,y,x\n1,0,2\n", "bank.csv, line 1: id column 'id' is missing")]
    [InlineData("id,y,x,x\n1,0,2,3\n", "bank.csv, line 1: column 'x' appears twice")]
    [InlineData("id,y,,x\n1,0,2,3\n", "bank.csv, line 1: column 3 has no name")]
    [InlineData("id,y\n1,0\n", "bank.csv, line 1: no feature columns besides id and label")]
    [InlineData("id,y,(intercept)\n1,0,2\n", "bank.csv, line 1: the name of column 3 is '(intercept)', which is reserved")]
    [InlineData("id,y,\"a\nb\"\n1,0,2\n", "bank.csv, line 1: the name of column 3 holds a control character")]
    public void A_wrong_header_is_refused(string text, string message) => Refused(text, message);

    [Theory]
    [InlineData("id;y;x\n1;0;2\n", "bank.csv, line 1: looks semicolon-separated; declare delimiter: ';'")]
    [InlineData("id\ty\tx\n1\t0\t2\n", "bank.csv, line 1: looks tab-separated; declare delimiter: \"\\t\"")]
    public void Another_delimiter_than_the_declared_one_is_named(string text, string message) =>
        Refused(text, message, Label with { Source = BankCsv with { Delimiter = ',' } });

    [Fact]
    public void A_missing_chosen_feature_is_named() =>
        Refused("id,x\n1,2\n", "retailer.csv, line 1: feature column 'age' is missing", Feature with { Features = ["age"] });

    [Fact]
    public void A_comma_file_under_a_declared_semicolon_is_named() =>
        Refused("id,y,x\n1,0,2\n", "bank.csv, line 1: looks comma-separated; declare delimiter: ','", Label with { Source = BankCsv with { Delimiter = ';' } });

    [Theory]
    [InlineData("id,y,x\n1,0,2\n2,1,abc\n", "bank.csv, line 3, column 'x': not a number")]
    [InlineData("id,y,x\n1,0,1.2.3\n", "bank.csv, line 2, column 'x': not a number")]
    [InlineData("id,y,x\n1,0,0x10\n", "bank.csv, line 2, column 'x': not a number")]
    [InlineData("id,y,x\n1,0,1 000\n", "bank.csv, line 2, column 'x': not a number")]
    [InlineData("id,y,x\n1,0,-\n", "bank.csv, line 2, column 'x': not a number")]
    [InlineData("id,y,x\n1,0,\u0661\n", "bank.csv, line 2, column 'x': not a number")]
    [InlineData("id,y,x\n1,0,\n", "bank.csv, line 2, column 'x': empty cell")]
    [InlineData("id,y,x\n1,0,  \n", "bank.csv, line 2, column 'x': empty cell")]
    [InlineData("id,y,x\n1,,2\n", "bank.csv, line 2, column 'y': empty cell")]
    [InlineData("id,y,x\n1,0,NaN\n", "bank.csv, line 2, column 'x': not a finite number")]
    [InlineData("id,y,x\n1,0,-inf\n", "bank.csv, line 2, column 'x': not a finite number")]
    [InlineData("id,y,x\n1,0,Infinity\n", "bank.csv, line 2, column 'x': not a finite number")]
    [InlineData("id,y,x\n1,0,1e999\n", "bank.csv, line 2, column 'x': not a finite number")]
    [InlineData("id,y,x\n1,2,5\n", "bank.csv, line 2, column 'y': the label is neither 0 nor 1")]
    [InlineData("id,y,x\n1,yes,5\n", "bank.csv, line 2, column 'y': not a number")]
    [InlineData("id,y,x\n1,0,\"1,5\"\n", "bank.csv, line 2, column 'x': not a number; it looks like a decimal comma: declare decimal_comma: true")]
    public void A_wrong_cell_is_refused_with_line_and_column(string text, string message) => Refused(text, message);

    [Fact]
    public void Decimal_commas_that_are_not_declared_are_detected() =>
        Refused(
            "id;x\n1;2,5\n",
            "retailer.csv, line 2, column 'x': not a number; it looks like a decimal comma: declare decimal_comma: true",
            Feature with { Source = RetailerCsv with { Delimiter = ';', DecimalComma = false } });

    [Fact]
    public void A_decimal_point_under_declared_decimal_commas_is_detected() =>
        Refused(
            "id;x\n1;2.5\n",
            "retailer.csv, line 2, column 'x': not a number; it has a decimal point where decimal_comma: true is declared or was detected",
            Feature with { Source = RetailerCsv with { Delimiter = ';', DecimalComma = true } });

    [Theory]
    [InlineData("id,y,x\n1,0,2\n1,0\n", "bank.csv, line 3: 2 cells where the header has 3")]
    [InlineData("id,y,x\n1,0,2\n\n1,0,2\n", "bank.csv, line 3: an empty line between data rows")]
    [InlineData("id,y,x\n1,0,\"2\n3,0,4\n", "bank.csv, line 2, column 'x': a quote is opened and never closed")]
    [InlineData("id,y,x\n1,0,2\"\n3,0,4\n", "bank.csv, line 2, column 'x': a quote inside an unquoted cell; put the whole cell in quotes and double the quotes in it")]
    [InlineData("id,y,x\n1,0,\"2\"3\n", "bank.csv, line 2, column 'x': text after the closing quote")]
    [InlineData("id,y,x\n1,0,2\n1,\0,2\n", "bank.csv, line 3, column 'y': a NUL byte; the file is binary or UTF-16, save it as UTF-8 text")]
    [InlineData("id,y,x\r1,0,2\r", "bank.csv, line 1, column '#3': a carriage return without line feed; end lines with LF or CRLF")]
    public void A_malformed_line_is_refused(string text, string message) => Refused(text, message);

    [Fact]
    public void A_row_with_too_many_cells_hints_at_decimal_commas()
    {
        string message = Message("id,y,x\n1,0,2,5\n", Label);
        Assert.StartsWith("bank.csv, line 2: 4 cells where the header has 3; an unquoted comma in a cell or a decimal comma", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_are_counted_through_quoted_line_breaks() =>
        Refused("id,y,x\n\"a\nb\",0,1\nc,0,?\n", "bank.csv, line 4, column 'x': not a number");

    [Fact]
    public void Invalid_utf8_is_refused_with_its_column() =>
        Assert.Equal(
            "retailer.csv, line 2, column 'id': not valid UTF-8; save the file as UTF-8",
            Message([.. "id,x\nM"u8, 0xFC, .. "ller,2\n"u8], Feature));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Utf16_is_refused_with_a_hint(bool bigEndian)
    {
        UnicodeEncoding encoding = new(bigEndian, byteOrderMark: true);
        byte[] bytes = [.. encoding.GetPreamble(), .. encoding.GetBytes("id,x\n1,2\n")];
        Assert.Equal("retailer.csv: is UTF-16 or UTF-32; save it as UTF-8", Message(bytes, Feature));
    }

    [Fact]
    public void Utf16_without_a_mark_is_refused_at_its_first_nul() =>
        Assert.Contains("a NUL byte", Message(Encoding.Unicode.GetBytes("id,x\n1,2\n"), Feature), StringComparison.Ordinal);

    [Fact]
    public void Ten_thousand_columns_are_refused_readably()
    {
        string header = "id," + string.Join(',', Enumerable.Range(0, 10_000).Select(i => $"c{i}"));
        string row = "1" + string.Concat(Enumerable.Repeat(",0", 10_000));
        Refused(
            $"{header}\n{row}\n",
            "retailer.csv, line 1: 10,000 feature columns; at most 4,096 are accepted (choose with data.features)",
            Feature);
    }

    [Fact]
    public void More_cells_than_any_table_has_are_refused() =>
        Refused(new string(',', 70_000) + "\n", "retailer.csv, line 1: more than 65,536 columns", Feature);

    [Fact]
    public void An_over_long_line_is_refused() =>
        Refused(
            "id,x\n1,2\n" + new string('7', 1_100_000) + ",2\n", "retailer.csv, line 3: longer than 1,048,576 bytes", Feature);

    [Fact]
    public void A_quote_that_swallows_the_file_is_named_where_it_opens()
    {
        string rows = string.Concat(Enumerable.Range(0, 200_000).Select(i => $"{i},1\n"));
        Refused("id,x\n\"1,2\n" + rows, "retailer.csv, line 2, column 'id': a quote is opened and never closed", Feature);
    }

    [Fact]
    public void A_missing_file_and_a_folder_are_refused()
    {
        string folder = Path.GetTempPath();
        VertFedException missing = Assert.Throws<VertFedException>(
            () => TableLoader.Load(new DatasetOptions { Source = new CsvSource { Path = Path.Combine(folder, Guid.NewGuid().ToString("N") + ".csv") } }, LabelKind.None));
        Assert.Equal(ErrorCode.BadInput, missing.Code);
        Assert.EndsWith(".csv: no such file", missing.Message, StringComparison.Ordinal);
        VertFedException isFolder = Assert.Throws<VertFedException>(
            () => TableLoader.RequireReadable(new DatasetOptions { Source = new CsvSource { Path = folder.TrimEnd('/') } }));
        Assert.Contains("cannot be read (it is a folder)", isFolder.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Messages_never_hold_a_cell()
    {
        foreach (string text in new[]
        {
            "id,y,x\nPLANTED,0,PLANTED\n", "id,y,x\nPLANTED,PLANTED,1\n", "id,y,x\nPLANTED,0\n", "id,y,x\n\"PLANTED,0,1\n",
            "id,y,x\nPLANTED\",0,1\n", "id,y,x\n\"PLANTED\"PLANTED,0,1\n", "id,y,x\nPLANTED,0,\0PLANTED\n",
        })
        {
            Assert.DoesNotContain("PLANTED", Message(text, Label), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Records_across_buffer_ends_are_whole()
    {
        StringBuilder text = new("id,x\r\n");
        for (int i = 0; i < 60_000; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"\"customer \"\"{i}\"\"\",{i}.25\r\n");
        }

        RawTable table = Load(text.ToString(), Feature);
        Assert.Equal(60_000, table.Rows);
        for (int i = 0; i < table.Rows; i++)
        {
            Assert.Equal($"customer \"{i}\"", table.Ids[0][i]);
            Assert.Equal(i + 0.25, table.Numbers(0)[i]);
        }
    }

    [Fact]
    public void What_is_written_is_read_back_whatever_the_ids_and_the_read_sizes()
    {
        Gen<string> id = Gen.ArrayOf(Gen.Elements('a', '"', ',', '\n', '\r', ' ', '\u00e9', '\u20ac')).Select(c => new string(c));
        Gen<double> number = ArbMap.Default.GeneratorFor<double>().Where(double.IsFinite);
        Gen<((string, double)[], int)> table = Gen.NonEmptyListOf(id.Zip(number)).Select(rows => rows.ToArray()).Zip(Gen.Choose(1, 40));
        Prop.ForAll(table.ToArbitrary(), sample =>
        {
            ((string Id, double X)[] rows, int step) = sample;
            StringBuilder text = new("id,x\n");
            foreach ((string key, double x) in rows)
            {
                text.Append('"').Append(key.Replace("\"", "\"\"", StringComparison.Ordinal)).Append("\",")
                    .Append(x.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
            }

            using TricklingStream stream = new(Encoding.UTF8.GetBytes(text.ToString()), step);
            RawTable loaded = Tables.Load(stream, Feature);
            return loaded.Ids[0].SequenceEqual(rows.Select(row => row.Id)) && loaded.Numbers(0).SequenceEqual(rows.Select(row => row.X));
        }).QuickCheckThrowOnFailure();
    }

    private static RawTable Load(string text, DatasetOptions options, LabelKind labels = LabelKind.None) =>
        Load(Encoding.UTF8.GetBytes(text), options, labels);

    private static RawTable Load(byte[] bytes, DatasetOptions options, LabelKind labels = LabelKind.None)
    {
        using MemoryStream stream = new(bytes);
        return Tables.Load(stream, options, labels);
    }

    private static void Refused(string text, string message, DatasetOptions? options = null) =>
        Assert.Equal(message, Message(text, options ?? Label));

    private static string Message(string text, DatasetOptions options) => Message(Encoding.UTF8.GetBytes(text), options);

    private static string Message(byte[] bytes, DatasetOptions options)
    {
        VertFedException error = Assert.Throws<VertFedException>(
            () => Load(bytes, options, options.Label is null ? LabelKind.None : LabelKind.Binary));
        Assert.Equal(ErrorCode.BadInput, error.Code);
        return error.Message;
    }

    /// <summary>Gives a few bytes a read, as a slow pipe does.</summary>
    private sealed class TricklingStream(byte[] bytes, int step) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, step));
    }
}
