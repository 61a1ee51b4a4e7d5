using System.Buffers.Text;
using System.Text;

namespace VertFed.Models;

/// <summary>Size and seed of a generated pair of files.</summary>
/// <param name="Rows">Rows of each file, 1 to 100,000,000.</param>
/// <param name="BankFeatures">Feature columns of the bank, 1 to 4096.</param>
/// <param name="RetailerFeatures">Feature columns of the retailer, 1 to 4096.</param>
/// <param name="Overlap">Share of each file's rows whose id is in the other file too, in [0, 1].</param>
/// <param name="Seed">The same seed and sizes give the same bytes on every machine.</param>
public sealed record SyntheticPairOptions(long Rows, int BankFeatures, int RetailerFeatures, double Overlap, ulong Seed)
{
    /// <exception cref="ModelException">A number is out of its range.</exception>
    public void Validate()
    {
        Throw.If(Rows is < 1 or > 100_000_000, ModelError.InvalidInput, "A generated file has 1 to 100,000,000 rows.");
        Throw.If(BankFeatures is < 1 or > 4096, ModelError.InvalidInput, "A generated bank has 1 to 4096 features.");
        Throw.If(RetailerFeatures is < 1 or > 4096, ModelError.InvalidInput, "A generated retailer has 1 to 4096 features.");
        Throw.If(!(Overlap >= 0 && Overlap <= 1), ModelError.InvalidInput, "The overlap is a share between 0 and 1.");
    }
}

/// <summary>
/// Writes a bank's file (id, y, features) and a retailer's (id, features) about partly the same customers. Labels follow a logistic
/// model of both parties' columns, about one in five is an event, and columns are correlated within and across the parties
/// through two hidden factors. Every fifth column has two levels, the others are continuous with three decimals.
/// </summary>
/// <remarks>
/// Everything about a customer is a hash of (seed, customer, what), so rows can be made in any order and in parallel, and the two
/// files need not be made together. Rows are in an order of their own in each file.
/// </remarks>
public static class SyntheticPair
{
    private const int BlockRows = 2048;
    private const int ActiveFeatures = 12;
    private const double EventShare = 0.2;
    private const int CalibrationRows = 20_000;

    // Ten-digit ids; the multiplier has no factor 2 or 5, so ids are distinct.
    private const long IdSpace = 10_000_000_000;
    private const long IdMultiplier = 6_364_136_223;

    /// <summary>Writes both files.</summary>
    /// <param name="options">Sizes and seed.</param>
    /// <param name="bank">Receives bank.csv, UTF-8 without a byte-order mark, lines ended by \n.</param>
    /// <param name="retailer">Receives retailer.csv.</param>
    /// <exception cref="ModelException">An option is out of range.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the files are incomplete then.</exception>
    public static void Write(SyntheticPairOptions options, Stream bank, Stream retailer, CancellationToken cancellationToken = default)
    {
        options.Validate();
        double intercept = Calibrate(options);
        long shared = (long)Math.Round(options.Rows * options.Overlap, MidpointRounding.ToEven);
        WriteFile(options, bank, Header("id,y", "b", options.BankFeatures), 0, Purpose.BankOrder, BankRow, intercept, cancellationToken);
        WriteFile(
            options,
            retailer,
            Header("id", "r", options.RetailerFeatures),
            options.Rows - shared,
            Purpose.RetailerOrder,
            RetailerRow,
            intercept,
            cancellationToken);
    }

    private enum Purpose : ulong
    {
        Factor = 1,
        Bank = 2,
        Retailer = 3,
        Label = 4,
        BankOrder = 5,
        RetailerOrder = 6,
        Id = 7,
    }

    private delegate int RowWriter(SyntheticPairOptions options, long customer, double intercept, Span<byte> destination);

