using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>
/// Verifies a transcript file offline, with no keys but the public ones in it and those that the auditor pins. It reads the file once, in
/// constant memory, and knows nothing of training: steps are names with rules about order, counts and sizes.
/// </summary>
public static class TranscriptVerifier
{
    /// <summary>Verifies a file from the stream's position to its end.</summary>
    /// <param name="options">What the auditor pins.</param>
    /// <param name="progress">Told now and then; null: nobody.</param>
    /// <returns>The verdict. A file that does not verify is an answer, not an exception.</returns>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: the stream cannot be read.</exception>
    public static async Task<Verdict> VerifyAsync(
        Stream input, VerifyOptions options, IProgress<VerifyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(options);
        using TranscriptReader reader = new(input);
        try
        {
            await reader.BeginAsync(cancellationToken);
        }
        catch (RuleBrokenException e)
        {
            return new Verdict { Failure = FailureOf(e), FileBytes = reader.Offset, Root = Convert.ToHexStringLower(new MerkleTree().Root()) };
        }

        using IVerificationRun run = reader.IsHorizontal ? new RoundVerificationRun(reader, options, progress) : new VerificationRun(reader, options, progress);
        try
        {
            await run.RunAsync(cancellationToken);
            return run.Describe(failure: null);
        }
        catch (RuleBrokenException e)
        {
            return run.Describe(FailureOf(e));
        }
    }

    private static TranscriptFailure FailureOf(RuleBrokenException e) =>
        new(e.Rule, e.Party, e.EntryIndex, e.Step, e.Round, e.Message) { RoundStep = e.RoundStep, Sequence = e.Sequence };
}
