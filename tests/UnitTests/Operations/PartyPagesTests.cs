using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using VertFed.PartyNode.Hosting;
using VertFed.Protocol.V1;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Operations;

public sealed partial class PartyPagesTests
{
    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_party_shows_what_its_job_sent_and_received_and_is_ready_while_it_is_registered()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        fixture.StartNode(Role.FeatureParty);
        await using var bank = new PartyInProcess(fixture.WriteConfiguration(Role.LabelParty));
        Uri pages = await bank.AddressAsync();
        await bank.LoggedAsync("registered; coordinator");
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(pages, "healthz/ready")).Status);
        string job = await fixture.SubmitAsync();
        JobStatus status = await fixture.CoSignedEndOfAsync(job);
        Assert.Equal(JobState.Done, status.State);

        // The party counts the end after it has told the coordinator.
        await bank.LoggedAsync($"job {job}: done");

        string text = (await GetAsync(pages, "metrics")).Text;
        ExpositionFormat page = ExpositionFormat.Parse(text);
        Assert.Equal(1, page.Value("vertfed_jobs_ended_total", ("state", "Done")));
        Assert.Equal(1, page.Value("vertfed_offers_total", ("answer", "accepted")));
        Assert.Equal(1, page.Value("vertfed_relay_connected"));
        double sent = Sum(page, "vertfed_envelopes_total", "sent"), received = Sum(page, "vertfed_envelopes_total", "received");
        Assert.Equal(status.Envelopes, sent + received);
        Assert.Equal(status.Bytes, Sum(page, "vertfed_envelopes_payload_bytes_total", "sent") + Sum(page, "vertfed_envelopes_payload_bytes_total", "received"));
        Assert.True(page.Value("vertfed_rounds_total", ("phase", "Train")) >= 1);
        Assert.Equal(1, page.Value("vertfed_phase_duration_seconds_count", ("phase", "Train")));
        Assert.Contains(page.Samples, sample => sample.Name == "vertfed_checkpoints_total" && sample.Labels["answer"] == "cosigned");
        Assert.Contains(page.Samples, sample => sample.Name == "vertfed_store_write_duration_seconds_count");
        Assert.DoesNotContain("PLANTED", text, StringComparison.Ordinal);
        Assert.DoesNotContain(job, text, StringComparison.Ordinal);

        await fixture.StopCoordinatorAsync();
        await bank.LoggedAsync("connection lost");

        (HttpStatusCode ready, string reason) = await GetAsync(pages, "healthz/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready);
        Assert.Contains("not registered", reason, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(pages, "healthz/live")).Status);
        Assert.Equal(0, ExpositionFormat.Parse((await GetAsync(pages, "metrics")).Text).Value("vertfed_relay_connected"));

        await fixture.StartCoordinatorAsync();
        await bank.LoggedAsync("registered; coordinator", times: 2);
        Assert.Equal(1, ExpositionFormat.Parse((await GetAsync(pages, "metrics")).Text).Value("vertfed_relay_connected"));
    }

    private static double Sum(ExpositionFormat page, string name, string direction) =>
        page.Samples.Where(sample => sample.Name == name && sample.Labels["direction"] == direction).Sum(sample => sample.Value);

    private static async Task<(HttpStatusCode Status, string Text)> GetAsync(Uri pages, string path)
    {
        using var client = new HttpClient();
        using HttpResponseMessage response = await client.GetAsync(new Uri(pages, path));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    [GeneratedRegex("metrics and health at ([0-9.:]+)", RegexOptions.None, 1000)]
    private static partial Regex PagesLine();

    /// <summary>The party's program with an admin address, run in this process; it ends when its input does.</summary>
    private sealed class PartyInProcess : IAsyncDisposable
    {
        private readonly System.IO.Pipelines.Pipe _input = new();
        private readonly SharedText _errors = new();
        private readonly Task<int> _running;

        public PartyInProcess(string config)
        {
            File.AppendAllText(config, "\nadmin: 127.0.0.1:0\n", Encoding.UTF8);
            _running = Task.Run(() => PartyCommand.RunAsync(
                ["--config", config, "--parent-pipe"], _input.Reader.AsStream(), TextWriter.Null, _errors));
        }

        public async Task<Uri> AddressAsync() => new($"http://{PagesLine().Match(await LoggedAsync("metrics and health at")).Groups[1].Value}/");

        public async Task<string> LoggedAsync(string text, int times = 1)
        {
            using CancellationTokenSource patience = new(NodeFixture.Patience);
            while (_errors.ToString().Split(text).Length - 1 < times)
            {
                if (_running.IsCompleted)
                    throw new InvalidOperationException($"the party ended with {await _running}: {_errors}");
                await Task.Delay(20, patience.Token);
            }

            return _errors.ToString();
        }

        public async ValueTask DisposeAsync()
        {
            await _input.Writer.CompleteAsync();
            await _running;
            await _errors.DisposeAsync();
        }
    }
}
