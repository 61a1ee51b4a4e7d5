using System.Net;
using System.Text.Json;
using global::VertFed.Operations;
using global::VertFed.Operations.Health;
using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Hosting;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.Coordinator;
using VertFed.UnitTests.Protocol;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Operations;

public sealed class CoordinatorPagesTests
{
    [Fact]
    public async Task The_page_of_metrics_shows_jobs_envelopes_connections_calls_and_the_store()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(WithAdmin);
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        Envelope sent = await bank.DepositAsync(job, new byte[1000]);
        await retailer.AcknowledgeAsync(await retailer.ReceiveAsync());

        (HttpStatusCode status, string type, string text) = await GetAsync(fixture, "/metrics");
        ExpositionFormat page = ExpositionFormat.Parse(text);

        Assert.Equal((HttpStatusCode.OK, "text/plain; version=0.0.4; charset=utf-8"), (status, type));
        Assert.Equal(1, page.Value("vertfed_jobs", ("state", "Running")));
        Assert.Equal(0, page.Value("vertfed_jobs", ("state", "Offered")));
        Assert.Equal(2, page.Value("vertfed_connections", ("kind", "party")));
        string step = EnvelopeCodec.Parse(sent).Header.Step.ToString();
        Assert.Equal(1, page.Value("vertfed_envelopes_total", ("direction", "from LabelParty"), ("step", step)));
        Assert.Equal(1000, page.Value("vertfed_envelopes_payload_bytes_total", ("direction", "from LabelParty"), ("step", step)));
        Assert.Equal(1000, page.Value("vertfed_envelopes_payload_bytes_total", ("direction", "to FeatureParty"), ("step", step)));
        Assert.Equal(1, page.Value("vertfed_step_duration_seconds_count", ("direction", "from LabelParty"), ("step", step)));
        Assert.Contains(page.Samples, sample => sample.Name == "vertfed_calls_total" && sample.Labels["method"] == "vertfed.v1.JobService/Submit" && sample.Labels["status"] == "OK");
        Assert.Contains(page.Samples, sample => sample.Name == "vertfed_store_write_duration_seconds_count" && sample.Value > 0);
        Assert.Contains(page.Samples, sample => sample.Name == "dotnet_gc_collections_total");
        Assert.Contains(page.Samples, sample => sample.Name.StartsWith("dotnet_process_memory_working_set", StringComparison.Ordinal));
        Assert.Contains("kestrel_active_connections", page.Types.Keys);
        Assert.DoesNotContain(job, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Under_load_every_page_of_metrics_is_well_formed_no_counter_falls_and_no_call_is_lost()
    {
        const int Callers = 4, CallsEach = 30, Pages = 12;
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(WithAdmin);
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        Task[] load =
        [
            .. Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
            {
                for (int i = 0; i < CallsEach; i++)
                    await fixture.Jobs.GetAsync(new GetJobRequest { Job = job });
            })),
            Task.Run(async () =>
            {
                for (int i = 0; i < CallsEach; i++)
                {
                    await bank.DepositAsync(job, new byte[100]);
                    await retailer.AcknowledgeAsync(await retailer.ReceiveAsync());
                }
            }),
        ];
        Dictionary<string, double> before = new(StringComparer.Ordinal);
        for (int page = 0; page < Pages; page++)
            before = Rising(before, ExpositionFormat.Parse((await GetAsync(fixture, "/metrics")).Text));
        await Task.WhenAll(load);

