using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using VertFed.PartyNode.Data;

namespace VertFed.PartyNode.Sessions;

/// <summary>
/// What a party's input is, in 32 bytes: SHA-256 over the source's hash and how it is read. The attempt's randomness is bound to it,
/// so a changed source or another choice of columns is never met with the same secrets.
/// </summary>
internal static class InputRoot
{
    public static byte[] Of(RawTable table, DatasetOptions options)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add("vertfed/v2/input/2");
        hash.AppendData(table.Sha256);
        AddAll("id", options.Id);
        Add("label");
        Add(options.Label ?? "");
        AddAll("features", table.Names);

        // The same bytes read in another way are another input; whether that way was declared or detected makes none.
        Add(table.Reading);
        AddAll("missing", options.MissingValues);
        Add("columns");
        foreach ((string name, ColumnDeclaration declared) in options.Columns.OrderBy(column => column.Key, StringComparer.Ordinal))
        {
            Add(name);
            Add(declared.Kind.ToString());
            Add(declared.Missing.ToString());
            Add(declared.Constant.ToString("R", CultureInfo.InvariantCulture));
            Add(declared.Reference ?? "");
            AddAll(declared.Levels is null ? "any" : "levels", declared.Levels ?? []);
            Add(declared.MinimumRows.ToString(CultureInfo.InvariantCulture));
        }

        return hash.GetHashAndReset();

        void AddAll(string what, IReadOnlyList<string> fields)
        {
            Add(what);
            Add(fields.Count.ToString(CultureInfo.InvariantCulture));
            foreach (string field in fields)
            {
                Add(field);
            }
        }

        void Add(string field)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(field);
            Span<byte> length = stackalloc byte[4];
            BinaryPrimitives.WriteInt32BigEndian(length, bytes.Length);
            hash.AppendData(length);
            hash.AppendData(bytes);
        }
    }
}
