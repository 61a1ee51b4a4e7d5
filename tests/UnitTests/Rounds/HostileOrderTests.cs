using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.UnitTests.Rounds.Lab;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>A coordinator that says to one party what an honest one would not: the party refuses it, says why, and leaves the job.</summary>
public sealed class HostileOrderTests
{
    [Theory]
    [InlineData("signature", "does not verify with the sender's pinned key")]
    [InlineData("other party", "it is not the coordinator's to this party")]
    [InlineData("nan", "a number that is not finite")]
    [InlineData("length", "another length than the job's")]
    [InlineData("means", "the means and deviations are not those of the first order")]
    [InlineData("second order", "this round had another order before")]
    [InlineData("replay", "this round had another order before, or a later round has begun")]
    [InlineData("number again", "The coordinator sent two envelopes with the number 3: ModelOrder of round 2 is the second.")]
    [InlineData("flood", "The coordinator's ModelOrder of round 2 is one question more than the 296 that the job spec's rounds can come to.")]
    [InlineData("round", "the job spec has no such round")]
    [InlineData("final", "not those of the rounds")]
    [InlineData("final counted", "does not say of each party when its update counted last")]
    [InlineData("unasked means", "the job spec asks for no scaling")]
    [InlineData("late scaling", "the job spec asks for no such sums")]
    [InlineData("unasked scaling", "the job spec asks for no such sums")]
    public async Task An_order_is_refused(string attack, string reason)
    {
        using RoundCase roundCase = new(4, spec => (spec.MinimumClients, spec.Rounds, spec.Scaling) = (3, 3, attack is "unasked scaling" or "unasked means" ? ScalingChoice.None : ScalingChoice.Federated));
        await RequireRefusedAsync(roundCase, attack, reason);
    }

    [Theory]
    [InlineData("threshold", "fewer parties than the job spec allows")]
    [InlineData("unordered", "not places of the job in ascending order")]
    [InlineData("keys", "Keys in the name of 'p2' are signed by another identity")]
    [InlineData("old keys", "Keys in the list are of another sum")]
    [InlineData("survivors", "opened for other parties before|of the 10 envelopes that this party got|of the 11 envelopes that this party got|after number 1000 was heard")]
    [InlineData("number passed over", "The coordinator's SumSurvivors of round 1 has the number 7, after number 8 was heard.")]
    [InlineData("few survivors", "The secure sum needs")]
    [InlineData("few invited", "fewer parties than the job spec allows")]
    [InlineData("entered again", "this secure sum was entered before")]
    public async Task In_a_secure_sum_it_is_refused_too(string attack, string reason)
    {
        using RoundCase roundCase = new(5, spec => (spec.MinimumClients, spec.Rounds, spec.SecureAggregation, spec.Scaling) = (4, 3, SumProtection.Bonawitz, ScalingChoice.None));
        await RequireRefusedAsync(roundCase, attack, reason);
    }

    [Theory]
    [InlineData(SumProtection.None)]
    [InlineData(SumProtection.Bonawitz)]
    public async Task Questions_that_come_again_byte_for_byte_are_answered_as_before_and_change_nothing(SumProtection protection)
    {
        using RoundCase roundCase = new(3, spec => (spec.Rounds, spec.SecureAggregation) = (3, protection));
        double[] expected = await RoundLab.UndisturbedAsync(roundCase);
        await using RoundLab lab = new(roundCase);
        List<CoordinatorFrame> heard = [];
        List<(RoundHeader Header, ByteString Core)> said = [];
        lab.Carry = (place, frame) =>
        {
            if (place != 1 || frame.Round is null || RoundCodec.Parse(frame.Round).Header.Step == RoundStep.FinalModel)
            {
                return [frame];
            }

            // All that it heard before, then the new one twice.
            CoordinatorFrame[] carried = [.. heard, frame, frame];
            heard.Add(frame);
            return carried;
        };
        lab.Parties[0].Speak = (envelope, _) =>
        {
            lock (said)
            {
                said.Add((envelope.Header, envelope.Message.Core));
            }

            return [envelope.Message];
        };

        RoundJobRecord end = await lab.RunAsync();

        Assert.True(end.State == JobState.Done, end.Error?.ToString());
        Assert.Empty((await lab.SummariesAsync()).SelectMany(round => round.Refusals).Select(note => note.Reason));
        Assert.All(lab.Parties, party => Assert.Equal(expected, party.Parameters));
        lock (said)
        {
            Assert.All(said.GroupBy(one => one.Header.Sequence), group => Assert.Single(group.Select(one => one.Core).Distinct()));
            Assert.Equal(heard.Count, said.Select(one => one.Header.Sequence).Distinct().Count());
            Assert.True(said.Count(one => one.Header.Sequence == 0) > heard.Count);
        }
    }

