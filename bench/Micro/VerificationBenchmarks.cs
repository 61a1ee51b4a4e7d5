using BenchmarkDotNet.Attributes;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using VertFed.UnitTests.Transcript;

namespace VertFed.Bench;

/// <summary>
/// Verification of a whole transcript in memory: 24 rounds of two parties, 96 payloads of 2.4 MB and as many small ones, the shape of a training
/// job. Divide <see cref="PayloadBytes"/> by the time for the rate.
/// </summary>
[Config(typeof(MacroConfig))]
public class VerificationBenchmarks
{
    private const int Rounds = 24;
    private const int LargePayload = 2_400_000;

    private byte[] _file = [];

    /// <summary>Payload of the transcript in bytes: about 230 MB.</summary>
    public const long PayloadBytes = 4L * Rounds * LargePayload;

    // The in-process tool does not await: set-up and benchmark wait themselves.
    [GlobalSetup]
    public void Setup() => SetupAsync().GetAwaiter().GetResult();

    [Benchmark]
    public bool Verify() => VerifyAsync().GetAwaiter().GetResult();

    private async Task SetupAsync()
    {
        TranscriptModel model = await TranscriptFixture.ScriptedAsync(Family.Linear, Rounds);
        using TranscriptKeys keys = model.Keys;
        byte[] payload = new byte[LargePayload];
        new Random(1).NextBytes(payload);
        foreach (ModelEntry entry in model.Entries.Where(entry => entry.Header.Step is Step.ResidualShare or Step.GradientResponse))
        {
            entry.Payload = payload;
        }

        model.Remake(Role.LabelParty, 0);
        model.Remake(Role.FeatureParty, 0);
        model.RemakeCheckpoints();
        _file = model.Write();
    }

    private async Task<bool> VerifyAsync()
    {
        using MemoryStream stream = new(_file, writable: false);
        Verdict verdict = await TranscriptVerifier.VerifyAsync(stream, new VerifyOptions());
        return verdict.IsVerified ? true : throw new InvalidOperationException(verdict.Summary);
    }
}
