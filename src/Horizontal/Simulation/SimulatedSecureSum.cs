using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.SecureAggregation;
using VertFed.Horizontal.Updates;
using VertFed.Models;
using VertFed.Primitives;

namespace VertFed.Horizontal.Simulation;

/// <summary>What came of a secure sum.</summary>
/// <param name="Sum">In the ring; empty after a failure.</param>
/// <param name="Clients">Whose vectors are in it, by roster, sorted.</param>
/// <param name="Failure">Why there is no sum; null where there is one.</param>
/// <param name="Refusals">Clients whose own update does not fit the ring.</param>
internal sealed record SecureSumOutcome(
    ulong[] Sum, int[] Clients, RingEncoding Encoding, long BytesUp, long BytesDown, string? Failure, IReadOnlyList<Refusal> Refusals);

/// <summary>
/// The protocol of <see cref="SecureSumClient"/> and <see cref="SecureSumServer"/>, all its steps, among the invited clients of a round. Who sends no
/// update is lost before its vector, at a step that a draw chooses; who has sent one is lost before unmasking with the chance of a dropout.
/// </summary>
internal sealed class SimulatedSecureSum(SimulationOptions options, SimulatedClients clients)
{
    /// <summary>f of the ring: updates are rounded to a millionth.</summary>
    public const int FractionalBits = 20;

    /// <summary>In units of the ring; what <see cref="DiscreteGaussian.OfVariance"/> takes.</summary>
    private const double MostDeviation = 1 << 26;

    private const int AnnouncementBytes = 4 + (2 * AgreementKey.PublicBytes) + 32;
    private const int SealedBytes = 8 + 16 + (2 * ShareBytes);
    private const int ShareBytes = 4 + (8 * ShamirField.Parts);

    /// <summary>The ring for a sum of so many clients: as large a bound as fits.</summary>
    public static RingEncoding Encoding(int roster) => new(FractionalBits, DeterministicMath.PowerOfTwo(61 - FractionalBits) / roster, roster);

    /// <summary>What one round of noise at the clients costs, by order.</summary>
    public double[] Cost(SimulatedPrivacy privacy)
    {
        int length = options.Model.Layout.Length;
        int least = Least();
        Throw.Invalid(
            Deviation(privacy) > MostDeviation, "Noise at the clients is larger than the ring's sampler takes: lower the clip or the noise, or take more clients.");
        return PrivacyAccountant.Fresh.AfterDistributed(
            DistributedFedAvg.Sensitivity(privacy.Clip, FractionalBits, length), Deviation(privacy), least, length, 1).Values.ToArray();
    }

    /// <param name="strategy">Whose contributions are added.</param>
    /// <param name="order">The round's order.</param>
    /// <param name="invited">The secure sum's roster, sorted.</param>
    /// <param name="updates">Of those that train in time, in the order of clients.</param>
    public SecureSumOutcome Run(
        SumStrategy strategy, RoundOrder order, int[] invited, IReadOnlyList<ClientUpdate> updates, CancellationToken cancellationToken)
    {
        RingEncoding encoding = Encoding(Math.Max(1, invited.Length)) with { TowardsZero = options.Privacy is { AtClients: false } };
        if (invited.Length < 2)
        {
            return new SecureSumOutcome([], [], encoding, 0, 0, $"{invited.Length} clients were invited; a secure sum needs two.", []);
        }

        var refusals = new List<Refusal>();
        var vectors = new SortedDictionary<int, ulong[]>();
        foreach (ClientUpdate update in updates)
        {
            try
            {
                vectors.Add(Array.BinarySearch(invited, update.Client), Vector(strategy, update, order, encoding));
            }
            catch (HorizontalException e) when (e.Error == HorizontalError.NormTooLarge)
            {
                refusals.Add(new Refusal(update.Client, e.Error, e.Message));
            }
        }

        var session = new Session(SecureSumPlan.For(order.Round, invited.Length, strategy.ContributionLength(order.Parameters.Length)), Lost(order.Round, invited, vectors));
        try
        {
            (ulong[] sum, int[] places) = session.Run(clients, invited, vectors, cancellationToken);
            return new SecureSumOutcome(sum, [.. places.Select(place => invited[place])], encoding, session.Up, session.Down, null, refusals);
        }
        catch (HorizontalException e) when (e.Error == HorizontalError.TooFewClients)
        {
            return new SecureSumOutcome([], [], encoding, session.Up, session.Down, e.Message, refusals);
        }
    }

