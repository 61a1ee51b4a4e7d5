using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.UnitTests.Horizontal;
using VertFed.UnitTests.Rounds.Lab;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>Parties that are lost in a round, late or gone: what counts is exact, and too few end the job with their names.</summary>
public sealed class RoundDropoutTests
{
    [Theory]
    [InlineData(RoundStep.SumKeys, 4)]
    [InlineData(RoundStep.SumShares, 4)]
    [InlineData(RoundStep.SumMasked, 4)]
    [InlineData(RoundStep.SumUnmasking, 6)]
    public async Task With_a_third_lost_at_any_step_the_secure_sum_is_that_of_all_whose_numbers_arrived(RoundStep lostAt, int counted)
    {
        using RoundCase roundCase = SecureCase();
        await using RoundLab lab = new(roundCase);
        foreach (LabParty party in lab.Parties[4..])
        {
            party.LostAt = header => header.Step == lostAt;
        }

        RoundJobRecord end = await lab.RunAsync();

        Assert.True(end.State == JobState.Done, end.Error?.ToString());
        Assert.Equal(roundCase.Names[..counted], Assert.Single(await lab.SummariesAsync()).Counted);
        Given.AssertClose(RoundLab.Reference(roundCase, null, [.. Enumerable.Range(0, counted)]), [.. end.Checkpoint!.Parameters], 1e-6);
    }

    [Theory]
    [InlineData(RoundStep.SumKeys)]
    [InlineData(RoundStep.SumShares)]
    [InlineData(RoundStep.SumMasked)]
    [InlineData(RoundStep.SumUnmasking)]
    public async Task With_more_lost_than_that_the_job_ends_with_their_names_and_no_model(RoundStep lostAt)
    {
        using RoundCase roundCase = SecureCase();
        await using RoundLab lab = new(roundCase);
        foreach (LabParty party in lab.Parties[3..])
        {
            party.LostAt = header => header.Step == lostAt;
        }

        RoundJobRecord end = await lab.RunAsync();

        Assert.Equal((JobState.Failed, nameof(ErrorCode.PeerUnavailable)), (end.State, end.Error!.Code));
        Assert.Contains($"{lostAt} of round 1 needs 4 parties; 3 answered. Nothing came within 60 s from p4, p5, p6.", end.Error.Message, StringComparison.Ordinal);
        Assert.Empty(await lab.SummariesAsync());
        Assert.All(lab.Parties, party => Assert.Null(party.Result));
    }

    [Fact]
    public async Task A_round_closes_when_enough_have_answered_and_a_late_answer_is_named_and_does_not_count()
    {
        using RoundCase roundCase = new(4, spec =>
        {
            spec.ClientsPerRound = 3;
            spec.OverSelection = 1.34;
            spec.Scaling = ScalingChoice.None;
        });
        await using RoundLab lab = new(roundCase);
        RoundEnvelope? late = null;
        lab.Parties[2].Speak = (said, voice) => said.Header is { Step: RoundStep.ModelUpdate, Round: 2 } ? [] : [voice.Repeat(said)];
        lab.Parties[3].Speak = (said, voice) =>
        {
            if (said.Header is { Step: RoundStep.ModelUpdate, Round: 1 })
            {
                late = said;
                return [];
            }

            return said.Header.Round == 2 ? [voice.Repeat(late!), voice.Repeat(said)] : [voice.Repeat(said)];
        };

        RoundJobRecord end = await lab.RunAsync();

        Assert.True(end.State == JobState.Done, end.Error?.ToString());
        RoundSummary[] rounds = [.. await lab.SummariesAsync()];
        Assert.Equal(["p1,p2,p3", "p1,p2,p4"], rounds.Select(round => string.Join(",", round.Counted)));
        Assert.All(rounds, round => Assert.Equal(4, round.Invited.Count));
        RoundNote note = Assert.Single(rounds[1].Refusals);
        Assert.Equal(("p4", "ModelUpdate of round 1 came late: ModelUpdate of round 2 is asked now"), (note.Party, note.Reason));
        Given.AssertClose(RoundLab.Reference(roundCase, null, [0, 1, 2], [0, 1, 3]), [.. end.Checkpoint!.Parameters]);
    }

    [Fact]
    public async Task A_deadline_with_too_few_answers_ends_the_job_and_names_who_is_missing()
    {
        using RoundCase roundCase = new(3);
        await using RoundLab lab = new(roundCase);
        lab.Parties[1].LostAt = header => header is { Step: RoundStep.ModelUpdate, Round: 2 };

        RoundJobRecord end = await lab.RunAsync();

        Assert.Equal((JobState.Failed, "p2"), (end.State, end.Error!.Party));
        Assert.Contains("ModelUpdate of round 2 needs 3 parties; 2 answered. Nothing came within 60 s from p2.", end.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_that_is_cancelled_in_a_round_ends_at_once()
    {
        using RoundCase roundCase = new(3);
        await using RoundLab lab = new(roundCase);
        lab.Began = job => lab.Parties[0].Heard = header =>
        {
            if (header.Round == 1)
            {
                job.Cancel(new JobError { Code = nameof(ErrorCode.Cancelled), Message = "enough" });
            }
        };

        RoundJobRecord end = await lab.RunAsync();

        Assert.Equal((JobState.Cancelled, "enough"), (end.State, end.Error!.Message));
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_hundred_parties_train_one_model()
    {
        using RoundCase roundCase = new(100, rows: 10);
        await using RoundLab lab = new(roundCase);

        RoundJobRecord end = await lab.RunAsync();

        Assert.True(end.State == JobState.Done, end.Error?.ToString());
        Assert.All(await lab.SummariesAsync(), round => Assert.Equal(100, round.Counted.Count));
        Assert.All(lab.Parties, party => Assert.Equal(end.Checkpoint!.Parameters, party.Parameters));
    }

    private static RoundCase SecureCase() => new(6, spec =>
    {
        spec.SecureAggregation = SumProtection.Bonawitz;
        spec.MinimumClients = 4;
        spec.Rounds = 1;
        spec.Scaling = ScalingChoice.None;
    });
}
