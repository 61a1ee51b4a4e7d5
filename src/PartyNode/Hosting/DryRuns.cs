using System.Threading.Channels;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Policies;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Rounds;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// Answers dry runs, one after the other: what the rules say of a job that is not offered, sealed to its submitter. Keeps nothing. The
/// data is read for its shape only where the rules that need none are content and the submitter does not ask too often.
/// </summary>
internal sealed class DryRuns(
    PartyConfig config, NodeKeys keys, IPartyStore store, Preflight preflight, RelayClient relay, NodeLog log, TimeProvider time)
{
    /// <summary>Most dry runs a minute whose data is looked at, by submitter.</summary>
    internal const int MostPerMinute = 6;

    private const int MostWaiting = 16;
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly Channel<PreflightEvent> _waiting = Channel.CreateBounded<PreflightEvent>(MostWaiting);

    // By submitters of the configuration alone, so that it is bounded.
    private readonly Dictionary<string, Queue<long>> _recent = new(StringComparer.Ordinal);

    /// <summary>Queues a request; where too many wait it is dropped, and the coordinator names this party as missing.</summary>
    public void Take(PreflightEvent request)
    {
        if (!_waiting.Writer.TryWrite(request))
        {
            log.DryRunDropped($"{MostWaiting} are waiting");
        }
    }

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await foreach (PreflightEvent request in _waiting.Reader.ReadAllAsync(cancellationToken))
        {
            try
            {
                await AnswerAsync(request, cancellationToken);
            }
            catch (VertFedException error)
            {
                // Not a job that anybody signed: there is nobody to seal an answer to.
                log.DryRunDropped(error.Message);
            }
            catch (Exception error) when (!cancellationToken.IsCancellationRequested)
            {
                // One that nobody expected is this request's end and no other's: the next ones are still answered.
                log.DryRunFailed(error);
            }
        }
    }

    private async Task AnswerAsync(PreflightEvent request, CancellationToken cancellationToken)
    {
        if (!EnvelopeCodec.IsJobId(request.Request))
        {
            throw new VertFedException(ErrorCode.ProtocolViolation, "its request id is malformed");
        }

        SignedJob job = SignedJob.Verify(request.Job);
        PreflightReport report = await LookAsync(request.Request, job, cancellationToken) with { IsDryRun = true };
        relay.AnswerPreflight(new PreflightAnswer
        {
            Request = request.Request,
            Report = ReportSeal.Seal(job.Specification.Job, config.Name, keys.For(JobParties.Own(job.Specification, config)).Identity, job.Submitter, report.Serialise()),
        });
        log.DryRun(request.Request, report.Verdict);
    }

    private async Task<PreflightReport> LookAsync(string request, SignedJob job, CancellationToken cancellationToken)
    {
        PreflightReport offer = preflight.OfOffer(job, PartyFacts.None);
        if (offer.Findings.Any(finding => finding.Refuses))
        {
            return offer;
        }

        if (!MayAsk(job.Submitter.Fingerprint))
        {
            return offer with { Error = ErrorOf(ErrorCode.Refused, $"more than {MostPerMinute} dry runs within a minute; ask again later") };
        }

        try
        {
            PartyFacts facts = PartyFacts.None with { ModelFamily = await Offers.ModelFamilyAsync(store, job.Specification, cancellationToken) };
            offer = preflight.OfOffer(job, facts);
            if (offer.Findings.Any(finding => finding.Refuses))
            {
                return offer;
            }

            PreparedInput input = await InputLoader.LoadAsync(config, store, job.Specification, cancellationToken);
            if (job.Specification.Horizontal is not null)
            {
                RowGroups.Check(input.Table.Columns, input.Dataset, job.Specification);
                PrivacyDesk desk = new(config, store, time);
                facts = facts with { Spent = await desk.SpentByOthersAsync(job.Specification, cancellationToken) };
            }

            return preflight.OfInput(job, input, facts);
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            if (error is not VertFedException)
            {
                log.DryRunFailed(error);
            }

            JobFault fault = JobFault.From(error, config.Name);
            log.DryRunInput(request, fault.Error);
            return offer with { Error = fault.Shared };
        }
    }

    private bool MayAsk(string submitter)
    {
        if (!_recent.TryGetValue(submitter, out Queue<long>? asked))
        {
            _recent[submitter] = asked = new Queue<long>();
        }

        while (asked.TryPeek(out long oldest) && time.GetElapsedTime(oldest) >= Minute)
        {
            asked.Dequeue();
        }

        if (asked.Count >= MostPerMinute)
        {
            return false;
        }

        asked.Enqueue(time.GetTimestamp());
        return true;
    }

    private JobError ErrorOf(ErrorCode code, string message) => JobFault.Make(code, config.Name, "", message).Error;
}
