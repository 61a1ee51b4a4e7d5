using System.IO.Compression;
using System.Text;
using Microsoft.Data.Sqlite;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Profiling;
using VertFed.PartyNode.Scoring;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.UnitTests.Cli;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>
/// Whatever bytes a file holds, its reader gives a table that can be encoded or one of the errors that the document names: random bytes,
/// and valid files with a few bytes changed, from fixed seeds.
/// </summary>
public sealed class ReaderFuzzTests : IDisposable
{
    private static readonly byte[] Telling = "\"\";;,,\t|\r\n\n..--+eE0179 NAnif(\0\u00ff\u00ef\u00bb\u00bf\u0080"u8.ToArray();

    private static readonly string[] Files =
    [
        "id,y,x,c\na,1,1.5,north\nb,0,,south\n\"c, \"\"d\"\"\",1,-2e3,\nd,0,7,north\n",
        "\uFEFFid;y;x;c\r\na;1;1,5;north\r\nb;0;2,25;\r\nc;0;NA;isle\r\n",
        "id\ty\tx\tc\na\t1\t1.234\tn\nb\t0\t12.5\ts\n",
    ];

    private readonly TemporaryPlace _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public void A_changed_or_random_file_is_read_or_refused_as_bad_input()
    {
        Random random = new(11);
        int loaded = 0;
        for (int round = 0; round < 3_000; round++)
        {
            byte[] text = Encoding.UTF8.GetBytes(Files[round % Files.Length]);
            byte[] bytes = (round % 5) switch
            {
                0 => Bytes(random, random.Next(200)),
                1 => Changed(random, Pack(text)),
                2 => Pack(Changed(random, text)),
                _ => Changed(random, text),
            };
            loaded += Loads(() => bytes, Options(random)) ? 1 : 0;
        }

        // Were all refused, what is behind the first check would not have been tried.
        Assert.InRange(loaded, 200, 2_700);
    }

    [Fact]
    public void A_changed_database_file_is_read_or_refused_as_bad_input()
    {
        string path = _place.At("rows.db");
        using (SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString()))
        {
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "PRAGMA page_size = 512; CREATE TABLE rows (id TEXT, y INTEGER, x REAL, c TEXT); INSERT INTO rows VALUES ('a',1,1.5,'n'),('b',0,NULL,'s'),('c',1,2,'n')";
            command.ExecuteNonQuery();
        }

