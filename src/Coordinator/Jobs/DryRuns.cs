using System.Collections.Concurrent;
using System.Security.Cryptography;
using Grpc.Core;
using VertFed.Coordinator.Services;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Jobs;

/// <summary>
/// Asks all parties of a spec what their policies say of it. Nothing is kept; the answers are sealed to the submitter, so all that is
/// checked here is whose they are. At most 16 dry runs at once, and 2 of a submitter.
/// </summary>
internal sealed class DryRuns(JobHub hub, TimeProvider time)
{
    private const int MostAtOnce = 16;
    private const int MostOfSubmitter = 2;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, Pending> _pending = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _running = new(StringComparer.Ordinal);

    /// <summary>Requests that still wait for an answer.</summary>
    public int Count => _pending.Count;

    /// <summary>Waits for all parties' answers, at most 30 s.</summary>
    /// <exception cref="RpcException">ResourceExhausted: too many at once.</exception>
    /// <param name="submitter">The principal's name: one who changes keys is still one.</param>
    public async Task<DryRunResponse> AskAsync(SignedJob job, string submitter, CancellationToken cancellationToken)
    {
        Enter(submitter);
        string request = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        string[] parties = [.. job.Specification.Parties.Select(party => party.Name)];
        var pending = new Pending(parties);
        try
        {
            _pending[request] = pending;
            foreach (string party in parties)
            {
                if (hub.SessionOf(party) is { } session)
                    session.AskPreflight(new PreflightRequest { Request = request, Job = job.Message });
                else
                    pending.Set(party, null);
            }

            try
            {
                await pending.All.WaitAsync(Patience, time, cancellationToken);
            }
            catch (TimeoutException)
            {
                // Whoever has not answered is listed as missing.
            }

            return pending.ToResponse();
        }
        finally
        {
            _pending.TryRemove(request, out _);
            Leave(submitter);
        }
    }

    /// <summary>A party's answer, already found to be its own. One that comes too late is dropped: nobody waits for it.</summary>
    public void Answer(string party, string request, SealedReport report)
    {
        if (_pending.TryGetValue(request, out Pending? pending))
            pending.Set(party, report);
    }

    private void Enter(string submitter)
    {
        lock (_gate)
        {
            if (_running.GetValueOrDefault(submitter) >= MostOfSubmitter || _running.Values.Sum() >= MostAtOnce)
            {
                throw GrpcErrors.Make(
                    StatusCode.ResourceExhausted, ErrorCode.Refused, "too many dry runs at once (2 of a submitter, 16 in all)", new ErrorHint { Limit = "dry_runs" });
            }

            _running[submitter] = _running.GetValueOrDefault(submitter) + 1;
        }
    }

    private void Leave(string submitter)
    {
        lock (_gate)
        {
            if (--_running[submitter] == 0)
                _running.Remove(submitter);
        }
    }

    /// <summary>The answers so far, by party; null for a party that is away.</summary>
    private sealed class Pending(string[] parties)
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<string, SealedReport?> _answers = new(StringComparer.Ordinal);
        private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task All => _all.Task;

        /// <summary>The first answer of a party counts; one of a party that was not asked does not.</summary>
        public void Set(string party, SealedReport? report)
        {
            lock (_gate)
            {
                if (!parties.Contains(party, StringComparer.Ordinal) || !_answers.TryAdd(party, report) || _answers.Count < parties.Length)
                    return;
            }

            _all.TrySetResult();
        }

        public DryRunResponse ToResponse()
        {
            lock (_gate)
            {
                var response = new DryRunResponse();
                foreach (string party in parties)
                {
                    if (_answers.GetValueOrDefault(party) is { } report)
                        response.Parts.Add(report);
                    else
                        response.Missing.Add(party);
                }

                return response;
            }
        }
    }
}
