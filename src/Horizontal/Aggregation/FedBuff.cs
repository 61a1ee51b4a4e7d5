using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Aggregation;

/// <summary>
/// FedBuff (Nguyen et al. 2022): asynchronous training. A client answers the version of the model that it was given, whenever it is done; the
/// server keeps a buffer of K weighted updates and then takes x ← x + η/K Σ s(τ_i) Δ_i, with τ_i the versions that have passed since and
/// s(τ) = 1 / √(1 + τ). An update staler than the limit is refused. A pure function of (state, update): a replay gives the same model.
/// </summary>
public sealed class FedBuff
{
    private const string Buffer = "buffer";
    private const string Count = "buffered";
    private readonly int _size;
    private readonly int _mostStale;
    private readonly double _rate;

    /// <param name="size">K: updates in a full buffer, from 1.</param>
    /// <param name="mostStale">The largest τ that is taken, from 0.</param>
    /// <param name="rate">η, above 0.</param>
    public FedBuff(int size, int mostStale, double rate = 1)
    {
        Throw.Invalid(size is < 1 or > 1_000_000, "FedBuff's buffer holds 1 to 1,000,000 updates.");
        Throw.Invalid(mostStale is < 0 or > 1_000_000, "FedBuff's limit on staleness is from 0 to 1,000,000.");
        Throw.Invalid(!(rate > 0 && rate <= 1e6), "The server's learning rate is above 0 and at most 1e6.");
        _size = size;
        _mostStale = mostStale;
        _rate = rate;
    }

    /// <summary>K: updates in a full buffer.</summary>
    public int Size => _size;

    /// <summary>s(τ).</summary>
    public static double Weight(int staleness) => 1 / Math.Sqrt(1.0 + staleness);

    /// <summary>Takes one update; <see cref="ServerState.Round"/> is the model's version, and grows when the buffer is full.</summary>
    /// <exception cref="HorizontalException">Too stale, of a version that is not there yet, or unfit by shape, norm or numbers.</exception>
    /// <param name="state">Model, version and buffer.</param>
    /// <param name="update">The update; its round is the version it started from.</param>
    /// <param name="limits">What updates have to keep to; their round is not looked at.</param>
    public ServerState Receive(ServerState state, ClientUpdate update, UpdateLimits limits)
    {
        int staleness = state.Round - update.Round;
        Throw.If(staleness < 0, HorizontalError.WrongRound, $"Client {update.Client} answers version {update.Round}, which is not there yet.");
        Throw.If(
            staleness > _mostStale,
            HorizontalError.WrongRound,
            $"Client {update.Client} answers version {update.Round}, {staleness} versions ago; at most {_mostStale} are allowed.");
        (limits with { Round = update.Round }).Check(update);
        double[] buffer = [.. state.Slot(Buffer) ?? new double[state.Parameters.Length]];
        double count = (state.Slot(Count)?[0] ?? 0) + 1;
        Kernels.AddScaled(Weight(staleness), update.Delta, buffer);
        if (count < _size)
        {
            var slots = new Dictionary<string, double[]>(state.Slots, StringComparer.Ordinal) { [Buffer] = buffer, [Count] = [count] };
            return state with { Slots = slots };
        }

        return state.Next(state.Moved(_rate / _size, buffer), (Buffer, new double[buffer.Length]), (Count, [0]));
    }
}