    private static void WriteFile(
        SyntheticPairOptions options,
        Stream destination,
        byte[] header,
        long firstCustomer,
        Purpose order,
        RowWriter writeRow,
        double intercept,
        CancellationToken cancellationToken)
    {
        destination.Write(header);
        (long step, long offset) = RowOrder(options, order);
        int features = Math.Max(options.BankFeatures, options.RetailerFeatures);
        int rowBytes = 32 + (features * 10);
        int wave = 4 * Environment.ProcessorCount;
        byte[][] buffers = new byte[wave][];
        int[] lengths = new int[wave];
        for (long first = 0; first < options.Rows; first += (long)wave * BlockRows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            long start = first;
            Parallel.For(0, wave, Processors.OneThreadEach, slot =>
            {
                byte[] buffer = buffers[slot] ??= new byte[BlockRows * rowBytes];
                int used = 0;
                long from = start + ((long)slot * BlockRows);
                long to = Math.Min(from + BlockRows, options.Rows);
                for (long row = from; row < to; row++)
                {
                    long customer = firstCustomer + (long)(((UInt128)(ulong)row * (ulong)step + (ulong)offset) % (ulong)options.Rows);
                    used += WriteId(options, customer, buffer.AsSpan(used));
                    used += writeRow(options, customer, intercept, buffer.AsSpan(used));
                    buffer[used++] = (byte)'\n';
                }

                lengths[slot] = used;
            });
            for (int slot = 0; slot < wave; slot++)
            {
                destination.Write(buffers[slot], 0, lengths[slot]);
                lengths[slot] = 0;
            }
        }
    }

    private static int BankRow(SyntheticPairOptions options, long customer, double intercept, Span<byte> destination)
    {
        (double first, double second) = Factors(options, customer);
        double eta = intercept + RetailerEffect(options, customer, first, second);
        int used = 3;
        for (int j = 0; j < options.BankFeatures; j++)
        {
            int value = Feature(options, Purpose.Bank, customer, j, first, second);
            eta += j < ActiveFeatures ? Effect(Purpose.Bank, j, options.BankFeatures) * value * 0.001 : 0;
            used += WriteFeature(j, value, destination[used..]);
        }

        destination[0] = (byte)',';
        destination[1] = (byte)(Uniform(Hash(options.Seed, Purpose.Label, customer, 0)) < DeterministicMath.Sigmoid(eta) ? '1' : '0');
        destination[2] = (byte)',';
        return used - 1;
    }

    private static int RetailerRow(SyntheticPairOptions options, long customer, double intercept, Span<byte> destination)
    {
        (double first, double second) = Factors(options, customer);
        destination[0] = (byte)',';
        int used = 1;
        for (int j = 0; j < options.RetailerFeatures; j++)
        {
            used += WriteFeature(j, Feature(options, Purpose.Retailer, customer, j, first, second), destination[used..]);
        }

        return used - 1;
    }

    private static double RetailerEffect(SyntheticPairOptions options, long customer, double first, double second)
    {
        double eta = 0;
        for (int j = 0; j < Math.Min(ActiveFeatures, options.RetailerFeatures); j++)
        {
            eta += Effect(Purpose.Retailer, j, options.RetailerFeatures) * 0.001
                * Feature(options, Purpose.Retailer, customer, j, first, second);
        }

        return eta;
    }

    /// <summary>A column's value in thousandths.</summary>
    private static int Feature(SyntheticPairOptions options, Purpose party, long customer, int column, double first, double second)
    {
        // Loadings on the two hidden factors: the bank leans on the first, the retailer on the second, both on both.
        double own = 0.5 - (0.03 * (column % 7));
        double other = 0.2 + (0.02 * (column % 5));
        double common = party == Purpose.Bank ? (own * first) + (other * second) : (other * first) + (own * second);
        double noise = Normal(Hash(options.Seed, party, customer, column));
        double value = common + (noise * Math.Sqrt(1 - (own * own) - (other * other)));
        return IsTwoLevel(column)
            ? value > 0.5 ? 1000 : 0
            : (int)Math.Round(1000 * value, MidpointRounding.ToEven);
    }

    private static bool IsTwoLevel(int column) => column % 5 == 4;

    /// <summary>Coefficient of a column in the true model: alternating signs, falling off, the retailer's a little larger.</summary>
    private static double Effect(Purpose party, int column, int features)
    {
        double size = (party == Purpose.Bank ? 0.55 : 0.75) / Math.Sqrt(1 + column);
        double few = features < 4 ? 1.3 : 1;
        return (column % 3 == 1 ? -size : size) * few;
    }

