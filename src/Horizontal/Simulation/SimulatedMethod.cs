using System.Globalization;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Simulation;

/// <summary>A way to train that is no strategy of rounds with one model.</summary>
public abstract record SimulatedMethod
{
    private protected SimulatedMethod()
    {
    }

    /// <summary>As on the command line: "fedbuff:10".</summary>
    public abstract string Name { get; }

    /// <exception cref="HorizontalException">A number is out of its range.</exception>
    public abstract void Validate();

    /// <summary>Every name with what its parameter is, for help texts.</summary>
    public static IReadOnlyList<string> Forms { get; } = ["fedbuff:SIZE", "ifca:MODELS", "feddf[:STEPS]", "fedmd[:STEPS]"];

    /// <summary>Parses one of <see cref="Forms"/>; null where the name is none of them, so that a strategy may be meant.</summary>
    /// <exception cref="HorizontalException">The parameter is missing or no whole number.</exception>
    public static SimulatedMethod? Parse(string text, int mostStale, double publicShare)
    {
        string[] parts = text.Split(':', 2);
        if (parts[0] is not ("fedbuff" or "ifca" or "feddf" or "fedmd"))
        {
            return null;
        }

        int? number = null;
        if (parts.Length == 2)
        {
            Throw.Invalid(
                !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int parsed), $"The parameter of '{text}' is not a whole number.");
            number = parsed;
        }

        Throw.Invalid(number is null && parts[0] is "fedbuff" or "ifca" && parts.Length == 1, $"'{parts[0]}' needs a number: {string.Join(", ", Forms)}.");
        return parts[0] switch
        {
            "fedbuff" => new BufferedMethod(number!.Value, mostStale),
            "ifca" => new ClusteredMethod(number!.Value),
            _ => new DistillingMethod(parts[0] == "fedmd", number ?? DistillingMethod.UsualSteps, publicShare),
        };
    }
}

/// <summary>FedBuff (<see cref="FedBuff"/>): clients train all the time, a full buffer makes the next version. A "round" of the report is a version.</summary>
/// <param name="Size">Updates in a full buffer, from 1.</param>
/// <param name="MostStale">The largest staleness that is taken, in versions, from 0.</param>
public sealed record BufferedMethod(int Size, int MostStale) : SimulatedMethod
{
    public override string Name => FormattableString.Invariant($"fedbuff:{Size}");

    public override void Validate() => _ = new FedBuff(Size, MostStale);
}

/// <summary>IFCA (<see cref="Personal.Clusters"/>): as many models as clusters.</summary>
/// <param name="Models">1 to 100.</param>
public sealed record ClusteredMethod(int Models) : SimulatedMethod
{
    public override string Name => FormattableString.Invariant($"ifca:{Models}");

    public override void Validate() => Throw.Invalid(Models is < 1 or > 100, "Clustered training has 1 to 100 models.");
}

/// <summary>
/// Distillation on public rows without labels (<see cref="Personal.Distillation"/>). FedDF: clients send models, the server trains the mean of them to their
/// mean outputs. FedMD: clients keep models of their own and send outputs only.
/// </summary>
/// <param name="OutputsOnly">FedMD instead of FedDF.</param>
/// <param name="Steps">Full-batch steps of Adam towards the consensus, each round, 1 to 1000.</param>
/// <param name="PublicShare">Share of the training rows that is public and loses its labels, in (0, 0.9].</param>
public sealed record DistillingMethod(bool OutputsOnly, int Steps, double PublicShare) : SimulatedMethod
{
    /// <summary>Steps where none are given.</summary>
    public const int UsualSteps = 20;

    private const double Rate = 0.01;

    /// <summary>The steps towards a consensus, as <see cref="Personal.Distillation.Distil"/> takes them.</summary>
    public LocalWork Digest => new() { Epochs = Steps, Optimiser = new OptimiserSpec(OptimiserKind.Adam, Rate) };

    public override string Name => FormattableString.Invariant($"{(OutputsOnly ? "fedmd" : "feddf")}:{Steps}");

    public override void Validate()
    {
        Throw.Invalid(Steps is < 1 or > 1000, "Distillation does 1 to 1000 steps a round.");
        Throw.Invalid(!(PublicShare > 0 && PublicShare <= 0.9), "The public share of rows is above 0 and at most 0.9.");
    }
}

/// <summary>Personal models: local fine-tuning of the finished model, or Ditto's beside every round.</summary>
public sealed record PersonalMethod
{
    private PersonalMethod()
    {
    }

    /// <summary>Epochs of fine-tuning; 0 means Ditto.</summary>
    public int Epochs { get; private init; }

    /// <summary>Ditto's λ.</summary>
    public double Lambda { get; private init; }

    public string Name => Epochs > 0 ? FormattableString.Invariant($"fine-tune:{Epochs}") : FormattableString.Invariant($"ditto:{Lambda}");

    /// <summary>"fine-tune[:EPOCHS]" (1 by default) or "ditto:LAMBDA".</summary>
    /// <exception cref="HorizontalException">Neither, or a parameter out of range.</exception>
    public static PersonalMethod Parse(string text)
    {
        string[] parts = text.Split(':', 2);
        double value = 1;
        Throw.Invalid(parts[0] is not ("fine-tune" or "ditto"), $"There is no personal model '{text}': fine-tune[:EPOCHS] or ditto:LAMBDA.");
        Throw.Invalid(
            parts.Length == 2 ? !double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out value) : parts[0] == "ditto",
            $"The parameter of personal model '{text}' is not a number.");
        Throw.Invalid(parts[0] == "fine-tune" && !(value is >= 1 and <= 1000 && value == Math.Floor(value)), "Fine-tuning takes 1 to 1000 epochs.");
        PersonalMethod method = parts[0] == "ditto" ? new PersonalMethod { Lambda = value } : new PersonalMethod { Epochs = (int)value };
        method.Validate();
        return method;
    }

    internal void Validate() => Throw.Invalid(!(Lambda >= 0 && Lambda <= 1e6), "Ditto's λ is from 0 to 1e6.");
}
