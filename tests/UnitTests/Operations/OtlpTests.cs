using global::VertFed.Operations;
using global::VertFed.Operations.Telemetry;
using VertFed.Protocol.V1;
using VertFed.UnitTests.Coordinator;
using Xunit;

namespace VertFed.UnitTests.Operations;

public sealed class OtlpTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_collector_gets_the_spans_of_a_job_and_the_coordinators_metrics_over_http_and_over_grpc(bool isGrpc)
    {
        await using OtlpCollector collector = await OtlpCollector.StartAsync(isGrpc);
        string job;
        await using (CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(
            config => config with { Operations = new OperationsSettings { Telemetry = new TelemetrySettings(collector.Address, isGrpc) } }))
        {
            (job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
            await bank.DepositAsync(job, new byte[100]);
            await retailer.ReceiveAsync();
            await bank.OutcomeAsync(job, JobState.Done);
            await retailer.OutcomeAsync(job, JobState.Done);
            await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End);
        }

        // What was waiting to be sent is sent before the host has stopped.
        Assert.Equal(2, collector.Paths.Count());
        Assert.Contains("job", collector.Spans);
        Assert.Contains(nameof(Step.BlindedIds), collector.Spans);
        Assert.Contains(job, collector.SpanAttributes);
        Assert.Contains("vertfed.envelopes", collector.Metrics);
        Assert.Contains("vertfed.store.write.duration", collector.Metrics);
    }

    [Fact]
    public async Task A_collector_that_is_not_there_disturbs_nothing()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with
        {
            Operations = new OperationsSettings { Telemetry = new TelemetrySettings(new Uri("http://127.0.0.1:1"), IsGrpc: false) },
        });
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        await bank.OutcomeAsync(job, JobState.Done);
        await retailer.OutcomeAsync(job, JobState.Done);

        Assert.Equal(JobState.Done, (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End.State);
    }

    [Theory]
    [InlineData("ftp://127.0.0.1:4318")]
    [InlineData("http://user:password@127.0.0.1:4318")]
    [InlineData("http://127.0.0.1:4318/?token=1")]
    [InlineData("127.0.0.1:4318")]
    public void An_address_of_a_collector_is_a_plain_url(string text) => Assert.Null(TelemetrySettings.ParseEndpoint(text));

    [Theory]
    [InlineData("127.0.0.1:9464", "127.0.0.1:9464")]
    [InlineData("localhost:0", "127.0.0.1:0")]
    [InlineData("[::1]:9464", "[::1]:9464")]
    [InlineData("127.0.0.1", null)]
    [InlineData("::1", null)]
    [InlineData("*:80", null)]
    public void An_admin_address_names_its_port(string text, string? expected) => Assert.Equal(expected, TelemetrySettings.ParseAddress(text)?.ToString());
}
