using System.Globalization;

namespace VertFed.Operations.Health;

/// <summary>
/// Runs the checks side by side, each for at most <see cref="Patience"/>. Findings are kept for <see cref="Kept"/> and requests that
/// come together share a run, so that no number of requests makes more work than that.
/// </summary>
public sealed class Readiness(IReadOnlyList<ReadinessCheck> checks, TimeProvider time) : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan Kept = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _turn = new(1);
    private IReadOnlyList<ReadinessFinding> _findings = [];
    private DateTimeOffset _found = DateTimeOffset.MinValue;

    /// <summary>What the checks found, in their order.</summary>
    public async Task<IReadOnlyList<ReadinessFinding>> CheckAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            DateTimeOffset now = time.GetUtcNow();
            if (now < _found || now - _found >= Kept)
            {
                _findings = await Task.WhenAll(checks.Select(check => RunAsync(check, cancellationToken)));
                _found = time.GetUtcNow();
            }

            return _findings;
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    private async Task<ReadinessFinding> RunAsync(ReadinessCheck check, CancellationToken cancellationToken)
    {
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            Task<string?> probe = check.Probe(late.Token);
            return new ReadinessFinding(check.Name, await probe.WaitAsync(Patience, time, cancellationToken));
        }
        catch (TimeoutException)
        {
            await late.CancelAsync();
            return new ReadinessFinding(check.Name, string.Create(CultureInfo.InvariantCulture, $"no answer within {Patience.TotalSeconds:0} s"));
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            string why = exception is Protocol.VertFedException known ? known.Message : exception.GetType().Name;
            return new ReadinessFinding(check.Name, why);
        }
    }
}
