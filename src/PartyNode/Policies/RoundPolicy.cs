using System.Globalization;

namespace VertFed.PartyNode.Policies;

/// <summary>A bound on what anybody may learn of one row: ε at δ.</summary>
/// <param name="Epsilon">In (0, 1e3].</param>
/// <param name="Delta">In (0, 0.1].</param>
public sealed record PrivacyBound(double Epsilon, double Delta)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Epsilon:R}@{Delta:R}");
}

/// <summary>What a party's policy asks of horizontal jobs beside what it asks of all.</summary>
public sealed record RoundPolicy
{
    public static RoundPolicy Default { get; } = new();

    /// <summary>Most rounds; each tells of an update.</summary>
    public int MaxRounds { get; init; } = 100;

    /// <summary>Fewest parties of a job, 2 to 100.</summary>
    public int MinimumParties { get; init; } = 2;

    /// <summary>Fewest own rows.</summary>
    public long MinimumRows { get; init; } = 100;

    /// <summary>The coordinator may learn sums alone.</summary>
    public bool RequireSecureAggregation { get; init; }

    /// <summary>What one job may cost a row; null: it is not asked.</summary>
    public PrivacyBound? MaxEpsilon { get; init; }

    /// <summary>What all jobs on a dataset may cost a row together; null: it is not asked.</summary>
    public PrivacyBound? Budget { get; init; }
}
