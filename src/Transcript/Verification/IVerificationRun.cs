namespace VertFed.Transcript;

/// <summary>One pass over a file of one kind.</summary>
internal interface IVerificationRun : IDisposable
{
    /// <summary>Reads and checks everything.</summary>
    /// <exception cref="RuleBrokenException">The first rule that does not hold.</exception>
    Task RunAsync(CancellationToken cancellationToken);

    /// <summary>What is known so far; with a failure, of the part that was read.</summary>
    Verdict Describe(TranscriptFailure? failure);
}