    private static async Task RequireRefusedAsync(RoundCase roundCase, string attack, string reason)
    {
        await using RoundLab lab = new(roundCase);
        CoordinatorFrame? first = null;
        SignedSumKeys? old = null;
        lab.Carry = (place, frame) =>
        {
            if (place != 1 || frame.Round is null)
            {
                return [frame];
            }

            RoundEnvelope said = RoundCodec.Parse(frame.Round);
            first = said.Header is { Step: RoundStep.ModelOrder, Round: 1 } ? frame : first;
            old ??= said.Header.Step == RoundStep.SumKeyList ? RoundCodec.Payload(said, SumKeyList.Parser).Keys[1] : null;
            return Attack(attack, roundCase, frame, said, first, old);
        };

        await lab.RunAsync();

        VertFedException error = lab.Parties[0].Error ?? throw new InvalidOperationException("The party has not left.");
        Assert.True(reason.Split('|').Any(each => error.Message.Contains(each, StringComparison.Ordinal)), error.Message);
        Assert.All(lab.Parties[1..], party => Assert.DoesNotContain("ProtocolViolation", party.Error?.Code.ToString() ?? "", StringComparison.Ordinal));
    }

    private static IEnumerable<CoordinatorFrame> Attack(
        string attack, RoundCase roundCase, CoordinatorFrame frame, RoundEnvelope said, CoordinatorFrame? first, SignedSumKeys? old)
    {
        RoundHeader header = said.Header.Clone();
        CoordinatorFrame Sign(IMessage payload, Identity? by = null) => new() { Round = RoundCodec.Build(header, payload, by ?? roundCase.Coordinator, 1).Message };
        if (attack == "unasked means" && header.Step == RoundStep.ModelOrder)
        {
            // The same in every round: no number that JSON could hold.
            ModelOrder order = RoundCodec.Payload(said, ModelOrder.Parser).Clone();
            order.Means.Add(double.NaN);
            return [Sign(order)];
        }

        if (header is { Step: RoundStep.ModelOrder, Round: 2 or 3 })
        {
            ModelOrder order = RoundCodec.Payload(said, ModelOrder.Parser).Clone();
            switch ((attack, header.Round))
            {
                case ("signature", 2):
                    return [Sign(order, roundCase.Analyst)];
                case ("other party", 2):
                    header.Recipient = 2;
                    return [Sign(order)];
                case ("nan", 2):
                    order.Parameters[0] = double.NaN;
                    return [Sign(order)];
                case ("length", 2):
                    order.Parameters.Add(1);
                    return [Sign(order)];
                case ("means", 2):
                    order.Means[0]++;
                    return [Sign(order)];
                case ("second order", 2):
                    order.Parameters[0]++;
                    (header.Attempt, header.Sequence) = (2, 1000);
                    return [frame, Sign(order)];
                case ("number again", 2):
                    order.Parameters[0]++;
                    return [frame, Sign(order)];
                case ("flood", 2):
                    return [frame, .. Enumerable.Range(0, 400).Select(number =>
                    {
                        header.Sequence = 1000 + (ulong)number;
                        return Sign(order);
                    })];
                case ("replay", 3):
                    header.Round = 1;
                    return [Sign(RoundCodec.Payload(RoundCodec.Parse(first!.Round), ModelOrder.Parser))];
                case ("round", 2):
                    header.Round = 4;
                    return [Sign(order)];
                case ("threshold", 2):
                    order.Threshold = 3;
                    return [Sign(order)];
                case ("late scaling", 2):
                case ("unasked scaling", 2):
                    // Under a round, or where the spec has no scaling, exact sums of the columns are nobody's.
                    (header.Step, header.Round) = (RoundStep.ScalingOrder, attack == "late scaling" ? 1u : 0u);
                    return [Sign(new ScalingOrder { Invited = { order.Invited }, Threshold = order.Threshold })];
                case ("few invited", 2):
                    // Three, all of whom are needed.
                    order.Invited.RemoveAt(4);
                    order.Invited.RemoveAt(3);
                    order.Threshold = 3;
                    return [Sign(order)];
                case ("unordered", 2):
                    order.Invited[1] = 1;
                    return [Sign(order)];
            }
        }

        if (header.Step == RoundStep.SumKeyList && header.Round == 2 && attack is "keys" or "old keys")
        {
            SumKeyList list = RoundCodec.Payload(said, SumKeyList.Parser).Clone();
            list.Keys[1] = attack == "keys" ? Foreign(list.Keys[1], roundCase.Analyst) : old!;
            return [Sign(list)];
        }

        if (header is { Step: RoundStep.SumSurvivors, Round: 1 } && attack == "entered again")
        {
            // Once the masked numbers are there: the same round and attempt, for other parties.
            ModelOrder again = RoundCodec.Payload(RoundCodec.Parse(first!.Round), ModelOrder.Parser).Clone();
            again.Invited.RemoveAt(4);
            (header.Step, header.Sequence) = (RoundStep.ModelOrder, 1000);
            return [Sign(again)];
        }

        if (header is { Step: RoundStep.SumSurvivors, Round: 1 } && attack == "number passed over")
        {
            // The number of what was said to another party.
            header.Sequence--;
            return [frame, Sign(RoundCodec.Payload(said, SumSurvivors.Parser))];
        }

        if (header.Step == RoundStep.SumSurvivors && header.Round == 2 && attack is "survivors" or "few survivors")
        {
            SumSurvivors fewer = RoundCodec.Payload(said, SumSurvivors.Parser).Clone();
            fewer.Parties.RemoveAt(4);
            if (attack == "survivors")
            {
                // Asked again, it says what it said before; that there were two questions comes out with the next one's number, or with the record.
                header.Sequence = 1000;
                return [frame, Sign(fewer)];
            }

            fewer.Parties.RemoveAt(3);
            return [Sign(fewer)];
        }

        if (header.Step == RoundStep.FinalModel && attack is "final" or "final counted")
        {
            FinalModel model = RoundCodec.Payload(said, FinalModel.Parser).Clone();
            if (attack == "final")
            {
                model.Deviations[0]++;
            }
            else
            {
                model.Counted.RemoveAt(3);
            }

            return [Sign(model)];
        }

        return [frame];
    }

    private static SignedSumKeys Foreign(SignedSumKeys keys, Identity identity)
    {
        RoundEnvelope envelope = RoundCodec.Parse(new Envelope { Core = keys.Core, Attestation = keys.Attestation, Payload = keys.Payload });
        SumKeys own = RoundCodec.Payload(envelope, SumKeys.Parser).Clone();
        own.IdentityKey = ByteString.CopyFrom(identity.Public.SubjectPublicKeyInfo);
        Envelope signed = RoundCodec.Build(envelope.Header, own, identity, 1).Message;
        return new SignedSumKeys { Core = signed.Core, Attestation = signed.Attestation, Payload = signed.Payload };
    }
}
