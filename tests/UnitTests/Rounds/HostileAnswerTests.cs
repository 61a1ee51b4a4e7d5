using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.UnitTests.Horizontal;
using VertFed.UnitTests.Rounds.Lab;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>One of four parties signs and chains what no honest one would say: it is refused and named, and the model is that of those that count.</summary>
public sealed class HostileAnswerTests
{
    [Theory]
    [InlineData("nan", "not finite", false)]
    [InlineData("infinite", "not finite", false)]
    [InlineData("length", "does not have the length", false)]
    [InlineData("loss", "has a loss that is not", false)]
    [InlineData("rows", "a count of the update is out of range", false)]
    [InlineData("no rows", "claims 0 rows", false)]
    [InlineData("steps", "a count of the update is out of range", false)]
    [InlineData("normalised", "normalised steps that its steps cannot make", false)]
    [InlineData("control", "control variate that nobody asked for", false)]
    [InlineData("garbage", "ModelUpdate of round 1", false)]
    [InlineData("twice", "it has answered already", true)]
    [InlineData("unasked", "SumMasked of round 1 (attempt 1) is not what is asked", true)]
    [InlineData("stale", "Schema (attempt 1) came late|ModelUpdate came late", true)]
    [InlineData("ahead", "ModelUpdate of round 7 (attempt 1) is not what is asked", true)]
    [InlineData("attempt", "ModelUpdate of round 1 (attempt 9) is not what is asked", true)]
    [InlineData("chain", "the hash of the previous core is not that of the envelope before", true)]
    [InlineData("other job", "it is of another job", true)]
    public async Task What_it_says_is_refused_by_name_and_changes_nothing(string attack, string reason, bool counts)
    {
        using RoundCase roundCase = new(4, spec => (spec.MinimumClients, spec.Rounds, spec.Scaling) = (3, 1, ScalingChoice.None));
        await using RoundLab lab = new(roundCase);

        lab.Parties[3].Speak = (said, voice) => said.Header.Step == RoundStep.ModelUpdate ? Attack(attack, said, voice) : [voice.Repeat(said)];

        RoundJobRecord end = await lab.RunAsync();

        Assert.True(end.State == JobState.Done, end.Error?.ToString());
        RoundSummary round = Assert.Single(await lab.SummariesAsync());
        Assert.Equal(counts ? roundCase.Names : roundCase.Names[..3], round.Counted);
        if (attack != "twice" || round.Refusals.Count > 0)
        {
            RoundNote note = Assert.Single(round.Refusals);
            Assert.Equal("p4", note.Party);
            Assert.True(reason.Split('|').Any(each => note.Reason.Contains(each, StringComparison.Ordinal)), note.Reason);
        }

        Given.AssertClose(RoundLab.Reference(roundCase, null, [.. Enumerable.Range(0, round.Counted.Count)]), [.. end.Checkpoint!.Parameters]);
    }

    private static IEnumerable<Envelope> Attack(string attack, RoundEnvelope said, HostileVoice voice)
    {
        ModelUpdate update = RoundCodec.Payload(said, ModelUpdate.Parser).Clone();
        RoundHeader header = said.Header;
        switch (attack)
        {
            case "nan" or "infinite":
                update.Delta = ByteString.CopyFrom([.. BitConverter.GetBytes(attack == "nan" ? double.NaN : double.PositiveInfinity), .. update.Delta.Span[8..]]);
                return [voice.Say(said, update)];
            case "length":
                update.Delta = ByteString.CopyFrom(update.Delta.Span[8..]);
                return [voice.Say(said, update)];
            case "loss":
                update.LossBefore = double.NaN;
                return [voice.Say(said, update)];
            case "rows":
                update.Examples = ulong.MaxValue;
                return [voice.Say(said, update)];
            case "no rows":
                update.Examples = 0;
                return [voice.Say(said, update)];
            case "steps":
                update.Steps = uint.MaxValue;
                return [voice.Say(said, update)];
            case "normalised":
                update.NormalisedSteps = double.NaN;
                return [voice.Say(said, update)];
            case "control":
                update.ControlDelta.Add(1);
                return [voice.Say(said, update)];
            case "garbage":
                return [voice.Say(said, ByteString.CopyFrom([0xff, 0xfe, 0xfd]))];
            case "twice":
                return [voice.Say(said, update), voice.Say(said, new ModelUpdate(update) { Examples = 99 })];
            case "unasked":
                return [voice.Say(RoundStep.SumMasked, header.Round, header.Attempt, new SumMasked()), voice.Say(said, update)];
            case "stale":
                return [voice.Say(RoundStep.ModelUpdate, 0, header.Attempt, update), voice.Say(said, update)];
            case "ahead":
                return [voice.Say(RoundStep.ModelUpdate, 7, header.Attempt, update), voice.Say(said, update)];
            case "attempt":
                return [voice.Say(RoundStep.ModelUpdate, header.Round, 9, update), voice.Say(said, update)];
            case "chain":
                return [voice.Say(header.Step, header.Round, header.Attempt, update, broken => broken.PreviousCoreHash = ByteString.CopyFrom(new byte[32])), voice.Say(said, update)];
            default:
                return [voice.Say(header.Step, header.Round, header.Attempt, update, other => other.Job = new string('f', 32)), voice.Say(said, update)];
        }
    }
}
