using System.Globalization;
using System.Text;
using VertFed.PartyNode.Reporting;
using VertFed.Protocol;

namespace VertFed.PartyNode.Scoring;

/// <summary>How many rows of the label party's file ended as what.</summary>
/// <param name="Scored">Shared customers.</param>
/// <param name="NotShared">Customers that the peer does not have.</param>
/// <param name="LeftOut">Rows that repeat an earlier row's id or have none, where the job keeps the first.</param>
internal sealed record ScoreCounts(long Scored, long NotShared, long LeftOut);

/// <summary>
/// The label party's scores.csv: its own id columns as they stand in its file, the score, and a status; one row for each row of that
/// file, in its order. A customer without a score has an empty one and says why, never a zero.
/// </summary>
/// <remarks>
/// A spreadsheet runs a cell that begins with = + - @ tab or CR. Such an id is written with an apostrophe before it, and so is one
/// that begins with an apostrophe: whoever reads the file takes one leading apostrophe away and has the id.
/// </remarks>
internal static class ScoreFile
{
    public const string Name = "scores.csv";
    public const string Scored = "scored";
    public const string NotShared = "not_shared";
    public const string LeftOut = "left_out";

    /// <summary>Writes the file as a whole: a reader sees the old content or the new, never a part.</summary>
    /// <param name="idNames">Names of the id columns.</param>
    /// <param name="ids">[id column][row].</param>
    /// <param name="candidates">Rows whose id took part in the alignment.</param>
    /// <param name="aligned">Rows that are shared, in the joint order.</param>
    /// <param name="scores">One for each of <paramref name="aligned"/>.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: it cannot be written.</exception>
    public static ScoreCounts Write(
        string path, IReadOnlyList<string> idNames, IReadOnlyList<IReadOnlyList<string>> ids, IReadOnlyList<int> candidates, int[] aligned, double[] scores)
    {
        int rows = ids[0].Count;
        int[] places = new int[rows];
        Array.Fill(places, -2);
        foreach (int row in candidates)
        {
            places[row] = -1;
        }

        for (int i = 0; i < aligned.Length; i++)
        {
            places[aligned[i]] = i;
        }

        AtomicFile.Write(path, stream =>
        {
            using StreamWriter writer = new(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), bufferSize: 1 << 16, leaveOpen: true) { NewLine = "\n" };
            writer.WriteLine(string.Join(',', idNames.Select(Cell).Append("score").Append("status")));
            for (int row = 0; row < rows; row++)
            {
                foreach (IReadOnlyList<string> column in ids)
                {
                    writer.Write(Cell(column[row]));
                    writer.Write(',');
                }

                int place = places[row];
                writer.Write(place >= 0 ? scores[place].ToString("R", CultureInfo.InvariantCulture) : "");
                writer.Write(',');
                writer.WriteLine(place >= 0 ? Scored : place == -1 ? NotShared : LeftOut);
            }
        });
        return new ScoreCounts(aligned.Length, candidates.Count - aligned.Length, rows - candidates.Count);
    }

    /// <summary>A cell that no spreadsheet runs, quoted where RFC 4180 asks for it.</summary>
    public static string Cell(string text)
    {
        string guarded = text.Length > 0 && text[0] is '=' or '+' or '-' or '@' or '\t' or '\r' or '\'' ? "'" + text : text;
        return guarded.AsSpan().ContainsAny(",\"\r\n;") ? $"\"{guarded.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : guarded;
    }
}
