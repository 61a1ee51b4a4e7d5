using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Simulation;

/// <summary>What a simulation runs. The same options, rows and seed give the same result whatever the number of threads.</summary>
public sealed record SimulationOptions
{
    public required FederatedModel Model { get; init; }

    public required AggregationStrategy Strategy { get; init; }

    public required Partition Partition { get; init; }

    /// <summary>Simulated clients, from 1.</summary>
    public required int Clients { get; init; }

    /// <summary>Rounds, 1 to 100,000.</summary>
    public required int Rounds { get; init; }

    /// <summary>Share of clients that a round needs, in (0, 1]; at least one client.</summary>
    public double Fraction { get; init; } = 1;

    /// <summary>How many times what is needed is invited, from 1.</summary>
    public double OverSelection { get; init; } = 1;

    public SelectionPolicy Selection { get; init; }

    public LocalWork Work { get; init; } = new();

    public UpdateCodec Codec { get; init; } = new PlainCodec();

    /// <summary>The fewest answers that make a round; a round with fewer leaves the model as it is.</summary>
    public int LeastClients { get; init; } = 1;

    /// <summary>Speed of the slowest client by the fastest's; speeds are uniform from it to 1. 1 means all alike.</summary>
    public double SlowestSpeed { get; init; } = 1;

    /// <summary>Whether slow clients do fewer steps, so that all are done at the same time.</summary>
    public bool AdaptiveWork { get; init; }

    /// <summary>Chance that an invited client does not answer at all, in [0, 1).</summary>
    public double DropoutRate { get; init; }

    /// <summary>Chance that a client is available in a round (selection by availability), in (0, 1].</summary>
    public double Availability { get; init; } = 1;

    /// <summary>
    /// Deadline of a round, in units of what the fastest client needs for all its steps; an answer after it is not taken. Infinity waits.
    /// </summary>
    public double Deadline { get; init; } = double.PositiveInfinity;

    public required ulong Seed { get; init; }

    /// <summary>Threads that train clients, from 1.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>
    /// Client-level privacy, null without. Noise of the server makes FedAvg <see cref="PrivateFedAvg"/> and needs <see cref="SelectionPolicy.Poisson"/>;
    /// noise of the clients makes it <see cref="DistributedFedAvg"/> and needs <see cref="Secure"/>. Record-level privacy is in <see cref="Work"/>.
    /// </summary>
    public SimulatedPrivacy? Privacy { get; init; }

    /// <summary>δ at which record-level privacy's ε is shown.</summary>
    public double RecordDelta { get; init; } = 1e-5;

    /// <summary>Another loop than that of rounds: FedBuff, IFCA or distillation; null is the loop of rounds, with <see cref="Strategy"/>.</summary>
    public SimulatedMethod? Method { get; init; }

    /// <summary>Personal models beside the shared one; null without.</summary>
    public PersonalMethod? Personal { get; init; }

    /// <summary>Share of its rows that each client keeps for its own test, in [0, 1).</summary>
    public double OwnTest { get; init; }

    /// <summary>Whether updates are added by the secure sum, with all its steps and with clients lost at each of them.</summary>
    public bool Secure { get; init; }

    /// <summary>Changes a client's answer before it is sent: attackers.</summary>
    public Func<ClientUpdate, ClientUpdate>? Tamper { get; init; }

    /// <summary>Changes a client's rows before it trains, by its place in the roster: attackers that poison data.</summary>
    public Func<int, Examples, Examples>? Poison { get; init; }

    /// <exception cref="HorizontalException">A number is out of its range.</exception>
    public void Validate()
    {
        Work.Validate();
        Throw.Invalid(Clients is < 1 or > Partition.MostClients, $"A simulation has 1 to {Partition.MostClients} clients.");
        Throw.Invalid(Rounds is < 1 or > 100_000, "A simulation has 1 to 100,000 rounds.");
        Throw.Invalid(!(Fraction > 0 && Fraction <= 1), "The fraction of clients is above 0 and at most 1.");
        Throw.Invalid(LeastClients < 1 || LeastClients > Clients, "A round needs at least one client, and at most all.");
        Throw.Invalid(!(SlowestSpeed > 0 && SlowestSpeed <= 1), "The slowest client's speed is above 0 and at most 1.");
        Throw.Invalid(!(DropoutRate >= 0 && DropoutRate < 1), "The dropout rate is from 0 to below 1.");
        Throw.Invalid(!(Availability > 0 && Availability <= 1), "The availability is above 0 and at most 1.");
        Throw.Invalid(!(Deadline > 0), "A round's deadline is above 0.");
        Throw.Invalid(!(OwnTest >= 0 && OwnTest < 1), "The share of rows that clients keep for their own test is from 0 to below 1.");
        Throw.Invalid(!(RecordDelta > 0 && RecordDelta < 1), "δ is between 0 and 1.");
        Privacy?.Validate();
        Method?.Validate();
        Personal?.Validate();
        Throw.Invalid(Threads is < 1 or > 1024, "A simulation has 1 to 1024 threads.");
        Combinations.Check(this);
    }
}

/// <summary>Client-level privacy of a simulation.</summary>
/// <param name="Clip">The norm to which updates are clipped; the first one under adaptive clipping.</param>
/// <param name="NoiseMultiplier">Deviation of the sum's noise by the clip.</param>
/// <param name="Delta">δ at which ε is shown.</param>
/// <param name="TargetQuantile">Adaptive clipping's share of unclipped updates; null keeps the clip.</param>
/// <param name="AtClients">Whether clients add discrete noise before their masks, instead of the server afterwards.</param>
public sealed record SimulatedPrivacy(double Clip, double NoiseMultiplier, double Delta, double? TargetQuantile = null, bool AtClients = false)
{
    /// <exception cref="HorizontalException">A number is out of its range.</exception>
    public void Validate()
    {
        Throw.Invalid(!(Clip > 0 && Clip <= 1e9), "The clip is above 0 and at most 1e9.");
        Throw.Invalid(!(NoiseMultiplier >= 0 && NoiseMultiplier <= 1e6), "The noise multiplier is from 0 to 1e6.");
        Throw.Invalid(!(Delta > 0 && Delta < 1), "δ is between 0 and 1.");
        Throw.Invalid(TargetQuantile is { } quantile && !(quantile > 0 && quantile < 1), "The target quantile is between 0 and 1.");
    }
}