        byte[] valid = File.ReadAllBytes(path);
        Random random = new(12);
        DatasetOptions options = Options(random) with { Source = new SqliteSource { Path = path, Query = "SELECT id, y, x, c FROM rows" } };
        for (int round = 0; round < 150; round++)
        {
            File.WriteAllBytes(path, Changed(random, valid));
            Refused(() => TableLoader.Load(options, LabelKind.Binary), ErrorCode.BadInput);
        }
    }

    [Fact]
    public void A_changed_or_random_configuration_is_read_or_refused_as_usage()
    {
        string[] texts =
        [
            PartyConfigTests.Text, File.ReadAllText(Checkout.PathOf("samples/categorical/bank.yaml")), File.ReadAllText(Checkout.PathOf("samples/policies/bank.yaml")),
        ];
        Random random = new(13);
        for (int round = 0; round < 1_200; round++)
        {
            byte[] bytes = round % 6 == 0 ? Bytes(random, random.Next(300)) : Changed(random, Encoding.UTF8.GetBytes(texts[round % texts.Length]));
            string text = Encoding.UTF8.GetString(bytes);
            Refused(() => PartyConfig.Parse("party.yaml", text, _place.Folder), ErrorCode.Usage);
        }
    }

    [Fact]
    public void A_changed_encoding_of_a_model_is_read_or_refused_as_bad_input()
    {
        byte[] valid = """
            {"schema":1,"job":"0123456789abcdef0123456789abcdef","family":"logistic","party":"bank","label_scale":1,"transcript_root":"00","commitment":"00",
            "peer_commitment":"00","commitment_salt":"00","coefficients":[{"name":"(intercept)","value":0.5},{"name":"c=b","value":1,"mean":0.5,"standard_deviation":0.5}],
            "encoding":{"columns":[{"source":"c","kind":"categorical","missing":"level","reference":"a","levels":["b"],"other":false,"missing_column":false,"dropped":["c=(other)"]}]}}
            """u8.ToArray();
        Random random = new(14);
        for (int round = 0; round < 2_000; round++)
        {
            byte[] bytes = Changed(random, valid);
            Refused(() => ModelFile.Parse(bytes), ErrorCode.BadInput);
        }
    }

    /// <summary>Whether a table came of it; then its columns encode to finite numbers and its rows are committed to.</summary>
    private static bool Loads(Func<byte[]> bytes, DatasetOptions options)
    {
        bool loaded = false;
        Refused(
            () =>
            {
                using MemoryStream stream = new(bytes());
                RawTable table = Tables.Load(stream, options, LabelKind.Binary);
                loaded = true;
                Assert.Equal(32, InputRoot.Of(table, options).Length);
                EncodedColumns encoded = ColumnEncoder.Fit(table.Columns, new bool[table.Rows], options, table.Source).Encode(table.Columns, table.Source);
                Assert.All(encoded.Columns, column => Assert.All(column, value => Assert.True(double.IsFinite(value))));
            },
            ErrorCode.BadInput);
        Refused(
            () =>
            {
                InputErrors errors = new("fuzz.csv");
                using MemoryStream stream = new(bytes());
                using CsvRowSource source = new(stream, (CsvSource)options.Source, errors);
                Profiler.Run(source, "default", options, showRare: true, errors, CancellationToken.None);
            },
            ErrorCode.BadInput);
        return loaded;
    }

    /// <summary>Lets pass what an operator can be told; any other exception is the test's failure.</summary>
    private static void Refused(Action read, ErrorCode code)
    {
        try
        {
            read();
        }
        catch (VertFedException error)
        {
            Assert.Equal(code, error.Code);
            Assert.NotEqual("", error.Message);
        }
    }

    private static DatasetOptions Options(Random random) => new()
    {
        Source = new CsvSource
        {
            Path = "fuzz.csv",
            Delimiter = random.Next(12) switch { 0 => ';', 1 => ',', _ => null },
            DecimalComma = random.Next(12) switch { 0 => false, _ => null },
            MaxBytes = 1_000_000,
        },
        Label = "y",
        MissingValues = ["", "NA"],
        Columns = new Dictionary<string, ColumnDeclaration>(StringComparer.Ordinal)
        {
            ["x"] = new() { Kind = ColumnKind.Numeric, Missing = MissingRule.Mean },
            ["c"] = new() { Kind = ColumnKind.Categorical, Missing = MissingRule.Level, MinimumRows = random.Next(1, 3) },
        },
    };

    private static byte[] Changed(Random random, byte[] valid)
    {
        List<byte> bytes = [.. valid];
        for (int change = random.Next(4); change > 0 && bytes.Count > 0; change--)
        {
            int at = random.Next(bytes.Count);
            int length = Math.Min(random.Next(1, 12), bytes.Count - at);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes.RemoveRange(at, length);
                    break;
                case 2:
                    bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length));
                    break;
                case 3:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                default:
                    bytes[at] = Telling[random.Next(Telling.Length)];
                    break;
            }
        }

        return [.. bytes];
    }

    private static byte[] Bytes(Random random, int length)
    {
        byte[] bytes = new byte[length];
        random.NextBytes(bytes);
        for (int i = 0; i < length; i++)
        {
            bytes[i] = random.Next(3) == 0 ? bytes[i] : Telling[random.Next(Telling.Length)];
        }

        return bytes;
    }

    private static byte[] Pack(byte[] text)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Fastest))
        {
            gzip.Write(text);
        }

        return packed.ToArray();
    }
}
