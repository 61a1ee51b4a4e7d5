namespace VertFed.Cli.Reports;

/// <summary>
/// Puts the two parties' parts together. What both report must be the same by protocol; where one lacks a value (it did not
/// get that far, or does not know it) the other's is taken.
/// </summary>
internal static class ReportMerger
{
    /// <param name="frame">What the submitter knows: job, family, penalty, holdout, status, error, seconds, files.</param>
    /// <param name="bank">The label party's part, if there is one.</param>
    /// <param name="retailer">The feature party's part, if there is one.</param>
    public static Report Merge(Report frame, Report? bank, Report? retailer) => frame with
    {
        Kind = bank?.Kind ?? retailer?.Kind ?? frame.Kind,
        Error = frame.Error ?? bank?.Error ?? retailer?.Error,
        Align = MergeAlign(bank?.Align, retailer?.Align),
        Train = MergeTrain(bank?.Train, retailer?.Train),
        Test = MergeTest(bank?.Test, retailer?.Test),
        Score = MergeScore(bank?.Score, retailer?.Score),
        Coefficients = MergeCoefficients(bank?.Coefficients, retailer?.Coefficients),
        Guards = [.. Entries(bank?.Guards, retailer?.Guards)],
        Disclosures = [.. Entries(bank?.Disclosures, retailer?.Disclosures)],
    };

    private static AlignSection? MergeAlign(AlignSection? bank, AlignSection? retailer) =>
        bank is null || retailer is null
            ? bank ?? retailer
            : bank with
            {
                BankRows = bank.BankRows ?? retailer.BankRows,
                RetailerRows = bank.RetailerRows ?? retailer.RetailerRows,
                Intersection = bank.Intersection ?? retailer.Intersection,
                IntersectionSha256 = bank.IntersectionSha256 ?? retailer.IntersectionSha256,
                Seconds = Math.Max(bank.Seconds, retailer.Seconds),
                Bytes = Math.Max(bank.Bytes, retailer.Bytes),
            };

    private static TrainSection? MergeTrain(TrainSection? bank, TrainSection? retailer) =>
        bank is null || retailer is null
            ? bank ?? retailer
            : bank with
            {
                Converged = bank.Converged && retailer.Converged,
                GradientNorm = bank.GradientNorm ?? retailer.GradientNorm,
                LogLoss = bank.LogLoss ?? retailer.LogLoss,
                Loss = bank.Loss ?? retailer.Loss,
                ClippedRows = Math.Max(bank.ClippedRows, retailer.ClippedRows),
                Seconds = Math.Max(bank.Seconds, retailer.Seconds),
                Bytes = Math.Max(bank.Bytes, retailer.Bytes),
            };

    private static TestSection? MergeTest(TestSection? bank, TestSection? retailer) =>
        bank is null || retailer is null
            ? bank ?? retailer
            : bank with
            {
                Auc = bank.Auc ?? retailer.Auc,
                Ks = bank.Ks ?? retailer.Ks,
                AucLabelPartyOnly = bank.AucLabelPartyOnly ?? retailer.AucLabelPartyOnly,
                KsLabelPartyOnly = bank.KsLabelPartyOnly ?? retailer.KsLabelPartyOnly,
                Rmse = bank.Rmse ?? retailer.Rmse,
                RmseLabelPartyOnly = bank.RmseLabelPartyOnly ?? retailer.RmseLabelPartyOnly,
            };

    // The counts are the label party's: it is its customers that are scored.
    private static ScoreSection? MergeScore(ScoreSection? bank, ScoreSection? retailer) =>
        bank is null || retailer is null
            ? bank ?? retailer
            : bank with { Seconds = Math.Max(bank.Seconds, retailer.Seconds), Bytes = Math.Max(bank.Bytes, retailer.Bytes) };

    private static CoefficientSection? MergeCoefficients(CoefficientSection? bank, CoefficientSection? retailer) =>
        bank is null && retailer is null
            ? null
            : new CoefficientSection { Bank = bank?.Bank, Retailer = retailer?.Retailer };

    // Both parties evaluate the joint rules and see the same disclosures; an entry that is the same in both is one entry.
    private static IEnumerable<T> Entries<T>(IReadOnlyList<T>? bank, IReadOnlyList<T>? retailer) =>
        (bank ?? []).Concat(retailer ?? []).Distinct();
}
