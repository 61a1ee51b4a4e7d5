using VertFed.Protocol.V1;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.Transcript;

/// <summary>What a transcript of a horizontal job is held to; whoever breaks a rule is named with step, round and number.</summary>
public sealed class RoundVerifierTests
{
    public static TheoryData<string, string, string, string> Breaches => new()
    {
        { "skipped round", Rules.Grammar, "coordinator", "ModelOrder of round 2, number 1 of its sender" },
        { "same attempt again", Rules.Grammar, "coordinator", "ModelOrder of round 1, number 2" },
        { "an answer after the final model", Rules.Grammar, "coordinator", "ModelUpdate of round 2, number 3" },
        { "counted without an answer", Rules.Counted, "coordinator", "ModelOrder of round 2, number 2" },
        { "too few counted", Rules.Counted, "coordinator", "FinalModel, number 3" },
        { "signed by another party", Rules.Attestation, "south", "ModelUpdate of round 1, number 1 of its sender" },
        { "left out", Rules.Sequence, "coordinator", "ModelUpdate of round 2, number 2" },
        { "counted otherwise at the end", Rules.Counted, "coordinator", "FinalModel, number 3" },
        { "final model of other rounds", Rules.Model, "coordinator", "FinalModel, number 3" },
        { "another model", Rules.Model, "coordinator", "ModelOrder of round 2, number 2" },
        { "another spec", Rules.JobSpec, "coordinator", "SchemaOrder, number 0" },
        { "done without a final model", Rules.Complete, "coordinator", "no final model" },
        { "another payload", Rules.Payload, "coordinator", "ModelOrder of round 1, number 1" },
        { "payload left out", Rules.Payload, "coordinator", "ModelOrder of round 1, number 1" },
        { "secure sum without its order", Rules.Grammar, "coordinator", "SumKeyList of round 1, number 2" },
    };

