using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.Vertical;
using VertFed.Vertical;
using Xunit;

namespace VertFed.UnitTests.Scoring;

/// <summary>Scores of two parties equal those of one table with all columns, and what is not in order is refused.</summary>
public sealed class ScorerTests
{
    [Theory]
    [InlineData(Family.Logistic, 1, 1)]
    [InlineData(Family.Logistic, 300, 1)]
    [InlineData(Family.Logistic, 8192, 1)]
    [InlineData(Family.Logistic, 20_000, 1)]
    [InlineData(Family.Linear, 9000, 1)]
    [InlineData(Family.Linear, 300, 52_000)]
    [InlineData(Family.Linear, 300, 1e-7)]
    public async Task Every_shared_row_has_the_score_of_the_joined_table(Family family, int rows, double labelScale)
    {
        ScoreBench bench = new(family, rows, labelScale);
        (ScoreResult label, ScoreResult feature) = await RunAsync(bench);

        Assert.Null(feature.Scores);
        Assert.Equal((rows, rows, rows), (label.Rows, feature.Rows, label.Scores!.Length));
        double step = family == Family.Logistic ? 1.0 / 32_768 : labelScale / 8192;
        for (int i = 0; i < rows; i++)
        {
            Assert.InRange(label.Scores[i] - bench.Oracle(i, rounded: true), -1e-9 * labelScale, 1e-9 * labelScale);
            Assert.InRange(label.Scores[i] - bench.Oracle(i, rounded: false), -1.0001 * step, 1.0001 * step);
        }
    }

    [Fact]
    public async Task Both_parties_report_that_the_label_party_learned_one_number_a_shared_customer()
    {
        (ScoreResult label, ScoreResult feature) = await RunAsync(new ScoreBench(Family.Logistic, 9000));

        Assert.Equal(label.Disclosures, feature.Disclosures);
        Assert.Contains(label.Disclosures, entry => entry is { Party: "bank", Scalars: 9000, Step: "ScoreShares" });
        Assert.Contains(label.Disclosures, entry => entry is { Party: "coordinator", Scalars: 2 });
        Assert.DoesNotContain(label.Disclosures, entry => entry.Party == "retailer");
    }

    [Theory]
    [InlineData(Role.LabelParty)]
    [InlineData(Role.FeatureParty)]
    public async Task Models_of_different_records_are_refused_by_both_before_anything_depends_on_them(Role other)
    {
        ScoreBench bench = new(Family.Logistic, 10);
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(ScoreBench.Specification(), 3);
        Task<ScoreResult>[] runs =
        [
            .. new[] { pair.Label, pair.Feature }.Select(channel => bench
                .Scorer(channel, ScoreBench.IdentityOf(channel.Self, channel.Self == other ? (byte)8 : (byte)7))
                .RunAsync(bench.ColumnsOf(channel.Self), bench.Rows, default)),
        ];
        foreach (Task<ScoreResult> run in runs)
        {
            VertFedException refusal = await Assert.ThrowsAsync<VertFedException>(() => run);
            Assert.Equal((ErrorCode.Refused, "ModelBinding"), (refusal.Code, refusal.Step));
            Assert.Contains("rule 'model-binding'", refusal.Message, StringComparison.Ordinal);
            Assert.Contains("different records", refusal.Message, StringComparison.Ordinal);
        }

        Assert.Equal(Step.ModelBinding, LastStep(pair.Parties.FeatureJournal, pair.Parties.Job.Specification.Job));
    }

