using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Service;
using VertFed.Storage;

namespace VertFed.PartyNode.Rounds;

/// <summary>Keeps what each round of a job costs before the round's answer leaves: a node that goes down in between has paid, and does not pay again.</summary>
/// <param name="privacy">Null: the job asks for none, and nothing is kept.</param>
/// <param name="rows">Own training rows.</param>
internal sealed class PrivacyMeter(string job, JobPrivacy? privacy, int rows, IPartyStore store, TimeProvider time)
{
    private readonly double[] _cost = privacy?.RowAccount(PrivacyAccountant.Fresh, rows, 1).Values.ToArray() ?? [];

    /// <summary>Told of each round that was paid for: ε of what the job's level protects, so far.</summary>
    public Action<uint, double> Told { get; init; } = (_, _) => { };

    /// <summary>ε of what the job's level protects, after the rounds that this party has answered; 0 without privacy.</summary>
    public double Epsilon { get; private set; }

    public async Task SpendAsync(uint round, CancellationToken cancellationToken)
    {
        if (privacy is null)
        {
            return;
        }

        PrivacySpending spent = await store.SpendPrivacyAsync(job, round, _cost, time.GetUtcNow().ToUnixTimeMilliseconds(), cancellationToken);
        Epsilon = privacy.Epsilon(rows, (int)spent.Rounds);
        Told(round, Epsilon);
    }

    /// <summary>Takes up what earlier runs of the node have spent.</summary>
    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        if (privacy is not null && (await store.ListPrivacyAsync(cancellationToken)).FirstOrDefault(one => one.Job == job) is { } known)
        {
            Epsilon = privacy.Epsilon(rows, (int)known.Rounds);
        }
    }
}
