using System.IO.Compression;
using System.Text;
using VertFed.PartyNode.Data;
using VertFed.Protocol;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>Compressed files, formats that are found out, declared columns: what is read, and what is refused.</summary>
public sealed class HostileFileTests
{
    private const string Damaged = "data.csv.gz: the gzip data is damaged, cut short or of several parts; compress the file again";
    private static readonly CsvSource Csv = new() { Path = "data.csv.gz" };
    private static readonly DatasetOptions Options = new() { Source = Csv };
    private static readonly ColumnDeclaration Words = new() { Kind = ColumnKind.Categorical, Missing = MissingRule.Level };

    [Fact]
    public void A_compressed_file_is_the_file_that_was_compressed()
    {
        byte[] text = Encoding.UTF8.GetBytes("id,x\n" + string.Concat(Enumerable.Range(0, 50_000).Select(i => $"k{i},{i}\n")));
        RawTable table = Load(Pack(text));

        Assert.Equal(50_000, table.Rows);
        Assert.Equal(Load(text).Sha256, table.Sha256);
        Assert.Contains("gzip", table.Format, StringComparison.Ordinal);
    }

    [Fact]
    public void A_compressed_file_that_is_cut_short_or_damaged_is_refused_wherever_that_is()
    {
        Random random = new(3);
        byte[] text = Encoding.UTF8.GetBytes("id,x\n" + string.Concat(Enumerable.Range(0, 2_000).Select(i => $"k{random.Next()},{random.NextDouble():R}\n")));
        byte[] packed = Pack(text);
        foreach (int length in Enumerable.Range(3, 30).Concat([packed.Length / 2]).Concat(Enumerable.Range(packed.Length - 40, 40)))
        {
            Assert.Equal(Damaged, Message(packed[..length]));
        }

        byte[] flipped = [.. packed];
        flipped[packed.Length / 2] ^= 0x10;
        Assert.StartsWith("data.csv.gz", Message(flipped), StringComparison.Ordinal);
        byte[] checksum = [.. packed];
        checksum[^6] ^= 1;
        Assert.Equal(Damaged, Message(checksum));
        Assert.Equal(Damaged, Message([.. packed, .. Pack("k,1\n"u8.ToArray())]));
    }

    [Fact]
    public void A_small_file_that_grows_without_end_is_stopped_at_the_limit()
    {
        byte[] rows = Encoding.UTF8.GetBytes("id,x\n" + string.Concat(Enumerable.Repeat("k,1\n", 2_000_000)));
        byte[] packed = Pack(rows);
        Assert.True(packed.Length * 100 < rows.Length);
        Assert.Equal(
            "data.csv.gz: more than 1,000,000 bytes after decompression (data.max_bytes)",
            Message(packed, Options with { Source = Csv with { MaxBytes = 1_000_000 } }));
    }

    [Fact]
    public void Empty_lines_without_end_are_stopped() =>
        Assert.Equal("data.csv.gz: more than 1,024 empty lines at its end", Message("id,x\na,1\n" + new string('\n', 5_000)));

    [Theory]
    [InlineData(";", "CSV, UTF-8, delimiter ';' (detected), decimal point (detected)")]
    [InlineData("\t", "CSV, UTF-8, delimiter tab (detected), decimal point (detected)")]
    [InlineData("|", "CSV, UTF-8, delimiter '|' (detected), decimal point (detected)")]
    [InlineData(",", "CSV, UTF-8, delimiter ',' (detected), decimal point (detected)")]
    public void The_delimiter_is_found_in_the_header_also_where_quotes_hold_others(string delimiter, string format)
    {
        RawTable table = Load(Encoding.UTF8.GetBytes($"id{delimiter}\"a;,|b\"\nk{delimiter}1.5\n"));
        Assert.Equal(format, table.Format);
        Assert.Equal([1.5], table.Numbers(0));
    }

    [Theory]
    [InlineData("id;x\na;2,5\n", true)]
    [InlineData("id;x\na;1,234\nb;2,5\n", true)]
    [InlineData("id;x\na;2.5\n", false)]
    [InlineData("id;x\na;7\n", false)]
    [InlineData("id;x\na;1.234\nb;0.125\n", false)]
    [InlineData("id;x\na;1.234\nb;1234.567\n", false)]
    [InlineData("id;x\na;0,125\n", true)]
    public void The_decimal_mark_is_found_in_the_rows(string text, bool comma) =>
        Assert.Contains(comma ? "decimal comma" : "decimal point", Load(Encoding.UTF8.GetBytes(text)).Format, StringComparison.Ordinal);