    [Theory]
    [InlineData("own", "another half than the one that it committed to")]
    [InlineData("peer", "takes this party's half to be another one")]
    public async Task Another_half_than_the_committed_one_is_refused(string field, string says)
    {
        ScoreBench bench = new(Family.Logistic, 10);
        VertFedException refusal = await AgainstAsync(bench, Role.FeatureParty, async pair =>
        {
            ModelBinding binding = await HonestBindingAsync(pair.Feature);
            byte[] other = new byte[32];
            if (field == "own")
            {
                binding.OwnCoefficients = Google.Protobuf.ByteString.CopyFrom(other);
            }
            else
            {
                binding.PeerCoefficients = Google.Protobuf.ByteString.CopyFrom(other);
            }

            await pair.Feature.SendAsync(Step.ModelBinding, 0, binding, default);
        });
        Assert.Equal(ErrorCode.Refused, refusal.Code);
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model")]
    [InlineData("transcript_root")]
    [InlineData("own_coefficients")]
    [InlineData("peer_coefficients")]
    public async Task A_malformed_binding_breaks_the_protocol(string field)
    {
        ScoreBench bench = new(Family.Logistic, 10);
        VertFedException refusal = await AgainstAsync(bench, Role.LabelParty, async pair =>
        {
            ModelBinding binding = await HonestBindingAsync(pair.Label);
            Google.Protobuf.ByteString tooShort = Google.Protobuf.ByteString.CopyFrom(new byte[31]);
            switch (field)
            {
                case "model":
                    binding.Model = new string('0', 32);
                    break;
                case "transcript_root":
                    binding.TranscriptRoot = tooShort;
                    break;
                case "own_coefficients":
                    binding.OwnCoefficients = tooShort;
                    break;
                default:
                    binding.PeerCoefficients = tooShort;
                    break;
            }

            await pair.Label.SendAsync(Step.ModelBinding, 0, binding, default);
        });
        Assert.Equal((ErrorCode.ProtocolViolation, "ModelBinding"), (refusal.Code, refusal.Step));
        Assert.Contains(field, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("too few", "'shares' has 8191 elements, expected 8192")]
    [InlineData("too many", "'shares' has 8193 elements, expected 8192")]
    [InlineData("none", "'shares' has 0 elements, expected 8192")]
    [InlineData("beyond the last row", "'shares beyond the last row' is 1, expected 0")]
    [InlineData("another offset", "'offset' is 8192, expected 0")]
    [InlineData("huge offset", "'offset' is 18446744073709551615, expected 0")]
    [InlineData("twice", "'offset' is 0, expected 8192")]
    [InlineData("missing", "ResultCommitment")]
    public async Task Blocks_that_are_not_the_aligned_rows_break_the_protocol(string fault, string says)
    {
        ScoreBench bench = new(Family.Logistic, 8200);
        VertFedException refusal = await AgainstAsync(bench, Role.FeatureParty, async pair =>
        {
            await pair.Feature.SendAsync(Step.ModelBinding, 0, await HonestBindingAsync(pair.Feature), default);
            ulong offset = fault switch { "another offset" => 8192, "huge offset" => ulong.MaxValue, _ => 0 };
            int count = fault switch { "too few" => 8191, "too many" => 8193, "none" => 0, _ => 8192 };
            await SendAsync(offset, count);
            if (fault == "twice")
            {
                await SendAsync(0, 8192);
            }
            else if (fault == "missing")
            {
                await pair.Feature.SendAsync(Step.ResultCommitment, 0, new ResultCommitment(), default);
            }
            else if (fault == "beyond the last row")
            {
                await SendAsync(8192, 8192);
            }

            async Task SendAsync(ulong at, int values)
            {
                ScoreShares shares = new() { Offset = at };
                shares.Shares.AddRange(Enumerable.Repeat(1, values));
                await pair.Feature.SendAsync(Step.ScoreShares, 0, shares, default);
            }
        });
        Assert.Equal(ErrorCode.ProtocolViolation, refusal.Code);
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(int.MinValue, 0)]
    [InlineData(int.MaxValue, 1)]
    public async Task The_largest_numbers_that_a_peer_can_send_give_a_probability_all_the_same(int share, double expected)
    {
        ScoreBench bench = new(Family.Logistic, 5);
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(ScoreBench.Specification(), 3);
        Task<ScoreResult> honest = bench.Scorer(pair.Label).RunAsync(bench.LabelColumns, bench.Rows, default);
        await pair.Feature.SendAsync(Step.ModelBinding, 0, await HonestBindingAsync(pair.Feature), default);
        ScoreShares shares = new();
        shares.Shares.AddRange(Enumerable.Repeat(share, 5).Concat(Enumerable.Repeat(0, 8187)));
        await pair.Feature.SendAsync(Step.ScoreShares, 0, shares, default);

        Assert.All((await honest).Scores!, score => Assert.Equal(expected, score, 1e-12));
    }

    [Fact]
    public async Task A_share_that_does_not_fit_is_bad_input_and_nothing_is_sent_of_it()
    {
        ScoreBench bench = new(Family.Logistic, 10);
        bench.FeatureColumns[0][4] = 1e9;
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(ScoreBench.Specification(), 3);
        Task<ScoreResult> run = bench.Scorer(pair.Feature).RunAsync(bench.FeatureColumns, bench.Rows, default);
        await pair.Label.SendAsync(Step.ModelBinding, 0, await HonestBindingAsync(pair.Label), default);
        VertFedException error = await Assert.ThrowsAsync<VertFedException>(() => run);

        Assert.Equal(ErrorCode.BadInput, error.Code);
        Assert.Contains("does not fit", error.Message, StringComparison.Ordinal);
        Assert.Equal(Step.ModelBinding, LastStep(pair.Parties.FeatureJournal, pair.Parties.Job.Specification.Job));
    }

    [Fact]
    public async Task Values_that_make_no_finite_score_end_the_job_before_the_binding()
    {
        ScoreBench bench = new(Family.Linear, 10);
        bench.LabelColumns[1][2] = double.PositiveInfinity;
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(ScoreBench.Specification(), 3);
        VertFedException error = await Assert.ThrowsAsync<VertFedException>(() => bench.Scorer(pair.Label).RunAsync(bench.LabelColumns, bench.Rows, default));

        Assert.Equal(ErrorCode.BadInput, error.Code);
        Assert.Equal(Step.AlignmentDigest, LastStep(pair.Parties.LabelJournal, pair.Parties.Job.Specification.Job));
    }

    [Fact]
    public void A_half_with_a_number_that_no_training_gives_is_refused()
    {
        Assert.Equal(["ok"], Make(1, 0, 1, 0, 1).Columns);
        foreach ((double weight, double mean, double deviation, double intercept, double scale) in new (double, double, double, double, double)[]
        {
            (double.NaN, 0, 1, 0, 1), (double.PositiveInfinity, 0, 1, 0, 1), (1, double.NaN, 1, 0, 1), (1, 0, 0, 0, 1), (1, 0, -1, 0, 1),
            (1, 0, double.NaN, 0, 1), (1, 0, 1, double.NegativeInfinity, 1), (1, 0, 1, 0, 0), (1, 0, 1, 0, double.PositiveInfinity),
        })
        {
            Assert.Equal(ErrorCode.BadInput, Assert.Throws<VertFedException>(() => Make(weight, mean, deviation, intercept, scale)).Code);
        }

        static ModelHalf Make(double weight, double mean, double deviation, double intercept, double scale) =>
            new(Family.Linear, ["ok"], [weight], [mean], [deviation], intercept, scale);
    }

    private static async Task<(ScoreResult Label, ScoreResult Feature)> RunAsync(ScoreBench bench)
    {
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(ScoreBench.Specification(), 3);
        Task<ScoreResult> label = bench.Scorer(pair.Label).RunAsync(bench.LabelColumns, bench.Rows, default);
        Task<ScoreResult> feature = bench.Scorer(pair.Feature).RunAsync(bench.FeatureColumns, bench.Rows, default);
        await Task.WhenAll(label, feature);
        return (await label, await feature);
    }

    /// <summary>Runs an honest scorer against what a hostile one does.</summary>
    private static async Task<VertFedException> AgainstAsync(ScoreBench bench, Role hostile, Func<InMemoryChannelPair, Task> act)
    {
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(ScoreBench.Specification(), 3);
        SealedChannel honest = hostile == Role.LabelParty ? pair.Feature : pair.Label;
        Task<ScoreResult> run = bench.Scorer(honest).RunAsync(bench.ColumnsOf(honest.Self), bench.Rows, default);
        await act(pair);
        return await Assert.ThrowsAsync<VertFedException>(() => run);
    }

    /// <summary>What an honest party at this end would send; takes the peer's first.</summary>
    private static async Task<ModelBinding> HonestBindingAsync(SealedChannel channel)
    {
        ModelBinding peer = await channel.ReceiveAsync(Step.ModelBinding, 0, ModelBinding.Parser, default);
        return new ModelBinding
        {
            Model = peer.Model,
            TranscriptRoot = peer.TranscriptRoot,
            OwnCoefficients = peer.PeerCoefficients,
            PeerCoefficients = peer.OwnCoefficients,
        };
    }

    private static Step LastStep(InMemoryJournal journal, string job)
    {
        Step last = Step.Unspecified;
        for (ulong i = 0; journal.ReadOutboundAsync(job, 1, i, default).AsTask().Result is { } envelope; i++)
        {
            last = EnvelopeCodec.Parse(envelope).Header.Step;
        }

        return last;
    }
}
