using VertFed.Horizontal.Learning;

namespace VertFed.Horizontal.Updates;

/// <summary>An update that was not taken, for the report.</summary>
public sealed record Refusal(int Client, HorizontalError Error, string Reason);

/// <summary>What an update has to keep to.</summary>
/// <param name="Length">Length of the flat parameter vector.</param>
/// <param name="Round">The open round.</param>
/// <param name="MostNorm">The largest Euclidean norm of Δ, of c_i⁺ − c_i too; infinity allows any up to 1e100.</param>
/// <param name="MostExamples">The most rows that a client may claim: a claim is a weight.</param>
/// <param name="MostSteps">The most steps that the order allowed.</param>
/// <param name="WithControl">Whether the strategy needs a control variate.</param>
public sealed record UpdateLimits(int Length, int Round, double MostNorm, long MostExamples, int MostSteps, bool WithControl)
{
    /// <summary>Weighted gradients that a step can count for at most: momentum just below 1 makes more of them than steps.</summary>
    private const double MostPerStep = 1000;

    /// <summary>
    /// What no norm and no loss goes beyond, whatever the job allows: squares of it, and sums of it weighted by rows, are still finite, so no single client
    /// can bring a round to nothing with numbers that are finite by themselves.
    /// </summary>
    private const double Largest = 1e100;

    /// <summary>
    /// The work that was ordered: rows, steps and normalised steps then have to be such as that work makes. Null takes normalised steps as they are claimed,
    /// and with them, under FedNova, any weight.
    /// </summary>
    public LocalWork? Work { get; init; }

    /// <exception cref="HorizontalException">The update breaks one of them; the message names the client and the field.</exception>
    public void Check(ClientUpdate update)
    {
        string who = $"Client {update.Client}'s update";
        Throw.If(update.Round != Round, HorizontalError.WrongRound, $"{who} is of round {update.Round}, the open round is {Round}.");
        Throw.If(update.Delta.Length != Length, HorizontalError.WrongShape, $"{who} has {update.Delta.Length} numbers, the model {Length}.");
        Throw.If(
            WithControl ? update.ControlDelta?.Length != Length : update.ControlDelta is not null,
            HorizontalError.WrongShape,
            $"{who} {(WithControl ? $"has no control variate of {Length} numbers" : "has a control variate that nobody asked for")}.");
        Throw.Invalid(update.Examples < 1 || update.Examples > MostExamples, $"{who} claims {update.Examples} rows; 1 to {MostExamples} are allowed.");
        Throw.Invalid(update.Steps < 1 || update.Steps > MostSteps, $"{who} claims {update.Steps} steps; 1 to {MostSteps} are allowed.");
        Throw.Invalid(
            !(update.NormalisedSteps > 0 && update.NormalisedSteps <= MostPerStep * update.Steps),
            $"{who} claims a number of normalised steps that its steps cannot make.");
        CheckWork(update, who);
        Throw.If(
            !(Math.Abs(update.LossBefore ?? 0) <= Largest) || !(Math.Abs(update.LossAfter ?? 0) <= Largest),
            HorizontalError.NotFinite,
            $"{who} has a loss that is not a number below {Largest:g1}.");
        CheckVector(update.Delta, who);
        if (update.ControlDelta is not null)
        {
            CheckVector(update.ControlDelta, $"{who} (control variate)");
        }
    }

    // A client may do fewer steps than its rows make, for it may be a slow one; what its steps count for follows from the order.
    private void CheckWork(ClientUpdate update, string who)
    {
        if (Work is null)
        {
            return;
        }

        int most = Work.Steps((int)Math.Min(update.Examples, int.MaxValue));
        Throw.Invalid(update.Steps > most, $"{who} claims {update.Steps} steps; its {update.Examples} rows make at most {most}.");
        double expected = LocalTrainer.NormalisedSteps(Work, update.Steps);
        Throw.Invalid(
            !(Math.Abs(update.NormalisedSteps - expected) <= 1e-9 * Math.Abs(expected)), $"{who} claims a number of normalised steps that its steps cannot make.");
    }

    private void CheckVector(double[] vector, string who)
    {
        Throw.IfNotFinite(vector, who);
        double norm = Kernels.Norm(vector);
        double most = Math.Min(MostNorm, Largest);
        Throw.If(!(norm <= most), HorizontalError.NormTooLarge, $"{who} has norm {norm:g4}; at most {most:g4} is allowed.");
    }
}

/// <summary>
/// The updates of one open round. Each is checked before it is kept; one that is refused leaves the inbox as it was, and is named in
/// <see cref="Refusals"/>. Not thread-safe.
/// </summary>
public sealed class RoundInbox
{
    // A client that is refused over and over is told each time, but not remembered without end.
    private const int MostRefusals = 10_000;

    private readonly UpdateLimits _limits;
    private readonly SortedSet<int> _invited;
    private readonly SortedDictionary<int, ClientUpdate> _taken = [];
    private readonly List<Refusal> _refusals = [];

    /// <param name="limits">What updates have to keep to.</param>
    /// <param name="invited">The clients that the round was sent to.</param>
    public RoundInbox(UpdateLimits limits, IEnumerable<int> invited)
    {
        _limits = limits;
        _invited = [.. invited];
    }

    /// <summary>Updates taken so far.</summary>
    public int Count => _taken.Count;

    public IReadOnlyList<Refusal> Refusals => _refusals;

    /// <summary>Clients that were invited and have not been heard.</summary>
    public IReadOnlyList<int> Missing => [.. _invited.Where(client => !_taken.ContainsKey(client))];

    /// <summary>Takes an update.</summary>
    /// <exception cref="HorizontalException">It is refused, and says why.</exception>
    public void Take(ClientUpdate update)
    {
        try
        {
            Throw.If(!_invited.Contains(update.Client), HorizontalError.UnknownClient, $"Client {update.Client} was not invited to round {_limits.Round}.");
            Throw.If(_taken.ContainsKey(update.Client), HorizontalError.Repeated, $"Client {update.Client} has answered round {_limits.Round} already.");
            _limits.Check(update);
        }
        catch (HorizontalException e)
        {
            if (_refusals.Count < MostRefusals)
            {
                _refusals.Add(new Refusal(update.Client, e.Error, e.Message));
            }

            throw;
        }

        _taken.Add(update.Client, update);
    }

    /// <summary>Takes an update, or records why not.</summary>
    /// <returns>Whether it was taken.</returns>
    public bool TryTake(ClientUpdate update)
    {
        try
        {
            Take(update);
            return true;
        }
        catch (HorizontalException)
        {
            // Named in Refusals.
            return false;
        }
    }

    /// <summary>
    /// What was taken, by client: the order of arrival changes nothing. Under over-selection the server closes when enough have answered.
    /// </summary>
    /// <param name="least">The fewest clients that a round needs.</param>
    /// <exception cref="HorizontalException">Fewer have answered.</exception>
    public IReadOnlyList<ClientUpdate> Close(int least)
    {
        Throw.If(
            _taken.Count < least, HorizontalError.TooFewClients, $"Round {_limits.Round} needs {least} clients; {_taken.Count} have answered.");
        return [.. _taken.Values];
    }
}