        ExpositionFormat last = ExpositionFormat.Parse((await GetAsync(fixture, "/metrics")).Text);
        _ = Rising(before, last);
        Assert.Equal(Callers * CallsEach, last.Value("vertfed_calls_total", ("method", "vertfed.v1.JobService/Get"), ("status", "OK")));
        Assert.Equal(CallsEach, last.Value("vertfed_envelopes_total", ("direction", "from LabelParty"), ("step", nameof(Step.BlindedIds))));
    }

    [Fact]
    public async Task A_certificate_that_expires_makes_it_not_ready_and_its_renewal_ready_again_without_a_restart()
    {
        using var folder = new TemporaryFolder();
        using Identity identity = Identity.Create(), other = Identity.Create(), third = Identity.Create(), analyst = Identity.Create();
        TestTls.Save(identity, folder.File("coordinator.pem"));
        var config = new CoordinatorConfig
        {
            Listen = Loopback,
            IdentityPath = folder.File("coordinator.pem"),
            DataFolder = folder.File("data"),
            Parties = new Dictionary<string, AdmittedParty>(StringComparer.Ordinal) { ["bank"] = new("bank", other.Fingerprint), ["retailer"] = new("retailer", third.Fingerprint) },
            Principals = [new Principal("ann", [analyst.Fingerprint], CallerRoles.Analyst)],
            Operations = new OperationsSettings { Admin = Loopback },
            Log = new LogSettings(Microsoft.Extensions.Logging.LogLevel.Error, Json: false),
        };
        ManualTime time = ManualTime.AtPresent();
        await using CoordinatorHost host = await CoordinatorHost.StartAsync(config, CancellationToken.None, time);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(host, "/healthz/ready")).Status);

        time.Advance(TimeSpan.FromDays(20 * 366));
        (HttpStatusCode status, _, string text) = await GetAsync(host, "/healthz/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        using (JsonDocument json = JsonDocument.Parse(text))
        {
            JsonElement failing = Assert.Single(json.RootElement.GetProperty("checks").EnumerateArray(), check => !check.GetProperty("ok").GetBoolean());
            Assert.Equal("certificate", failing.GetProperty("name").GetString());
            Assert.Contains("expired", failing.GetProperty("reason").GetString(), StringComparison.Ordinal);
        }

        Assert.Equal(HttpStatusCode.OK, (await GetAsync(host, "/healthz/live")).Status);
        DateTimeOffset now = time.GetUtcNow();
        using (IdentityCertificate renewed = IdentityCertificate.Create(identity, new CertificateTerms("test"), now.AddDays(-1), now.AddDays(30)))
            renewed.Save(Credential.CertificatePath(config.IdentityPath), replace: true);
        host.Reload(config);
        time.Advance(Readiness.Kept);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(host, "/healthz/ready")).Status);
    }

    [Fact]
    public async Task A_call_that_is_turned_away_is_counted_by_its_status()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(WithAdmin);
        await Assert.ThrowsAsync<RpcException>(async () => await fixture.Jobs.GetAsync(new GetJobRequest { Job = new string('0', 32) }));

        ExpositionFormat page = ExpositionFormat.Parse((await GetAsync(fixture, "/metrics")).Text);

        Assert.Equal(1, page.Value("vertfed_calls_total", ("method", "vertfed.v1.JobService/Get"), ("status", "NotFound")));
    }

    [Fact]
    public async Task Live_and_ready_answer_and_every_other_path_and_method_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(WithAdmin);

        Assert.Equal(HttpStatusCode.OK, (await GetAsync(fixture, "/healthz/live")).Status);
        (HttpStatusCode ready, _, string text) = await GetAsync(fixture, "/healthz/ready");
        using JsonDocument json = JsonDocument.Parse(text);
        Assert.Equal(HttpStatusCode.OK, ready);
        Assert.Contains("store", json.RootElement.GetProperty("checks").EnumerateArray().Select(check => check.GetProperty("name").GetString()));
        foreach (string path in new[] { "/", "/healthz", "/metrics/", "/vertfed.v1.JobService/List", "/metrics/../healthz/live/x" })
            Assert.Equal(HttpStatusCode.NotFound, (await GetAsync(fixture, path)).Status);
        using var client = new HttpClient();
        using HttpResponseMessage posted = await client.PostAsync(new Uri($"http://{fixture.Host.AdminAddress}/metrics"), content: null);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, posted.StatusCode);
    }

    [Fact]
    public async Task The_port_of_the_calls_serves_none_of_the_pages()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(WithAdmin);
        foreach (string path in new[] { "/metrics", "/healthz/live", "/healthz/ready" })
        {
            var method = new Method<GetJobRequest, JobStatus>(
                MethodType.Unary, path.Split('/', 3)[1], path.Split('/', 3) is [_, _, { } last] ? last : "",
                Marshallers.Create(request => Google.Protobuf.MessageExtensions.ToByteArray(request), GetJobRequest.Parser.ParseFrom),
                Marshallers.Create(status => Google.Protobuf.MessageExtensions.ToByteArray(status), JobStatus.Parser.ParseFrom));
            RpcException refused = await Assert.ThrowsAsync<RpcException>(
                async () => await fixture.ChannelOf(fixture.Submitter).CreateCallInvoker().AsyncUnaryCall(method, null, new CallOptions(), new GetJobRequest()));
            Assert.Equal(StatusCode.Unimplemented, refused.StatusCode);
        }
    }

    [Fact]
    public async Task A_coordinator_that_is_told_to_stop_takes_no_job_is_not_ready_and_lets_the_running_one_end()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(
            config => WithAdmin(config) with { Operations = config.Operations with { Admin = Loopback, ShutdownSeconds = 600 } });
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        Task stopped = fixture.Host.StopRequested;

        fixture.Host.RequestStop();

        RpcException refused = await Assert.ThrowsAsync<RpcException>(async () => await fixture.SubmitAsync(fixture.NewJob()));
        Assert.Equal(StatusCode.Unavailable, refused.StatusCode);
        (HttpStatusCode ready, _, string text) = await GetAsync(fixture, "/healthz/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready);
        Assert.Contains("stopping", text, StringComparison.Ordinal);
        Assert.False(stopped.IsCompleted);
        await bank.OutcomeAsync(job, JobState.Done);
        await retailer.OutcomeAsync(job, JobState.Done);
        await stopped.WaitAsync(TimeSpan.FromSeconds(60));

        // Its end came before that of the coordinator, which may have closed the parties' streams before it told them.
        await fixture.RestartAsync();
        Assert.Equal(JobState.Done, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);
    }

    [Fact]
    public async Task A_coordinator_that_is_told_twice_stops_though_a_job_runs_and_the_job_goes_on_afterwards()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(
            config => config with { Operations = config.Operations with { ShutdownSeconds = 600 } });
        (string job, _, _) = await fixture.RunningJobAsync();
        Task stopped = fixture.Host.StopRequested;

        fixture.Host.RequestStop();
        fixture.Host.RequestStop();

        await stopped.WaitAsync(TimeSpan.FromSeconds(60));
        await fixture.RestartAsync();
        Assert.Equal(JobState.Running, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);
    }

    [Fact]
    public async Task An_admin_address_that_is_taken_ends_the_start()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(WithAdmin);

        VertFedException error = await Assert.ThrowsAsync<VertFedException>(() => CoordinatorFixture.StartAsync(
            config => config with { Operations = config.Operations with { Admin = fixture.Host.AdminAddress } }));

        Assert.Equal(ErrorCode.Usage, error.Code);
        Assert.Contains("admin", error.Message, StringComparison.Ordinal);
    }

    private static IPEndPoint Loopback => new(IPAddress.Loopback, 0);

    private static CoordinatorConfig WithAdmin(CoordinatorConfig config) => config with { Operations = config.Operations with { Admin = Loopback } };

    /// <summary>What counts in a page, after it was held against the page before.</summary>
    private static Dictionary<string, double> Rising(Dictionary<string, double> before, ExpositionFormat page)
    {
        Dictionary<string, double> now = page.Samples
            .Where(sample => page.Types.GetValueOrDefault(sample.Name) == "counter"
                || (sample.Name.EndsWith("_count", StringComparison.Ordinal) && page.Types.GetValueOrDefault(sample.Name[..^"_count".Length]) == "histogram"))
            .ToDictionary(sample => $"{sample.Name}|{string.Join('|', sample.Labels)}", sample => sample.Value, StringComparer.Ordinal);
        foreach ((string series, double value) in before)
            Assert.True(now.GetValueOrDefault(series, -1) >= value, $"{series} fell from {value} to {now.GetValueOrDefault(series, -1)}");
        return now;
    }

    private static Task<(HttpStatusCode Status, string Type, string Text)> GetAsync(CoordinatorFixture fixture, string path) => GetAsync(fixture.Host, path);

    private static async Task<(HttpStatusCode Status, string Type, string Text)> GetAsync(CoordinatorHost host, string path)
    {
        using var client = new HttpClient();
        using HttpResponseMessage response = await client.GetAsync(new Uri($"http://{host.AdminAddress}{path}"));
        return (response.StatusCode, response.Content.Headers.ContentType?.ToString() ?? "", await response.Content.ReadAsStringAsync());
    }
}
