using VertFed.Horizontal.Learning;

namespace VertFed.Horizontal.Aggregation;

/// <summary>
/// All that the server carries from round to round: what a checkpoint holds. Immutable by agreement: no strategy writes into its arrays.
/// </summary>
/// <param name="Round">Rounds done.</param>
/// <param name="Parameters">The global model, flat.</param>
/// <param name="Slots">A strategy's own vectors by name, such as "control" or "momentum".</param>
public sealed record ServerState(int Round, double[] Parameters, IReadOnlyDictionary<string, double[]> Slots)
{
    /// <summary>Name of SCAFFOLD's server control variate c.</summary>
    public const string Control = "control";

    private static readonly IReadOnlyDictionary<string, double[]> NoSlots = new Dictionary<string, double[]>(StringComparer.Ordinal);

    public static ServerState Start(double[] parameters)
    {
        Throw.IfNotFinite(parameters, "The first global model");
        return new ServerState(0, parameters, NoSlots);
    }

    /// <summary>The vector of that name, or null where no round has made it.</summary>
    public double[]? Slot(string name) => Slots.TryGetValue(name, out double[]? value) ? value : null;

    /// <summary>The state after one more round.</summary>
    /// <exception cref="HorizontalException">A parameter, or a number of the strategy's own, is not finite: the strategy's step size is too large.</exception>
    public ServerState Next(double[] parameters, params (string Name, double[] Value)[] slots)
    {
        Throw.IfNotFinite(parameters, "The aggregated model");
        foreach ((string name, double[] value) in slots)
        {
            Throw.IfNotFinite(value, $"The server's '{name}'");
        }

        if (slots.Length == 0)
        {
            return new ServerState(Round + 1, parameters, Slots);
        }

        var all = new Dictionary<string, double[]>(Slots, StringComparer.Ordinal);
        foreach ((string name, double[] value) in slots)
        {
            all[name] = value;
        }

        return new ServerState(Round + 1, parameters, all);
    }

    internal double[] Moved(double rate, ReadOnlySpan<double> direction)
    {
        double[] moved = [.. Parameters];
        Kernels.AddScaled(rate, direction, moved);
        return moved;
    }
}

/// <summary>A client that a strategy set aside or weakened, and why.</summary>
/// <param name="Client">Its place in the roster.</param>
/// <param name="Weight">The share that it kept of its own weight, in [0, 1].</param>
/// <param name="Reason">In words.</param>
public sealed record Outlier(int Client, double Weight, string Reason);

/// <summary>The state after a round and what the report says of it.</summary>
public sealed record Aggregated(ServerState State, IReadOnlyList<Outlier> Outliers);