    [Theory]
    [MemberData(nameof(Breaches))]
    public async Task The_first_message_that_breaks_a_rule_is_named(string breach, string rule, string party, string named)
    {
        using RoundScript script = Break(breach);

        Verdict verdict = await VerifyAsync(script.Write());

        Assert.False(verdict.IsVerified);
        Assert.Equal((rule, party), (verdict.Failure!.Rule, verdict.Failure.Party));
        Assert.Contains(named, verdict.Summary, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_honest_record_verifies_and_who_has_not_co_signed_is_named()
    {
        using RoundScript script = RoundScript.Honest();
        Assert.Equal("complete, co-signed by all 3 parties", (await VerifyAsync(script.Write())).Summary);

        script.CoSigners.Remove(2);
        Verdict verdict = await VerifyAsync(script.Write());

        Assert.True(verdict.IsVerified);
        Assert.Equal("complete, not co-signed by south", verdict.Summary);
        Assert.Equal([4L, 13L], verdict.Checkpoints.Select(checkpoint => checkpoint.Checkpoint.Size));
    }

    [Fact]
    public async Task What_nobody_asked_for_is_remarked_and_counts_for_nothing()
    {
        using RoundScript script = new();
        script.Begin();
        script.Round(1, taken: [], answers: [1, 1, 3]);
        script.Answer(2, RoundStep.ModelUpdate, 7, 1);
        script.Round(2, taken: [1, 3], answers: [1, 2]);
        script.Finish(taken: [1, 2]);

        Verdict verdict = await VerifyAsync(script.Write());

        Assert.True(verdict.IsVerified, verdict.Summary);
        Assert.Equal(2, verdict.Remarks.Count);
        Assert.Contains("'north' sent ModelUpdate of round 1, attempt 1 (number 2); it had answered already", verdict.Remarks[0], StringComparison.Ordinal);
        Assert.Contains("'south' sent ModelUpdate of round 7, attempt 1 (number 1); it was not asked for it", verdict.Remarks[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, "complete, co-signed by all 3 parties")]
    [InlineData(false, "full buffers take")]
    public async Task Versions_of_an_asynchronous_job_need_full_buffers_and_may_end_by_an_answer_that_came_late(bool isFull, string expected)
    {
        using RoundScript script = new(spec => (spec.Strategy, spec.Rounds, spec.Staleness, spec.ClientsPerRound) = ("fedbuff:2", 3, 10, 2));
        script.Begin();
        script.Order(1, 1, 1);
        script.Order(2, 1, 2);

        // The first is silent, a third is asked in its place, and then it answers after all: version 1 is full with nobody idle.
        script.Order(3, 1, 3);
        script.Answer(2, RoundStep.ModelUpdate, 1, 2);
        script.Order(2, 1, 4);
        script.Answer(1, RoundStep.ModelUpdate, 1, 1);
        script.Answer(3, RoundStep.ModelUpdate, 1, 3);
        script.Order(3, 2, 1);
        script.Answer(2, RoundStep.ModelUpdate, 1, 4);
        script.Order(2, 3, 1);
        script.Answer(3, RoundStep.ModelUpdate, 2, 1);
        if (isFull)
            script.Answer(2, RoundStep.ModelUpdate, 3, 1);
        script.Finish(taken: [], rounds: 3);

        Verdict verdict = await VerifyAsync(script.Write());

        Assert.Equal(isFull, verdict.IsVerified);
        Assert.Contains(expected, verdict.Summary, StringComparison.Ordinal);
        Assert.Equal(isFull ? null : Rules.Counted, verdict.Failure?.Rule);
    }

    [Fact]
    public async Task A_secure_sum_is_held_to_its_order_its_owners_keys_and_its_survivors()
    {
        Assert.Equal("complete, co-signed by all 3 parties", (await VerifyAsync(Secure(_ => { }))).Summary);
        Verdict foreign = await VerifyAsync(Secure(sum => sum.Keys[1].Core = sum.Keys[0].Core));
        Assert.Equal((Rules.Grammar, RoundStep.SumKeyList), (foreign.Failure!.Rule, foreign.Failure.RoundStep));
        Verdict survivor = await VerifyAsync(Secure(sum => sum.Masked = [1, 2]));
        Assert.Equal((Rules.Counted, RoundStep.SumSurvivors), (survivor.Failure!.Rule, survivor.Failure.RoundStep));
        Verdict unopened = await VerifyAsync(Secure(sum => sum.Opened = [1]));
        Assert.Equal((Rules.Counted, RoundStep.FinalModel), (unopened.Failure!.Rule, unopened.Failure.RoundStep));
    }

    [Fact]
    public async Task No_byte_can_be_changed()
    {
        using RoundScript script = RoundScript.Honest();
        byte[] file = script.Write();
        HashSet<string> rules = [];
        for (int at = 0; at < file.Length; at += 11)
        {
            byte[] changed = [.. file];
            changed[at] ^= (byte)(1 << (at % 8));
            Verdict verdict = await VerifyAsync(changed);

            Assert.False(verdict.IsVerified, $"byte {at}");
            rules.Add(verdict.Failure!.Rule);
        }

        Assert.True(rules.Count > 8, string.Join(", ", rules));
        Assert.Equal(Rules.Truncated, (await VerifyAsync(file[..^1])).Failure!.Rule);
    }

    private static RoundScript Break(string breach)
    {
        if (breach is "counted without an answer" or "too few counted" or "skipped round" or "same attempt again" or "final model of other rounds" or "another model" or "another spec"
            or "done without a final model" or "secure sum without its order" or "left out" or "counted otherwise at the end")
        {
            return Rewrite(breach);
        }

        RoundScript script = RoundScript.Honest();
        switch (breach)
        {
            case "an answer after the final model":
                script.Answer(1, RoundStep.ModelUpdate, 2, 2);
                break;
            case "signed by another party":
                script.Entries[6].Attestation = script.Entries[5].Attestation;
                break;
            case "another payload":
                script.Entries[4].Payload = script.Entries[8].Payload;
                break;
            case "payload left out":
                script.Entries[4].Payload = Google.Protobuf.ByteString.Empty;
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(breach), breach, "unknown");
        }

        return script;
    }

    private static RoundScript Rewrite(string breach)
    {
        RoundScript script = new();
        if (breach == "another spec")
        {
            script.Say(RoundStep.SchemaOrder, 0, 1, new SchemaOrder { SpecHash = Google.Protobuf.ByteString.CopyFrom(new byte[32]) });
            return script;
        }

        script.Begin();
        switch (breach)
        {
            case "skipped round":
                script.Round(2, [], [1, 2, 3]);
                break;
            case "secure sum without its order":
                script.Round(1, [], [1, 2, 3]);
                script.Say(RoundStep.SumKeyList, 1, 1, new SumKeyList { Keys = { new SignedSumKeys() } });
                break;
            case "same attempt again":
                script.Round(1, [], [1]);
                script.Round(1, [], [2, 3]);
                break;
            case "left out":
                script.Round(1, [], [1, 2, 3]);
                script.Entries.RemoveAt(script.Entries.Count - 2);
                script.Round(2, [1, 3], [1, 2, 3]);
                break;
            case "counted without an answer":
                script.Round(1, [], [1, 3]);
                script.Round(2, [1, 2], [1, 2, 3]);
                break;
            case "counted otherwise at the end":
                script.Round(1, [], [1, 2, 3]);
                script.Round(2, [1, 2, 3], [1, 2]);
                script.Finish([1, 2], counted: [2, 2, 0]);
                break;
            case "another model":
                script.Round(1, [], [1, 3]);
                script.Say(RoundStep.ModelOrder, 2, 1, new ModelOrder { Invited = { 1, 2, 3 }, Parameters = { 1 }, Taken = { 1, 3 }, Counted = { 1, 0, 1 } });
                break;
            default:
                script.Round(1, [], [1, 2, 3]);
                script.Round(2, [1, 2, 3], [1, 2, 3]);
                if (breach != "done without a final model")
                {
                    script.Finish(breach == "too few counted" ? [1u] : [1, 2], breach == "too few counted" ? 2u : 1u);
                }

                break;
        }

        return script;
    }

    private sealed class Sum
    {
        public List<SignedSumKeys> Keys { get; init; } = [];

        public uint[] Masked { get; set; } = [1, 2, 3];

        public uint[] Opened { get; set; } = [1, 2, 3];
    }

    private static byte[] Secure(Action<Sum> change)
    {
        using RoundScript script = new(spec => (spec.SecureAggregation, spec.MinimumClients, spec.Rounds) = (SumProtection.Bonawitz, 3, 1));
        uint[] all = [1, 2, 3];
        script.Begin();
        script.Say(RoundStep.ModelOrder, 1, 1, new ModelOrder { Invited = { all }, Parameters = { 1, 2 }, Threshold = 3, Counted = { 0, 0, 0 } });
        Sum sum = new() { Keys = [.. all.Select(place => script.Keys(place, 1))] };
        change(sum);
        script.Say(RoundStep.SumKeyList, 1, 1, new SumKeyList { Keys = { sum.Keys } });
        foreach (uint place in all)
            script.Answer(place, RoundStep.SumShares, 1, 1, new SumShares());
        foreach (uint place in all)
            script.Say(RoundStep.SumShareBundle, 1, 1, new SumShareBundle(), place);
        foreach (uint place in sum.Masked)
            script.Answer(place, RoundStep.SumMasked, 1, 1, new SumMasked());
        script.Say(RoundStep.SumSurvivors, 1, 1, new SumSurvivors { Parties = { all } });
        foreach (uint place in sum.Opened)
            script.Answer(place, RoundStep.SumUnmasking, 1, 1, new SumUnmasking());
        script.Finish(all, rounds: 1);
        return script.Write();
    }

    private static Task<Verdict> VerifyAsync(byte[] file) => TranscriptVerifier.VerifyAsync(new MemoryStream(file), new VerifyOptions());
}
