using Grpc.Core;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Api;

/// <summary>Models as the coordinator knows them: by job, state and root.</summary>
public sealed class ModelListTests
{
    [Fact]
    public async Task A_finished_jobs_model_is_listed_with_what_its_parties_say_of_it()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        Assert.Empty((await fixture.Jobs.ListModelsAsync(new ListModelsRequest())).Models);
        await bank.OutcomeAsync(job, JobState.Done);
        await retailer.OutcomeAsync(job, JobState.Done);
        await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End);
        Model model = Assert.Single((await fixture.Jobs.ListModelsAsync(new ListModelsRequest { Party = "retailer" })).Models);
        Assert.Equal((job, "uplift", Family.Logistic, "bank", "retailer"), (model.Job, model.Title, model.Family, model.LabelParty, model.FeatureParty));
        Assert.Equal((ModelState.Active, ModelState.Active), (model.LabelPartyState, model.FeaturePartyState));

        await retailer.SendAsync(Notice(job, ModelState.Deleted));
        await retailer.SendAsync(Notice(job, ModelState.Active));
        await bank.SendAsync(Notice(job, ModelState.Archived));
        while (model is not { LabelPartyState: ModelState.Archived, FeaturePartyState: ModelState.Deleted })
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20));
            model = Assert.Single((await fixture.Jobs.ListModelsAsync(new ListModelsRequest(), deadline: DateTime.UtcNow.AddMinutes(1))).Models);
        }

        Assert.Empty((await fixture.Jobs.ListModelsAsync(new ListModelsRequest { Party = "insurer" })).Models);
    }

    [Fact]
    public async Task A_word_about_a_model_of_others_or_of_no_known_state_ends_the_stream()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        FakeParty insurer = await fixture.ConnectAsync("insurer");
        await insurer.SendAsync(Notice(job, ModelState.Deleted));
        Assert.Contains("has no part in", (await insurer.ExpectStatusAsync()).Status.Detail, StringComparison.Ordinal);
        await bank.SendAsync(Notice(job, ModelState.Unspecified));
        Assert.Equal(StatusCode.InvalidArgument, (await bank.ExpectStatusAsync()).StatusCode);
    }

    [Fact]
    public async Task A_word_about_a_model_that_is_not_there_yet_is_no_fault()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        await bank.SendAsync(Notice(job, ModelState.Active));
        await bank.DepositAsync(job, [1]);
        Assert.Empty((await fixture.Jobs.ListModelsAsync(new ListModelsRequest())).Models);
    }

    private static PartyFrame Notice(string job, ModelState state) => new() { Model = new ModelNotice { Job = job, State = state } };
}