    /// <summary>The intercept that gives one event in five on the first customers.</summary>
    private static double Calibrate(SyntheticPairOptions options)
    {
        double[] eta = new double[CalibrationRows];
        for (int customer = 0; customer < eta.Length; customer++)
        {
            (double first, double second) = Factors(options, customer);
            eta[customer] = RetailerEffect(options, customer, first, second);
            for (int j = 0; j < Math.Min(ActiveFeatures, options.BankFeatures); j++)
            {
                eta[customer] += Effect(Purpose.Bank, j, options.BankFeatures) * 0.001
                    * Feature(options, Purpose.Bank, customer, j, first, second);
            }
        }

        double low = -20;
        double high = 20;
        for (int step = 0; step < 40; step++)
        {
            double middle = 0.5 * (low + high);
            double share = eta.Sum(value => DeterministicMath.Sigmoid(value + middle)) / eta.Length;
            (low, high) = share < EventShare ? (middle, high) : (low, middle);
        }

        return low;
    }

    private static (double First, double Second) Factors(SyntheticPairOptions options, long customer) =>
        (Normal(Hash(options.Seed, Purpose.Factor, customer, 0)), Normal(Hash(options.Seed, Purpose.Factor, customer, 1)));

    /// <summary>Rows in a scattered order: row → (row · step + offset) mod rows, with step coprime to rows.</summary>
    private static (long Step, long Offset) RowOrder(SyntheticPairOptions options, Purpose order)
    {
        long rows = options.Rows;
        long step = (long)(Hash(options.Seed, order, 0, 0) % (ulong)rows);
        while (step == 0 || Gcd(step, rows) != 1)
        {
            step = (step + 1) % rows;
            if (rows == 1)
            {
                return (1, 0);
            }
        }

        return (step, (long)(Hash(options.Seed, order, 0, 1) % (ulong)rows));
    }

    private static long Gcd(long a, long b) => b == 0 ? a : Gcd(b, a % b);

    private static byte[] Header(string start, string prefix, int features)
    {
        StringBuilder header = new(start);
        for (int j = 1; j <= features; j++)
        {
            header.Append(',').Append(prefix).Append(j.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        return Encoding.UTF8.GetBytes(header.Append('\n').ToString());
    }

    private static int WriteId(SyntheticPairOptions options, long customer, Span<byte> destination)
    {
        ulong offset = Hash(options.Seed, Purpose.Id, 0, 0) % (ulong)IdSpace;
        ulong id = (ulong)((((UInt128)(ulong)customer * IdMultiplier) + offset) % IdSpace);
        for (int digit = 9; digit >= 0; digit--)
        {
            destination[digit] = (byte)('0' + (id % 10));
            id /= 10;
        }

        return 10;
    }

    /// <summary>A value and the comma after it; the last comma is cut off by the caller.</summary>
    private static int WriteFeature(int column, int thousandths, Span<byte> destination)
    {
        int used = 0;
        if (IsTwoLevel(column))
        {
            destination[used++] = (byte)(thousandths == 0 ? '0' : '1');
            destination[used++] = (byte)',';
            return used;
        }

        if (thousandths < 0)
        {
            destination[used++] = (byte)'-';
            thousandths = -thousandths;
        }

        Utf8Formatter.TryFormat(thousandths / 1000, destination[used..], out int written);
        used += written;
        int fraction = thousandths % 1000;
        destination[used] = (byte)'.';
        destination[used + 1] = (byte)('0' + (fraction / 100));
        destination[used + 2] = (byte)('0' + (fraction / 10 % 10));
        destination[used + 3] = (byte)('0' + (fraction % 10));
        destination[used + 4] = (byte)',';
        return used + 5;
    }

    /// <summary>Nearly standard normal, within ±3.47: the sum of four uniform 16-bit numbers, standardised.</summary>
    private static double Normal(ulong bits)
    {
        long sum = (long)((bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48));
        return (sum - 131070.0) * (1.7320508075688772 / 65536);
    }

    private static double Uniform(ulong bits) => (bits >> 11) * (1.0 / 9007199254740992);

    /// <summary>Two rounds of the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) over a mixed counter.</summary>
    private static ulong Hash(ulong seed, Purpose purpose, long customer, int index)
    {
        ulong x = seed + (0x9E3779B97F4A7C15 * (((ulong)purpose << 32) + (ulong)index + 1));
        return Mix(Mix(x) + (0xD1342543DE82EF95 * ((ulong)customer + 1)));
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
