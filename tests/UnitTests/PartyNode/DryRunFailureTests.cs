using System.Reflection;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Relay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>What nobody expected ends one dry run and not the answering of dry runs.</summary>
public sealed class DryRunFailureTests
{
    [Fact]
    public async Task An_unexpected_failure_is_logged_by_type_and_the_next_request_is_answered()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        PartyConfig config = PartyConfig.Load(fixture.WriteConfiguration(Role.LabelParty));
        Directory.CreateDirectory(config.DataDirectory);
        using NodeKeys keys = NodeKeys.Load(config);
        RelayClient relay = new(
            new RelayOptions { Coordinator = config.Coordinator, CoordinatorFingerprints = config.CoordinatorFingerprints, Party = config.Name }, keys);
        IPartyStore store = DispatchProxy.Create<IPartyStore, BrokenStore>();
        BrokenStore broken = (BrokenStore)(object)store;
        await using StringWriter lines = new();
        DryRuns dryRuns = new(config, keys, store, new Preflight(config, keys), relay, new NodeLog(lines, TimeProvider.System), new BrokenClock());
        foreach (char request in "123")
        {
            SignedJob job = fixture.NewJob(spec =>
            {
                (spec.Kind, spec.Train, spec.Holdout) = (JobKind.Score, null, 0);
                spec.Score = new ScoreSpec { Model = new string('a', 32) };
            });
            dryRuns.Take(new PreflightEvent(new string(request, 32), job.Message));
        }

        using CancellationTokenSource stop = new();
        Task running = dryRuns.RunAsync(stop.Token);

        // The first comes to the clock's failure, the second to the store's; at the third's question to the store both are over.
        await broken.AskedTwice.WaitAsync(NodeFixture.Patience);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        string log = lines.ToString();
        Assert.Contains("[238]", log, StringComparison.Ordinal);
        Assert.DoesNotContain($"dry run {new string('1', 32)}", log, StringComparison.Ordinal);
        Assert.Contains($"dry run {new string('2', 32)}: refuse", log, StringComparison.Ordinal);
        Assert.DoesNotContain("PLANTED", log, StringComparison.Ordinal);
    }

    /// <summary>Fails at its first question alone.</summary>
    private sealed class BrokenClock : TimeProvider
    {
        private int _asked;

        public override long GetTimestamp() =>
            Interlocked.Increment(ref _asked) == 1 ? throw new InvalidOperationException("PLANTED") : base.GetTimestamp();
    }

    internal class BrokenStore : DispatchProxy
    {
        private readonly TaskCompletionSource _twice = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _asked;

        public Task AskedTwice => _twice.Task;

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            if (Interlocked.Increment(ref _asked) == 2)
            {
                _twice.SetResult();
            }

            throw new InvalidOperationException("PLANTED");
        }
    }
}
