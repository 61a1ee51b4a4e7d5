using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using VertFed.PartyNode.Data;

namespace VertFed.PartyNode.Sessions;

/// <summary>
/// What a party's input is, in 32 bytes: SHA-256 over the file's hash and how it is read. The attempt's randomness is bound to it,
/// so a changed file or another choice of columns is never met with the same secrets.
/// </summary>
internal static class InputRoot
{
    public static byte[] Of(CsvTable table, CsvOptions options)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add("vertfed/v1/input");
        hash.AppendData(table.Sha256);
        foreach (string id in options.Id)
        {
            Add(id);
        }

        Add("label");
        Add(options.Label ?? "");
        Add("features");
        foreach (string name in table.Names)
        {
            Add(name);
        }

        Add(options.Delimiter.ToString());
        Add(options.DecimalComma ? "comma" : "point");
        return hash.GetHashAndReset();

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