    private int Least()
    {
        int invited = ClientSelection.Invitations(clients.Needed, options.OverSelection, clients.Count);
        return SecureSumPlan.For(0, invited, 1).Threshold;
    }

    // The fewest that a sum can be of make the whole noise; with more there is more.
    private double Deviation(SimulatedPrivacy privacy) => DistributedFedAvg.ClientDeviation(privacy.Clip, privacy.NoiseMultiplier, FractionalBits, Least());

    private ulong[] Vector(SumStrategy strategy, ClientUpdate update, RoundOrder order, RingEncoding encoding)
    {
        ulong[] vector = SecureRound.Contribution(strategy, update, order, encoding);
        if (options.Privacy is { AtClients: true } privacy)
        {
            double deviation = Deviation(privacy);
            using RandomStream stream = clients.Streams.For("client-noise", order.Round, update.Client);
            NoisyContribution.Add(vector, DiscreteGaussian.OfVariance(deviation * deviation), stream);
        }

        return vector;
    }

    // The step at which each is last heard: −1 not at all, 0 keys, 1 shares, 2 the vector, 3 all.
    private int[] Lost(int round, int[] invited, SortedDictionary<int, ulong[]> vectors)
    {
        int[] last = new int[invited.Length];
        for (int place = 0; place < last.Length; place++)
        {
            using RandomStream stream = clients.Streams.For("secure-dropout", round, invited[place]);
            last[place] = !vectors.ContainsKey(place) ? (int)stream.NextBelow(3) - 1 : Draws.Uniform(stream) < options.DropoutRate ? 2 : 3;
        }

        return last;
    }

    private sealed class Session(SecureSumPlan plan, int[] last)
    {
        public long Up { get; private set; }

        public long Down { get; private set; }

        public (ulong[] Sum, int[] Places) Run(
            SimulatedClients clients, int[] invited, SortedDictionary<int, ulong[]> vectors, CancellationToken cancellationToken)
        {
            var server = new SecureSumServer(plan);
            SecureSumClient[] all = clients.InParallel(
                invited, client => new SecureSumClient(plan, Array.BinarySearch(invited, client), clients.Streams.For("secure-sum", plan.Round, client)), cancellationToken);
            try
            {
                foreach (SecureSumClient client in Heard(all, 0))
                {
                    server.Take(client.Announcement);
                    Up += AnnouncementBytes;
                }

                IReadOnlyList<KeyAnnouncement> keys = server.CloseAnnouncements();
                Down += (long)keys.Count * keys.Count * AnnouncementBytes;
                foreach (IReadOnlyList<SealedShares> shares in clients.InParallel(Heard(all, 1), client => client.Share(keys), cancellationToken))
                {
                    server.Take(shares);
                    Up += (long)shares.Count * SealedBytes;
                }

                IReadOnlyDictionary<int, IReadOnlyList<SealedShares>> relayed = server.CloseShares();
                Down += relayed.Values.Sum(static shares => (long)shares.Count * SealedBytes);
                foreach (MaskedVector vector in clients.InParallel(Heard(all, 2), client => client.Mask(relayed[client.Client], vectors[client.Client]), cancellationToken))
                {
                    server.Take(vector);
                    Up += 4 + (8L * vector.Values.Length);
                }

                SurvivorList survivors = server.CloseVectors();
                Down += 4L * survivors.Clients.Length * survivors.Clients.Length;
                foreach (SecureSumClient client in Heard(all, 3))
                {
                    server.Take(client.Unmask(survivors));
                    Up += 4 + ((4L + ShareBytes) * relayed.Count);
                }

                return server.CloseUnmasking();
            }
            finally
            {
                foreach (SecureSumClient client in all)
                {
                    client.Dispose();
                }
            }
        }

        private SecureSumClient[] Heard(SecureSumClient[] all, int step) => [.. all.Where(client => last[client.Client] >= step)];
    }
}
