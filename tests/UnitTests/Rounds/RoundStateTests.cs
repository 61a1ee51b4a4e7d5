using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Service;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.UnitTests.Horizontal;
using VertFed.UnitTests.Rounds.Lab;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>What a party carries from round to round, and hostile updates in running jobs.</summary>
public sealed class RoundStateTests
{
    [Theory]
    [InlineData("scaffold", "none")]
    [InlineData("fedavg", "top-k:0.34")]
    public async Task A_party_killed_between_rounds_keeps_its_control_variate_and_the_error_of_compression(string strategy, string compression)
    {
        using RoundCase roundCase = Carrying(strategy, compression, parties: 3);
        double[] expected = RoundLab.StatefulReference(roundCase, [0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2]);
        for (int point = 6; point < 20; point += 3)
        {
            await using RoundLab lab = new(roundCase, party => new KillSwitch(party == 1 ? point / 2 : 0, after: point % 2 == 1));
            RoundJobRecord end = await lab.RunAsync();

            Assert.True(end.State == JobState.Done, $"point {point}: {end.Error}");
            Assert.Equal(1, lab.Parties[1].Kills);
            Given.AssertClose(expected, lab.Parties[0].Parameters);
        }
    }

    [Theory]
    [InlineData("scaffold", "none")]
    [InlineData("fedavg", "top-k:0.34")]
    public async Task An_update_that_did_not_count_moves_nothing_that_its_party_carries(string strategy, string compression)
    {
        using RoundCase roundCase = Carrying(strategy, compression, parties: 4, spec =>
        {
            spec.ClientsPerRound = 3;
            spec.OverSelection = 1.34;
        });
        await using RoundLab lab = new(roundCase);
        Withhold(lab.Parties[3], 2);
        Withhold(lab.Parties[0], 1, 3);
        Withhold(lab.Parties[1], 4);

        RoundJobRecord end = await lab.RunAsync();

        Assert.True(end.State == JobState.Done, end.Error?.ToString());
        Given.AssertClose(RoundLab.StatefulReference(roundCase, [1, 2, 3], [0, 1, 2], [1, 2, 3], [0, 2, 3]), lab.Parties[0].Parameters);
    }

    [Theory]
    [InlineData("median")]
    [InlineData("trimmed-mean:0.2")]
    [InlineData("multi-krum:0.2")]
    [InlineData("geometric-median")]
    [InlineData("norm-bound:1")]
    public async Task One_of_five_that_turns_its_updates_round_or_makes_them_ten_times_as_long_does_not_move_a_robust_job(string strategy)
    {
        Action<HorizontalSpec> plan = spec => (spec.Rounds, spec.Epochs, spec.Scaling) = (10, 2, ScalingChoice.None);
        using RoundCase honest = new(5, plan, rows: 100, features: 4);
        double clean = AucOf(honest, await RoundLab.UndisturbedAsync(honest));
        using RoundCase roundCase = new(5, plan + (spec => spec.Strategy = strategy), rows: 100, features: 4);
        foreach (double factor in new[] { -1.0, -10, 10 })
        {
            await using RoundLab lab = new(roundCase);
            lab.Parties[4].Speak = (said, voice) => [said.Header.Step == RoundStep.ModelUpdate ? voice.Say(said, Longer(said, factor)) : voice.Repeat(said)];

            RoundJobRecord end = await lab.RunAsync();

            Assert.True(end.State == JobState.Done, end.Error?.ToString());
            Assert.InRange(AucOf(roundCase, [.. end.Checkpoint!.Parameters]), clean - 0.01, 1);
            if (strategy.StartsWith("norm-bound", StringComparison.Ordinal) && Math.Abs(factor) > 1)
            {
                Assert.Contains((await lab.SummariesAsync())[0].Outliers, note => note.Party == "p5");
            }
        }
    }

    private static RoundCase Carrying(string strategy, string compression, int parties, Action<HorizontalSpec>? change = null) => new(
        parties,
        spec =>
        {
            (spec.Strategy, spec.Compression, spec.Rounds, spec.Epochs, spec.Scaling) = (strategy, compression, 4, 3, ScalingChoice.None);
            change?.Invoke(spec);
        });

    private static void Withhold(LabParty party, params uint[] rounds) =>
        party.Speak = (said, voice) => said.Header.Step == RoundStep.ModelUpdate && rounds.Contains(said.Header.Round) ? [] : [voice.Repeat(said)];

    private static ModelUpdate Longer(global::VertFed.Protocol.RoundEnvelope said, double factor)
    {
        ModelUpdate update = global::VertFed.Protocol.RoundCodec.Payload(said, ModelUpdate.Parser).Clone();
        double[] delta = new double[update.Delta.Length / 8];
        Buffer.BlockCopy(update.Delta.ToByteArray(), 0, delta, 0, update.Delta.Length);
        byte[] bytes = new byte[update.Delta.Length];
        Buffer.BlockCopy(delta.Select(value => factor * value).ToArray(), 0, bytes, 0, bytes.Length);
        update.Delta = Google.Protobuf.ByteString.CopyFrom(bytes);
        return update;
    }

    private static double AucOf(RoundCase roundCase, double[] parameters) =>
        Evaluation.Of(JobPlan.Of(roundCase.Job.Specification).ModelOf(4), parameters, Given.Logistic(99, 2000, 4, shift: 0.2)).Score;
}
