using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Sessions;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Rounds;

/// <summary>A party's rows of a horizontal job: encoded, with labels, in training and test rows.</summary>
/// <param name="Columns">Names of the encoded columns.</param>
/// <param name="Schema">What the other parties' columns are compared with, 32 bytes.</param>
internal sealed record RoundInput(IReadOnlyList<string> Columns, byte[] Schema, Examples Train, Examples Test)
{
    /// <summary>What made the columns of the source's: it stays with the model, so that new rows are read in the same way.</summary>
    public required ColumnEncoder Encoder { get; init; }

    /// <summary>The rows by the levels of the job's report_by; null where it names none.</summary>
    public RowGroups? Groups { get; init; }

    /// <summary>The job's public rows, encoded as the own ones; their labels are 0, and nothing reads them. Null where the job has none.</summary>
    public Examples? Public { get; init; }

    /// <summary>Splits and encodes a loaded table, which is used up. Which rows are test rows is drawn from the job's id: a party cannot choose.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: no training rows, or a column that cannot be encoded.
    /// <see cref="ErrorCode.Diverges"/>: the job's public rows are not here any more.</exception>
    public static RoundInput Of(PreparedInput input, JobSpecification job)
    {
        RawTable table = input.Table;
        double[] labels = table.Labels ?? throw new VertFedException(ErrorCode.BadInput, $"{table.Source}: a horizontal job needs a label column.");
        bool[] isTest = Split(table.Rows, job);
        int[] rows = [.. Enumerable.Range(0, table.Rows)];
        RawColumn[] raw = table.TakeRows(rows);
        ColumnEncoder encoder = ColumnEncoder.Fit(raw, isTest, input.Dataset, table.Source);
        EncodedColumns encoded = encoder.Encode(raw, table.Source);
        Examples all = RowsOf(encoded, labels);
        int[] train = [.. rows.Where(row => !isTest[row])];
        return train.Length == 0
            ? throw new VertFedException(ErrorCode.BadInput, $"{table.Source}: no rows are left to train on.")
            : new RoundInput(encoded.Names, HashOf(encoded.Names, job.Horizontal!.Model), all.Take(train), all.Take([.. rows.Where(row => isTest[row])]))
            {
                Encoder = encoder,
                Groups = RowGroups.Of(raw, input.Dataset, job, isTest),
                Public = PublicOf(input, job, encoder),
            };
    }

    private static Examples? PublicOf(PreparedInput input, JobSpecification job, ColumnEncoder encoder)
    {
        PublicRowsSpec? named = job.Horizontal!.PublicRows;
        return PublicRows.Objection(named, input.Public) is { } objection ? throw new VertFedException(ErrorCode.Diverges, $"The job's public rows: {objection}.")
            : named is null ? null
            : RowsOf(encoder.Encode(input.Public!.Table.Columns, input.Public.Table.Source), new double[named.Rows]);
    }

    private static Examples RowsOf(EncodedColumns encoded, double[] labels)
    {
        double[] features = new double[checked(labels.Length * encoded.Names.Length)];
        for (int column = 0; column < encoded.Columns.Length; column++)
        {
            for (int row = 0; row < labels.Length; row++)
            {
                features[(row * encoded.Names.Length) + column] = encoded.Columns[column][row];
            }
        }

        return Examples.FromRows(features, labels, encoded.Names.Length);
    }

    /// <summary>How many of a party's rows train, at least 1: the split is known before the rows are.</summary>
    public static int TrainRows(int rows, JobSpecification job) => Math.Max(1, Split(rows, job).Count(isTest => !isTest));

    /// <summary>[row]: whether it is a test row.</summary>
    internal static bool[] Split(int rows, JobSpecification job)
    {
        bool[] isTest = new bool[rows];
        if (job.Holdout > 0)
        {
            byte[] key = SHA256.HashData(Encoding.ASCII.GetBytes($"vertfed/v1/round-holdout{job.Job}"));
            using RandomStream stream = new(key);
            for (int row = 0; row < rows; row++)
            {
                isTest[row] = Draws.Uniform(stream) < job.Holdout;
            }
        }

        return isTest;
    }

    private static byte[] HashOf(string[] names, string model)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[4];
        foreach (string name in names.Append(model.Split('/')[0]))
        {
            byte[] bytes = Encoding.UTF8.GetBytes(name);
            BinaryPrimitives.WriteInt32BigEndian(length, bytes.Length);
            hash.AppendData(length);
            hash.AppendData(bytes);
        }

        return hash.GetHashAndReset();
    }
}