    [Theory]
    [InlineData("id;x\na;1,234\nb;5\n", "data.csv.gz: column 'x': its commas may mark decimals or thousands; declare decimal_comma")]
    [InlineData("id;x\na;1.234\nb;-12.500\n", "data.csv.gz: column 'x': its points may mark decimals or thousands; declare decimal_comma (false: they mark decimals)")]
    [InlineData("id;x;z\na;2,5;1.234\n", "data.csv.gz: decimal commas stand in column 'x' and decimal points in column 'z'; declare decimal_comma")]
    [InlineData("id;x;z\na;2,5;1.5\n", "data.csv.gz: decimal commas stand in column 'x' and decimal points in column 'z'; declare decimal_comma")]
    [InlineData("a;b,c\n1;2,3\n", "data.csv.gz, line 1: several delimiters stand in it equally often; declare delimiter")]
    public void What_can_be_read_in_two_ways_is_refused(string text, string message) => Assert.Equal(message, Message(text));

    [Fact]
    public void A_comma_after_the_sample_that_was_all_points_is_refused_not_misread()
    {
        string text = "id;x\n" + string.Concat(Enumerable.Repeat("a;2.5\n", 3_000)) + "b;1,234\n";
        Assert.StartsWith("data.csv.gz, line 3,002, column 'x': not a number", Message(text), StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_values_are_those_that_are_declared_sentinels_included()
    {
        DatasetOptions options = Options with
        {
            MissingValues = ["", "NA", "-999"],
            Columns = new Dictionary<string, ColumnDeclaration>(StringComparer.Ordinal)
            {
                ["x"] = new() { Kind = ColumnKind.Numeric, Missing = MissingRule.Mean }, ["c"] = Words,
            },
        };
        RawTable table = Load("id,x,c,z\na, NA ,north,1\nb,-999,,2\nc,3, NA,3\n"u8.ToArray(), options);
        Assert.Equal([double.NaN, double.NaN, 3], table.Numbers(0));
        Assert.Equal([0, -1, -1], table.Words(1).Codes);
        Assert.Equal("data.csv.gz, line 2, column 'z': a missing value (missing_values)", Message("id,x,c,z\na,1,n,-999\n", options));
    }

    [Fact]
    public void Levels_that_cannot_be_columns_are_refused_without_showing_them()
    {
        DatasetOptions options = Options with { Columns = new Dictionary<string, ColumnDeclaration>(StringComparer.Ordinal) { ["c"] = Words } };
        Assert.Equal("data.csv.gz, line 2, column 'c': a level that is '(other)' or '(missing)', which are reserved", Message("id,c\na,(other)\n", options));
        Assert.Equal("data.csv.gz, line 3, column 'c': a level that holds a control character", Message("id,c\na,n\nb,\"x\ty\"\n", options));
        Assert.Equal("data.csv.gz, line 2, column 'c': a level that is longer than 200 bytes", Message($"id,c\na,{new string('w', 201)}\n", options));
        Assert.Equal(
            "data.csv.gz, line 258, column 'c': more than 256 different levels; name those to keep (levels) or a least number of rows (minimum_rows)",
            Message("id,c\n" + string.Concat(Enumerable.Range(0, 300).Select(i => $"{i},l{i}\n")), options));
    }

    [Theory]
    [InlineData("id", "data.csv.gz, line 1: column 'id' is declared under 'columns' and is an id, the label or not among 'features'")]
    [InlineData("z", "data.csv.gz, line 1: declared column 'z' is missing")]
    public void A_declaration_of_what_is_no_feature_is_refused(string column, string message) =>
        Assert.Equal(message, Message("id,x\na,1\n", Options with { Columns = new Dictionary<string, ColumnDeclaration>(StringComparer.Ordinal) { [column] = Words } }));

    private static RawTable Load(byte[] bytes, DatasetOptions? options = null)
    {
        using MemoryStream stream = new(bytes);
        return Tables.Load(stream, options ?? Options);
    }

    private static string Message(string text, DatasetOptions? options = null) => Message(Encoding.UTF8.GetBytes(text), options);

    private static string Message(byte[] bytes, DatasetOptions? options = null)
    {
        VertFedException error = Assert.Throws<VertFedException>(() => Load(bytes, options));
        Assert.Equal(ErrorCode.BadInput, error.Code);
        return error.Message;
    }

    private static byte[] Pack(byte[] text)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.SmallestSize))
        {
            gzip.Write(text);
        }

        return packed.ToArray();
    }
}
