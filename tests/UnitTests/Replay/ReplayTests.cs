using VertFed.PartyNode.Replay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Replay;

/// <summary>What replay confirms, and what it finds out and how exactly.</summary>
public sealed class ReplayTests
{
    [Theory]
    [InlineData(Payloads.Full)]
    [InlineData(Payloads.Hashes)]
    public async Task An_honest_job_comes_out_byte_for_byte_at_both_parties(Payloads payloads)
    {
        await using RecordedJob job = await RecordedJob.RunAsync(payloads: payloads);

        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            ReplayVerdict verdict = await job.ReplayAsync(role);

            Assert.Equal("", verdict.Difference);
            Assert.True(verdict.IsFaithful);
            Assert.Equal(verdict.Recorded, verdict.Matched);
            Assert.True(verdict.Recorded > 30);
            Assert.Equal(ModelFinding.Same, verdict.Model);
        }
    }

    [Fact]
    public async Task Another_cell_of_the_data_is_found_in_the_commitment_to_the_rows()
    {
        await using RecordedJob job = await RecordedJob.RunAsync();
        string file = job.DataFile(Role.FeatureParty);
        string[] lines = await File.ReadAllLinesAsync(file);
        lines[17] = lines[17][..^1] + (lines[17][^1] == '7' ? '8' : '7');
        await File.WriteAllLinesAsync(file, lines);

        await DivergesAsync(job, Role.FeatureParty, Step.Commitment, 0, "rows_root", entry: 3);
    }

    [Fact]
    public async Task The_same_rows_in_a_file_written_otherwise_are_the_same_rows()
    {
        await using RecordedJob job = await RecordedJob.RunAsync();
        string file = job.DataFile(Role.LabelParty);
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("\n", "\r\n", StringComparison.Ordinal));

        Assert.True((await job.ReplayAsync(Role.LabelParty)).IsFaithful);
    }

    [Fact]
    public async Task Another_policy_is_found_in_its_commitment()
    {
        await using RecordedJob job = await RecordedJob.RunAsync();
        job.Policy[Role.LabelParty] += "\n  minimum_intersection: 101";

        await DivergesAsync(job, Role.LabelParty, Step.Commitment, 0, "policy", entry: 2);
    }

    [Fact]
    public async Task A_job_over_levels_and_missing_values_replays_with_its_model()
    {
        await using RecordedJob job = await RecordedJob.RunAsync(withLevels: true);
        Assert.Equal(JobState.Done, job.State);
        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            ReplayVerdict verdict = await job.ReplayAsync(role);
            Assert.True(verdict.IsFaithful, verdict.Difference);
            Assert.Equal(ModelFinding.Same, verdict.Model);
        }

        string model = await File.ReadAllTextAsync(job.ModelFile(Role.FeatureParty));
        Assert.Contains("\"segment=(missing)\"", model, StringComparison.Ordinal);
        string data = await File.ReadAllTextAsync(job.DataFile(Role.FeatureParty));
        await File.WriteAllTextAsync(job.DataFile(Role.FeatureParty), data.Replace(",new\n", ",old\n", StringComparison.Ordinal));
        Assert.False((await job.ReplayAsync(Role.FeatureParty)).IsFaithful);
    }

    [Fact]
    public async Task Data_changed_after_the_commitment_is_found_where_it_first_shows()
    {
        await using RecordedJob job = await RecordedJob.RunAsync(Role.FeatureParty, (channel, input) =>
        {
            double[] values = ((global::VertFed.PartyNode.Data.NumericColumn)input.Table.Columns[0]).Values;
            for (int i = 0; i < 100; i++)
            {
                values[i] = -values[i];
            }

            return channel;
        });

        await DivergesAsync(job, Role.FeatureParty, Step.TrainSetup, 0, "guards[4]");
        Assert.True((await job.ReplayAsync(Role.LabelParty)).IsFaithful);
    }

    [Fact]
    public async Task A_mask_that_is_not_from_the_seed_is_found()
    {
        await using RecordedJob job = await RecordedJob.RunAsync(
            Role.LabelParty, (channel, _) => new CheatingChannel(channel) { OtherRandomness = "gradient-mask" });

        await DivergesAsync(job, Role.LabelParty, Step.GradientResponse, 1, "ciphertexts[0]");
        Assert.True((await job.ReplayAsync(Role.FeatureParty)).IsFaithful);
    }

    [Fact]
    public async Task A_key_that_is_not_from_the_seed_is_found()
    {
        await using RecordedJob job = await RecordedJob.RunAsync(
            Role.FeatureParty, (channel, _) => new CheatingChannel(channel) { OtherRandomness = "gradient-key" });

        await DivergesAsync(job, Role.FeatureParty, Step.ResidualShare, 1, "public_key");
    }

    [Fact]
    public async Task A_scaled_gradient_is_found_in_its_round()
    {
        await using RecordedJob job = await RecordedJob.RunAsync(
            Role.LabelParty,
            (channel, _) => new CheatingChannel(channel)
            {
                OnSend = (step, round, message) =>
                {
                    if (step == Step.MaskedScalars && round == 3)
                    {
                        ((MaskedScalars)message).Values[1] ^= 1UL;
                    }
                },
            });

        await DivergesAsync(job, Role.LabelParty, Step.MaskedScalars, 3, "values[1]");
    }

    [Fact]
    public async Task Ids_that_are_not_in_the_data_are_found()
    {
        await using RecordedJob job = await RecordedJob.RunAsync(Role.LabelParty, (channel, input) =>
        {
            string[] ids = (string[])input.Ids.Ids;
            ids[0] = "c-of-someone-else";
            return channel;
        });

        await DivergesAsync(job, Role.LabelParty, Step.BlindedIds, 0, "elements");
    }

    [Fact]
    public async Task A_test_score_that_is_not_the_models_is_found()
    {
        await using RecordedJob job = await RecordedJob.RunAsync(
            Role.FeatureParty,
            (channel, _) => new CheatingChannel(channel)
            {
                OnSend = (step, _, message) =>
                {
                    if (message is PartialScores scores)
                    {
                        scores.Scores[5]++;
                    }
                },
            });

        await DivergesAsync(job, Role.FeatureParty, Step.PartialScores, 0, "scores[5]");
    }

    [Fact]
    public async Task A_model_file_swapped_afterwards_is_found()
    {
        await using RecordedJob job = await RecordedJob.RunAsync();
        string file = job.ModelFile(Role.LabelParty);
        string model = await File.ReadAllTextAsync(file);
        await File.WriteAllTextAsync(file, model.Replace("\"value\": ", "\"value\": 1", StringComparison.Ordinal));

        ReplayVerdict verdict = await job.ReplayAsync(Role.LabelParty);

        Assert.Equal("", verdict.Difference);
        Assert.Equal(ModelFinding.Differs, verdict.Model);
        Assert.False(verdict.IsFaithful);
    }

    [Fact]
    public async Task A_transcript_without_its_last_envelope_is_not_faithful()
    {
        await using RecordedJob job = await RecordedJob.RunAsync();
        await job.WriteTranscriptAsync(header => header.Step != Step.JobClose || header.Sender != Role.LabelParty);

        Assert.Contains("sends JobClose", (await job.ReplayAsync(Role.LabelParty)).Difference, StringComparison.Ordinal);
        Assert.Contains("waits for an envelope", (await job.ReplayAsync(Role.FeatureParty)).Difference, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_job_replays_to_its_refusal()
    {
        await using RecordedJob job = await RecordedJob.RunAsync(change: spec => spec.AcceptDisclosureRisk = false);

        Assert.Equal(JobState.Refused, job.State);
        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            ReplayVerdict verdict = await job.ReplayAsync(role);
            Assert.True(verdict.IsFaithful, verdict.Difference);
            Assert.Contains("refuse", verdict.Ending, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_changed_inbound_payload_is_named()
    {
        await using RecordedJob job = await RecordedJob.RunAsync();
        byte[] bytes = await File.ReadAllBytesAsync(job.Transcript);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(job.Transcript, bytes);

        VertFedException error = await Assert.ThrowsAsync<VertFedException>(() => job.ReplayAsync(Role.LabelParty));

        Assert.Equal(ErrorCode.DoesNotVerify, error.Code);
        Assert.Contains("Entry ", error.Message, StringComparison.Ordinal);
    }

    private static async Task DivergesAsync(RecordedJob job, Role role, Step step, uint round, string field, long? entry = null)
    {
        ReplayVerdict verdict = await job.ReplayAsync(role);

        Assert.False(verdict.IsFaithful);
        Assert.NotNull(verdict.Divergence);
        Assert.Equal((role, step, round, field), (verdict.Divergence.Sender, verdict.Divergence.Step, verdict.Divergence.Round, verdict.Divergence.Field));
        Assert.Equal(verdict.Matched, (long)verdict.Divergence.Sequence);
        Assert.NotNull(verdict.Entry);
        if (entry is { } expected)
        {
            Assert.Equal(expected, verdict.Entry);
        }

        Assert.Contains(field, verdict.Difference, StringComparison.Ordinal);
    }
}
