namespace VertFed.Cli.Demo;

/// <summary>What `demo` was asked for.</summary>
/// <param name="Data">Folder with bank.csv and retailer.csv, or null to make a sample.</param>
/// <param name="Out">Folder for everything that the run leaves.</param>
/// <param name="Family">logistic or linear.</param>
/// <param name="L2">The penalty lambda of lambda/2 ||w||^2.</param>
/// <param name="Holdout">Share of the aligned rows that go to the test set.</param>
/// <param name="Seed">Seed of the generated sample.</param>
/// <param name="Rows">Rows of the generated sample on each side.</param>
/// <param name="AcceptDisclosureRisk">Run what a guard would refuse, and say so in the report.</param>
/// <param name="DeadlineSeconds">How long a party waits for the other before it gives up.</param>
/// <param name="Score">Score a second set of customers with the model.</param>
internal sealed record DemoOptions(
    string? Data,
    string Out,
    string Family,
    double L2,
    double Holdout,
    ulong Seed,
    long Rows,
    bool AcceptDisclosureRisk,
    int DeadlineSeconds,
    bool Score = false);
