using FsCheck;
using FsCheck.Fluent;
using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.SecureAggregation;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

public sealed class SecureSumTests
{
    private const int Length = 7;

    [Fact]
    public void The_sum_is_exact_whoever_of_a_third_drops_out_at_whichever_step() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            using RandomStream chance = Given.Stream((ulong)seed);
            int clients = 2 + (int)chance.NextBelow(7);
            SecureSumPlan plan = SecureSumPlan.For(3, clients, Length);
            int[] order = [.. Enumerable.Range(0, clients)];
            Draws.Shuffle(chance, order.AsSpan());

            // The step at which a client is last heard: 0 announces keys only … 3 does all.
            int[] last = [.. Enumerable.Repeat(3, clients)];
            foreach (int client in order.Take(clients - plan.Threshold))
            {
                last[client] = (int)chance.NextBelow(4) - 1;
            }

            ulong[][] vectors = [.. Enumerable.Range(0, clients).Select(i => Ring((ulong)seed, i))];
            (ulong[] sum, int[] survivors, _) = Run(plan, vectors, last, (ulong)seed);
            int[] expected = [.. Enumerable.Range(0, clients).Where(i => last[i] >= 2)];
            return expected.SequenceEqual(survivors) && Sum(vectors, expected).SequenceEqual(sum);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(25));

    [Fact]
    public void A_third_that_drops_out_after_masking_leaves_the_sum_of_the_others_exact()
    {
        SecureSumPlan plan = SecureSumPlan.For(0, 9, Length);
        Assert.Equal(6, plan.Threshold);
        ulong[][] vectors = [.. Enumerable.Range(0, 9).Select(i => Ring(1, i))];

        // Three have shared keys and are lost before their vectors arrive; then three that sent vectors are lost before unmasking.
        (ulong[] before, int[] six, _) = Run(plan, vectors, [1, 3, 3, 1, 3, 3, 1, 3, 3], 1);
        Assert.Equal([1, 2, 4, 5, 7, 8], six);
        Assert.Equal(Sum(vectors, six), before);
        (ulong[] after, int[] all, _) = Run(plan, vectors, [2, 3, 3, 2, 3, 3, 2, 3, 3], 1);
        Assert.Equal(9, all.Length);
        Assert.Equal(Sum(vectors, all), after);
    }

    [Fact]
    public void One_client_too_many_lost_ends_the_sum_with_an_error()
    {
        SecureSumPlan plan = SecureSumPlan.For(0, 6, Length);
        ulong[][] vectors = [.. Enumerable.Range(0, 6).Select(i => Ring(1, i))];
        foreach (int step in (int[])[-1, 0, 1, 2])
        {
            HorizontalException error = Assert.Throws<HorizontalException>(() => Run(plan, vectors, [step, step, step, 3, 3, 3], 1));
            Assert.Equal(HorizontalError.TooFewClients, error.Error);
        }
    }

    [Fact]
    public void A_masked_vector_says_nothing_without_the_masks()
    {
        // The same x under other streams gives unrelated numbers, and x = 0 gives neither zeros nor small numbers.
        SecureSumPlan plan = SecureSumPlan.For(0, 3, 4096);
        ulong[][] zeros = [.. Enumerable.Range(0, 3).Select(_ => new ulong[4096])];
        (ulong[] sum, _, MaskedVector[] first) = Run(plan, zeros, [3, 3, 3], 1);
        (_, _, MaskedVector[] second) = Run(plan, zeros, [3, 3, 3], 2);
        Assert.All(sum, value => Assert.Equal(0UL, value));
        Assert.NotEqual(first[0].Values, second[0].Values);
        foreach (MaskedVector masked in first)
        {
            // 262,144 fair bits have a deviation of 256 ones.
            long ones = masked.Values.Sum(value => (long)System.Numerics.BitOperations.PopCount(value));
            Assert.InRange(ones, 131_072 - 1536, 131_072 + 1536);
        }

        // Two clients' sum without the third still has masks on it.
        Assert.DoesNotContain(0UL, first[0].Values.Zip(first[1].Values, (a, b) => unchecked(a + b)));
    }

    [Fact]
    public void A_client_unmasks_once_and_never_gives_both_secrets_of_another()
    {
        using var session = new Session(SecureSumPlan.For(0, 4, Length), 1);
        session.ToMasked();
        UnmaskingShares shares = session.Clients[0].Unmask(new SurvivorList([0, 1, 3]));
        Assert.Equal([0, 1, 3], shares.SelfMasks.Keys.Order());
        Assert.Equal([2], shares.MaskKeys.Keys);
        HorizontalException error = Assert.Throws<HorizontalException>(() => session.Clients[0].Unmask(new SurvivorList([0, 1, 2])));
        Assert.Equal(HorizontalError.WrongRound, error.Error);
    }

    [Fact]
    public void Lists_of_survivors_that_cannot_be_are_refused_and_the_right_one_is_still_answered()
    {
        using var session = new Session(SecureSumPlan.For(0, 4, Length), 1);
        session.ToMasked();
        SecureSumClient client = session.Clients[1];
        Assert.Equal(HorizontalError.TooFewClients, Refused(() => client.Unmask(new SurvivorList([0, 1]))));
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => client.Unmask(new SurvivorList([0, 2, 3]))));
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => client.Unmask(new SurvivorList([1, 0, 2]))));
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => client.Unmask(new SurvivorList([0, 1, 1, 2]))));
        Assert.Equal(HorizontalError.UnknownClient, Refused(() => client.Unmask(new SurvivorList([0, 1, 7]))));
        Assert.Equal(3, client.Unmask(new SurvivorList([0, 1, 2])).SelfMasks.Count);
    }

    [Fact]
    public void Keys_and_shares_that_were_changed_are_refused_and_leave_the_client_as_it_was()
    {
        SecureSumPlan plan = SecureSumPlan.For(0, 3, Length);
        using var session = new Session(plan, 1);
        KeyAnnouncement[] keys = [.. session.Clients.Select(client => client.Announcement)];
        byte[] off = [.. keys[1].MaskKey];
        off[40] ^= 1;
        SecureSumClient client = session.Clients[0];
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => client.Share([keys[0], keys[1] with { MaskKey = off }, keys[2]])));
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => client.Share([keys[0], keys[1] with { SealingKey = [1, 2] }, keys[2]])));
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => client.Share([keys[0] with { MaskKey = keys[1].SealingKey }, keys[1], keys[2]])));
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => client.Share([keys[0], keys[1], keys[2] with { MaskKey = keys[1].MaskKey }])));
        Assert.Equal(HorizontalError.Repeated, Refused(() => client.Share([keys[0], keys[1], keys[1]])));
        Assert.Equal(HorizontalError.UnknownClient, Refused(() => client.Share([keys[0], keys[1], keys[2] with { Client = 3 }])));
        Assert.Equal(HorizontalError.TooFewClients, Refused(() => client.Share([keys[0]])));
        Assert.Equal(HorizontalError.WrongRound, Refused(() => client.Mask([], new ulong[Length])));

        SealedShares[] all = [.. session.Clients.SelectMany(one => one.Share(keys))];
        SealedShares[] own = [.. all.Where(message => message.To == 0)];
        byte[] altered = [.. own[0].Sealed];
        altered[3] ^= 1;
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => client.Mask([own[0] with { Sealed = altered }, own[1]], new ulong[Length])));
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => client.Mask([own[0] with { From = own[1].From }], new ulong[Length])));
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => client.Mask([.. all.Where(message => message.To == 1)], new ulong[Length])));
        Assert.Equal(HorizontalError.Repeated, Refused(() => client.Mask([own[0], own[0]], new ulong[Length])));
        Assert.Equal(HorizontalError.WrongShape, Refused(() => client.Mask(own, new ulong[Length + 1])));
        Assert.Equal(0, client.Mask(own, new ulong[Length]).Client);
    }

    [Fact]
    public void The_server_refuses_what_is_repeated_or_out_of_step()
    {
        using var session = new Session(SecureSumPlan.For(0, 3, Length), 1);
        SecureSumServer server = session.Server;
        KeyAnnouncement[] keys = [.. session.Clients.Select(client => client.Announcement)];
        server.Take(keys[0]);
        Assert.Equal(HorizontalError.Repeated, Refused(() => server.Take(keys[0])));
        Assert.Equal(HorizontalError.TooFewClients, Refused(() => server.CloseAnnouncements()));
        Assert.Equal(HorizontalError.WrongRound, Refused(() => server.Take(new MaskedVector(0, new ulong[Length]))));
        server.Take(keys[1]);
        server.Take(keys[2]);
        IReadOnlyList<KeyAnnouncement> announced = server.CloseAnnouncements();
        IReadOnlyList<SealedShares>[] shares = [.. session.Clients.Select(client => client.Share(announced))];
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => server.Take([shares[0][0], shares[0][0]])));
        Assert.Equal(HorizontalError.WrongShape, Refused(() => server.Take([shares[0][0], shares[0][1] with { Sealed = shares[0][1].Sealed[1..] }])));
        Array.ForEach(shares, server.Take);
        Assert.Equal(HorizontalError.Repeated, Refused(() => server.Take(shares[0])));
        IReadOnlyDictionary<int, IReadOnlyList<SealedShares>> routed = server.CloseShares();
        MaskedVector[] vectors = [.. session.Clients.Select(client => client.Mask(routed[client.Client], new ulong[Length]))];
        Assert.Equal(HorizontalError.WrongShape, Refused(() => server.Take(vectors[0] with { Values = [1] })));
        Array.ForEach(vectors, server.Take);
        Assert.Equal(HorizontalError.Repeated, Refused(() => server.Take(vectors[0])));
        SurvivorList survivors = server.CloseVectors();
        UnmaskingShares[] unmasking = [.. session.Clients.Select(client => client.Unmask(survivors))];
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => server.Take(unmasking[0] with { SelfMasks = unmasking[1].SelfMasks })));
        Array.ForEach(unmasking, server.Take);
        Assert.All(server.CloseUnmasking().Sum, value => Assert.Equal(0UL, value));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Wrong_shares_are_noticed_and_give_no_sum(bool selfMask)
    {
        using var session = new Session(SecureSumPlan.For(0, 4, Length), 1);
        SecureSumServer server = session.Server;
        Array.ForEach(session.Clients, client => server.Take(client.Announcement));
        IReadOnlyList<KeyAnnouncement> keys = server.CloseAnnouncements();
        Array.ForEach(session.Clients, client => server.Take(client.Share(keys)));
        IReadOnlyDictionary<int, IReadOnlyList<SealedShares>> shares = server.CloseShares();
        SecureSumClient[] survivors = session.Clients[..3];
        Array.ForEach(survivors, client => server.Take(client.Mask(shares[client.Client], new ulong[Length])));
        SurvivorList list = server.CloseVectors();
        UnmaskingShares[] unmasking = [.. survivors.Select(client => client.Unmask(list))];
        SecretShare share = selfMask ? unmasking[0].SelfMasks[1] : unmasking[0].MaskKeys[3];
        share.Values[0] = ShamirField.Add(share.Values[0], 1);
        Array.ForEach(unmasking, server.Take);
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => server.CloseUnmasking()));
    }

    [Fact]
    public void Shares_give_the_secret_at_the_threshold_and_not_below() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            using RandomStream stream = Given.Stream((ulong)seed);
            byte[] secret = new byte[32];
            stream.Fill(secret);
            int n = 1 + (int)stream.NextBelow(12);
            int t = 1 + (int)stream.NextBelow((ulong)n);
            SecretShare[] shares = ShamirField.Split(secret, t, [.. Enumerable.Range(1, n).Select(i => (3 * i) + 1)], stream);
            Draws.Shuffle(stream, shares.AsSpan());
            bool whole = secret.SequenceEqual(ShamirField.Combine(shares, t));
            bool less = t == 1 || Refused(() => ShamirField.Combine(shares[..(t - 1)], t)) == HorizontalError.TooFewClients;
            return whole && less;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Fewer_shares_than_the_threshold_fit_every_secret()
    {
        // One of two shares: for any other secret there is a second share that makes it, so the first says nothing.
        using RandomStream stream = Given.Stream(1);
        SecretShare[] shares = ShamirField.Split(new byte[32], 2, [1, 2], stream);
        ulong wanted = 12345;

        // At 0 the line through (1, a) and (2, b) is 2a − b: b = 2a − wanted.
        ulong second = ShamirField.Add(ShamirField.Multiply(2, shares[0].Values[0]), ShamirField.Prime - wanted);
        var other = new SecretShare(2, [second, .. shares[1].Values[1..]]);
        Assert.Equal(wanted, BitConverter.ToUInt64(ShamirField.Combine([shares[0], other], 2)) & 0xFFFFFFFFFFFFFF);
    }

    [Fact]
    public void Field_inverses_multiply_to_one()
    {
        foreach (ulong a in (ulong[])[1, 2, 3, 1UL << 60, ShamirField.Prime - 1])
        {
            Assert.Equal(1UL, ShamirField.Multiply(a, ShamirField.Invert(a)));
        }

        const ulong Most = ShamirField.Prime - 1;
        Assert.Equal((0UL, Most - 1, Most, 0UL), (ShamirField.Add(Most, 1), ShamirField.Add(Most, Most), ShamirField.Add(Most, 0), ShamirField.Add(0, 0)));
        Assert.Equal(1UL, ShamirField.Multiply(Most, Most));
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => ShamirField.Combine([new SecretShare(1, [ShamirField.Prime, 0, 0, 0, 0])], 1)));
        Assert.Equal(HorizontalError.CheckFailed, Refused(() => ShamirField.Combine([new SecretShare(1, [1UL << 60, 0, 0, 0, 0])], 1)));
    }

    [Theory]
    [InlineData("fedavg")]
    [InlineData("fednova")]
    [InlineData("fedyogi")]
    [InlineData("scaffold")]
    public void A_strategy_over_a_secure_sum_makes_the_model_that_it_makes_in_the_clear(string name)
    {
        var strategy = Assert.IsAssignableFrom<SumStrategy>(StrategyParser.Parse(name));
        ServerState state = ServerState.Start([1, 2, 3]);
        var encoding = new RingEncoding(32, 1000, 4);
        ClientUpdate[] updates = [.. Enumerable.Range(0, 4).Select(i => AggregationTests.Update(i, Given.Vector((ulong)i, 3), 5 + i) with { ControlDelta = Given.Vector(9, 3) })];
        RoundOrder order = strategy.Order(state, new LocalWork());
        ulong[][] vectors = [.. updates.Select(update => SecureRound.Contribution(strategy, update, order, encoding))];
        (ulong[] sum, int[] survivors, _) = Run(SecureSumPlan.For(0, 4, vectors[0].Length), vectors, [3, 1, 3, 3], 1);
        double[] secure = SecureRound.Apply(strategy, state, sum, survivors.Length, 4, encoding).Parameters;
        Given.AssertClose(strategy.Aggregate(state, [updates[0], updates[2], updates[3]], 4).State.Parameters, secure, 1e-6);
    }

    [Fact]
    public void Strategies_that_need_single_updates_do_not_fit_a_secure_sum()
    {
        foreach (string name in (string[])["median", "trimmed-mean", "krum", "multi-krum", "geometric-median", "norm-bound"])
        {
            Assert.False(StrategyParser.Parse(name) is SumStrategy, name);
        }

        Assert.All(
            typeof(SecureRound).GetMethods().Where(method => method.DeclaringType == typeof(SecureRound)),
            method => Assert.Equal(typeof(SumStrategy), method.GetParameters()[0].ParameterType));
    }

    [Fact]
    public void Noise_of_the_clients_is_in_the_sum_and_nobody_elses()
    {
        const int Numbers = 2000;
        SecureSumPlan plan = SecureSumPlan.For(0, 3, Numbers);
        var noise = new DiscreteGaussian(100, 1);
        ulong[][] vectors =
        [
            .. Enumerable.Range(0, 3).Select(i =>
            {
                ulong[] vector = new ulong[Numbers];
                using RandomStream stream = Given.Stream(50 + (ulong)i);
                NoisyContribution.Add(vector, noise, stream);
                return vector;
            }),
        ];
        (ulong[] sum, _, _) = Run(plan, vectors, [3, 3, 3], 1);
        double variance = sum.Sum(value => Math.Pow((long)value, 2)) / Numbers;
        Assert.InRange(variance, 0.85 * 300, 1.15 * 300);
    }

    [Fact]
    public void Numbers_beyond_the_ring_are_refused()
    {
        Assert.Equal(HorizontalError.NormTooLarge, Refused(() => new RingEncoding(20, 10, 2).Encode([11])));
        Assert.Equal(HorizontalError.NormTooLarge, Refused(() => new RingEncoding(20, 10, 2).Encode([double.NaN])));
        Assert.Equal(HorizontalError.InvalidInput, Refused(() => new RingEncoding(50, 1 << 12, 2).Encode([1])));
        Assert.Equal([-2.5, 3], new RingEncoding(20, 10, 2).Decode(new RingEncoding(20, 10, 2).Encode([-2.5, 3])));
    }

    [Fact]
    public void What_was_clipped_does_not_get_longer_where_numbers_are_rounded_towards_zero()
    {
        double[] clipped = [0.6, 0.6, -0.6, 1.7];
        var encoding = new RingEncoding(0, 10, 2);
        Assert.Equal([1, 1, -1, 2], encoding.Decode(encoding.Encode(clipped)));
        Assert.Equal([0, 0, 0, 1], encoding.Decode((encoding with { TowardsZero = true }).Encode(clipped)));
    }

    [Fact]
    public void The_same_streams_give_the_same_messages()
    {
        SecureSumPlan plan = SecureSumPlan.For(0, 3, Length);
        ulong[][] vectors = [.. Enumerable.Range(0, 3).Select(i => Ring(1, i))];
        MaskedVector[] one = Run(plan, vectors, [3, 3, 3], 1).Masked;
        MaskedVector[] two = Run(plan, vectors, [3, 3, 3], 1).Masked;
        Assert.Equal(one.Select(vector => vector.Values), two.Select(vector => vector.Values));
    }

    internal static (ulong[] Sum, int[] Clients, MaskedVector[] Masked) Run(SecureSumPlan plan, ulong[][] vectors, int[] last, ulong seed)
    {
        using var session = new Session(plan, seed);
        SecureSumServer server = session.Server;
        foreach (SecureSumClient client in session.Clients.Where(client => last[client.Client] >= 0))
        {
            server.Take(client.Announcement);
        }

        IReadOnlyList<KeyAnnouncement> keys = server.CloseAnnouncements();
        foreach (SecureSumClient client in session.Clients.Where(client => last[client.Client] >= 1))
        {
            server.Take(client.Share(keys));
        }

        IReadOnlyDictionary<int, IReadOnlyList<SealedShares>> shares = server.CloseShares();
        var masked = new List<MaskedVector>();
        foreach (SecureSumClient client in session.Clients.Where(client => last[client.Client] >= 2))
        {
            masked.Add(client.Mask(shares[client.Client], vectors[client.Client]));
            server.Take(masked[^1]);
        }

        SurvivorList survivors = server.CloseVectors();
        foreach (SecureSumClient client in session.Clients.Where(client => last[client.Client] >= 3))
        {
            server.Take(client.Unmask(survivors));
        }

        (ulong[] sum, int[] clients) = server.CloseUnmasking();
        return (sum, clients, [.. masked]);
    }

    private static HorizontalError Refused(Func<object> action) => Assert.Throws<HorizontalException>(() => action()).Error;

    private static HorizontalError Refused(Action action) => Assert.Throws<HorizontalException>(action).Error;

    private static ulong[] Ring(ulong seed, int client)
    {
        using RandomStream stream = RandomStreams.InsecureFromSeed(seed).For("ring", 0, client);
        return [.. Enumerable.Range(0, Length).Select(_ => stream.NextUInt64())];
    }

    private static ulong[] Sum(ulong[][] vectors, int[] clients) =>
        [.. Enumerable.Range(0, Length).Select(i => clients.Aggregate(0UL, (sum, client) => unchecked(sum + vectors[client][i])))];

    private sealed class Session : IDisposable
    {
        private readonly RandomStreams _streams;

        public Session(SecureSumPlan plan, ulong seed)
        {
            _streams = RandomStreams.InsecureFromSeed(seed);
            Server = new SecureSumServer(plan);
            Clients = [.. Enumerable.Range(0, plan.Roster).Select(i => new SecureSumClient(plan, i, _streams.For("secure-sum", plan.Round, i)))];
        }

        public SecureSumServer Server { get; }

        public SecureSumClient[] Clients { get; }

        public void ToMasked()
        {
            KeyAnnouncement[] keys = [.. Clients.Select(client => client.Announcement)];
            SealedShares[] shares = [.. Clients.SelectMany(client => client.Share(keys))];
            foreach (SecureSumClient client in Clients)
            {
                client.Mask([.. shares.Where(message => message.To == client.Client)], new ulong[Length]);
            }
        }

        public void Dispose()
        {
            Array.ForEach(Clients, client => client.Dispose());
            _streams.Dispose();
        }
    }
}
