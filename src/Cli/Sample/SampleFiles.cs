using VertFed.Models;

namespace VertFed.Cli.Sample;

/// <summary>Writes a synthetic pair as the two files that a party each reads.</summary>
internal static class SampleFiles
{
    public const string BankFile = "bank.csv";
    public const string RetailerFile = "retailer.csv";
    private const int BufferBytes = 1 << 20;

    /// <summary>The demo's pair: 10 features each, 70 % of the rows in both.</summary>
    public static SyntheticPairOptions Demo(long rows, ulong seed) => new(rows, BankFeatures: 10, RetailerFeatures: 10, Overlap: 0.7, seed);

    /// <summary>Writes bank.csv and retailer.csv into a folder, which is made if need be.</summary>
    /// <exception cref="VertFed.Protocol.VertFedException">A file exists already or cannot be written (usage).</exception>
    public static SampleSummary Write(SyntheticPairOptions options, string folder, CancellationToken cancellationToken)
    {
        string bank = Path.Combine(folder, BankFile);
        string retailer = Path.Combine(folder, RetailerFile);
        foreach (string path in (ReadOnlySpan<string>)[bank, retailer])
        {
            if (File.Exists(path))
            {
                throw Error.FileExists(path);
            }
        }

        bool complete = false;
        try
        {
            Directory.CreateDirectory(folder);
            using (FileStream bankStream = Open(bank), retailerStream = Open(retailer))
            {
                SyntheticPair.Write(options, bankStream, retailerStream, cancellationToken);
            }

            complete = true;
            return new SampleSummary(bank, retailer, new FileInfo(bank).Length, new FileInfo(retailer).Length, options.Overlap);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.CannotWrite(folder, e);
        }
        finally
        {
            // A part of a sample looks like a sample.
            if (!complete && Directory.Exists(folder))
            {
                File.Delete(bank);
                File.Delete(retailer);
            }
        }
    }

    private static FileStream Open(string path) => new(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, BufferBytes);
}

/// <param name="BankBytes">Size of bank.csv.</param>
/// <param name="Overlap">Share of each side's rows that the other side has too.</param>
internal sealed record SampleSummary(string Bank, string Retailer, long BankBytes, long RetailerBytes, double Overlap);
