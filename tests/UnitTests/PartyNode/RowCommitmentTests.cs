using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Sessions;
using VertFed.Primitives;
using VertFed.Protocol;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

public sealed class RowCommitmentTests : IDisposable
{
    private readonly TemporaryPlace _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public void The_root_is_that_of_the_salted_rows_as_the_document_says()
    {
        RawTable table = Load("id,y,x\na,0,1.5\nbé,1,-2\nc,0,3\n");
        byte[] salts = new byte[96];
        using (RandomStream stream = Stream())
        {
            stream.Fill(salts);
        }

        byte[][] leaves =
        [
            Leaf(salts[..32], "a", 0, 1.5),
            Leaf(salts[32..64], "bé", 1, -2),
            Leaf(salts[64..], "c", 0, 3),
        ];
        byte[] expected = Node(Node(leaves[0], leaves[1]), leaves[2]);

        RowsCommitment commitment = Commit(table);

        Assert.Equal(3, commitment.Rows);
        Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(commitment.Root));
    }

    [Theory]
    [InlineData("id,y,x\na,0,1.5\nb,1,-2.0000000000000004\n")]
    [InlineData("id,y,x\na,0,1.5\nB,1,-2\n")]
    [InlineData("id,y,x\na,1,1.5\nb,1,-2\n")]
    [InlineData("id,y,x\nb,1,-2\na,0,1.5\n")]
    [InlineData("id,y,x\na,0,1.5\n")]
    public void Any_other_row_gives_another_root(string other)
    {
        Assert.NotEqual(Commit(Load("id,y,x\na,0,1.5\nb,1,-2\n")).Root, Commit(Load(other)).Root);
    }

    [Fact]
    public void Levels_and_missing_values_are_committed_to_as_they_stand_in_the_source()
    {
        DatasetOptions options = new()
        {
            Source = new CsvSource { Path = "data.csv" },
            Columns = new Dictionary<string, ColumnDeclaration>(StringComparer.Ordinal)
            {
                ["x"] = new() { Kind = ColumnKind.Numeric, Missing = MissingRule.Mean },
                ["c"] = new() { Kind = ColumnKind.Categorical, Missing = MissingRule.Level },
            },
        };
        using MemoryStream file = new("id,x,c\na,,né\nb,2,\n"u8.ToArray());
        RawTable table = Tables.Load(file, options);
        byte[] salts = new byte[64];
        using (RandomStream stream = Stream())
        {
            stream.Fill(salts);
        }

        byte[] first = SHA256.HashData([0, .. salts[..32], 0, 0, 0, 1, (byte)'a', 0x7F, 0xF8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, (byte)'n', 0xC3, 0xA9]);
        byte[] second = SHA256.HashData([0, .. salts[32..], 0, 0, 0, 1, (byte)'b', .. Bytes(2), 0xFF, 0xFF, 0xFF, 0xFF]);
        Assert.Equal(Convert.ToHexString(Node(first, second)), Convert.ToHexString(Commit(table).Root));
    }

    [Fact]
    public void Equal_rows_under_other_salts_give_another_root()
    {
        RawTable table = Load("id,y,x\na,0,1.5\nb,1,-2\n");
        using RandomStream other = RandomStream.Derive(new byte[32], "other"u8);

        Assert.NotEqual(Commit(table).Root, RowCommitment.Of(table, other).Root);
    }

    [Fact]
    public void More_rows_than_a_block_are_in_file_order()
    {
        StringBuilder text = new("id,y,x\n");
        for (int i = 0; i < 10_000; i++)
        {
            text.Append(i).Append(',').Append(i % 2).Append(',').Append(i).Append('\n');
        }

        RawTable table = Load(text.ToString());
        global::VertFed.Transcript.MerkleTree tree = new();
        using RandomStream salts = Stream();
        byte[] salt = new byte[32];
        for (int i = 0; i < 10_000; i++)
        {
            salts.Fill(salt);
            tree.AppendHash(Leaf(salt, i.ToString(System.Globalization.CultureInfo.InvariantCulture), i % 2, i));
        }

        Assert.Equal(tree.Root(), Commit(table).Root);
    }

    private static RowsCommitment Commit(RawTable table)
    {
        using RandomStream salts = Stream();
        return RowCommitment.Of(table, salts);
    }

    private static RandomStream Stream() => RandomStream.Derive(new byte[32], "row salts"u8);

    private static byte[] Leaf(byte[] salt, string id, double label, double feature)
    {
        byte[] text = Encoding.UTF8.GetBytes(id);
        byte[] leaf = [0, .. salt, 0, 0, 0, (byte)text.Length, .. text, .. Bytes(label), .. Bytes(feature)];
        return SHA256.HashData(leaf);
    }

    private static byte[] Node(byte[] left, byte[] right) => SHA256.HashData([1, .. left, .. right]);

    private static byte[] Bytes(double value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteDoubleBigEndian(bytes, value);
        return bytes;
    }

    private RawTable Load(string text)
    {
        string path = _place.At("data.csv");
        File.WriteAllText(path, text);
        return TableLoader.Load(new DatasetOptions { Source = new CsvSource { Path = path }, Label = "y" }, LabelKind.Number, CancellationToken.None);
    }
}
