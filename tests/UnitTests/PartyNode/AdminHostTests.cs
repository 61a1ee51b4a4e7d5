using Grpc.Core;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Control;
using VertFed.PartyNode.Hosting;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>The operator's side of a node: who reaches it, and how it fails.</summary>
public sealed class AdminHostTests : IDisposable
{
    private static readonly string Id = new('1', 32);
    private readonly TemporaryPlace _place = new();
    private readonly SharedText _log = new();

    public void Dispose()
    {
        _place.Dispose();
        _log.Dispose();
    }

    [SkippableFact]
    public async Task Only_the_nodes_own_user_may_open_the_socket_and_it_goes_with_the_node()
    {
        Skip.If(OperatingSystem.IsWindows(), "file modes are Unix ones");
        string socket = ControlSocket.PathOf(Config());
        await using (await StartAsync(new FakeJobs()))
        {
            if (!OperatingSystem.IsWindows())
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(socket));
            using ControlClient client = new(Config());
            NodeJobs jobs = await client.CallAsync((control, options) => control.ListJobsAsync(new NodeListRequest { Limit = 7, Held = true }, options), default);
            Assert.Equal("7 True", Assert.Single(jobs.Jobs).Title);
        }

        Assert.False(File.Exists(socket));
    }

    [Fact]
    public async Task A_socket_that_a_killed_node_left_is_replaced()
    {
        Directory.CreateDirectory(Config().DataDirectory);
        string socket = ControlSocket.PathOf(Config());

        // Any file in its place keeps a socket from being bound, as the socket of a process that was killed does.
        await File.WriteAllTextAsync(socket, "");
        await using AdminHost host = await StartAsync(new FakeJobs());
        using ControlClient client = new(Config());
        Assert.Single((await client.CallAsync((control, options) => control.ListJobsAsync(new NodeListRequest(), options), default)).Jobs);
    }

    [Fact]
    public async Task A_node_that_does_not_run_is_named_and_so_is_a_path_that_is_too_long()
    {
        using ControlClient client = new(Config());
        VertFedException error = await Assert.ThrowsAsync<VertFedException>(
            () => client.CallAsync((control, options) => control.ListJobsAsync(new NodeListRequest(), options), default));
        Assert.Equal(ErrorCode.PeerUnavailable, error.Code);
        Assert.StartsWith("the node of 'bank' is not running: nobody answers at data_dir/control.sock", error.Message, StringComparison.Ordinal);

        PartyConfig far = PartyConfig.Parse("party.yaml", PartyConfigTests.Text, "/" + new string('d', 100));
        error = Assert.Throws<VertFedException>(() => new ControlClient(far));
        Assert.Equal(ErrorCode.Usage, error.Code);
        Assert.Contains("has 120 bytes where 100 are possible", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../../etc/passwd", "", StatusCode.InvalidArgument, "a job id is 32 lower-case hexadecimal digits")]
    [InlineData("", "", StatusCode.InvalidArgument, "a job id is 32 lower-case hexadecimal digits")]
    [InlineData("22222222222222222222222222222222", "", StatusCode.NotFound, "this node has no job of this id")]
    [InlineData("11111111111111111111111111111111", "two\nlines", StatusCode.InvalidArgument, "a reason is one line of up to 200 characters")]
    [InlineData("11111111111111111111111111111111", "no", StatusCode.FailedPrecondition, "the job was approved before")]
    public async Task What_cannot_be_is_refused_in_words(string job, string reason, StatusCode status, string message)
    {
        await using AdminHost host = await StartAsync(new FakeJobs());
        using ControlClient client = new(Config());
        VertFedException error = await Assert.ThrowsAsync<VertFedException>(
            () => client.CallAsync((control, options) => control.RefuseAsync(new NodeDecision { Job = job, Reason = reason }, options), default));
        Assert.Equal(message, error.Message);
        Assert.Equal(ErrorCode.Usage, error.Code);
        Assert.Equal(status, Assert.IsType<RpcException>(error.InnerException).StatusCode);
    }

    [Fact]
    public async Task A_fault_of_the_node_gives_no_detail_away()
    {
        await using AdminHost host = await StartAsync(new FakeJobs());
        using ControlClient client = new(Config());
        VertFedException error = await Assert.ThrowsAsync<VertFedException>(
            () => client.CallAsync((control, options) => control.ApproveAsync(new NodeDecision { Job = Id }, options), default));
        Assert.Equal((ErrorCode.Internal, "internal error; see the node's log"), (error.Code, error.Message));
        Assert.Contains("unexpected failure System.FormatException", _log.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("4711", _log.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_jobs_have_cost_the_privacy_of_rows_is_read_over_the_socket()
    {
        await using AdminHost host = await StartAsync(new FakeJobs());
        string config = _place.At("party.yaml");
        await File.WriteAllTextAsync(config, PartyConfigTests.Text);
        using StringWriter output = new(), errors = new();

        Assert.Equal((0, ""), (await ControlCommand.RunAsync(["privacy", "--config", config], output, errors, CancellationToken.None), errors.ToString()));
        Assert.Equal((0, ""), (await ControlCommand.RunAsync(["privacy", "--config", config, "--json"], output, errors, CancellationToken.None), errors.ToString()));

        Assert.StartsWith("spring: epsilon 1.5 of 8 at delta 1e-05 for a row, in 3 rounds of 1 job" + Environment.NewLine, output.ToString(), StringComparison.Ordinal);
        Assert.Contains("\"spent\": 1.5", output.ToString(), StringComparison.Ordinal);
    }

    private PartyConfig Config() => PartyConfig.Parse("party.yaml", PartyConfigTests.Text, _place.Folder);

    private Task<AdminHost> StartAsync(IJobControl jobs)
    {
        Directory.CreateDirectory(Config().DataDirectory);
        AdminOptions options = new()
        {
            Socket = ControlSocket.PathOf(Config()),
            Jobs = jobs,
            Log = new NodeLog(_log, TimeProvider.System),
        };
        return AdminHost.StartAsync(options, CancellationToken.None);
    }

    private sealed class FakeJobs : IJobControl
    {
        public Task<IReadOnlyList<NodeJob>> ListJobsAsync(int limit, bool held, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<NodeJob>>([new NodeJob { Title = $"{limit} {held}" }]);

        public Task<NodeJob?> ShowJobAsync(string job, CancellationToken cancellationToken) => Task.FromResult<NodeJob?>(null);

        public Task<NodeJob?> DecideAsync(string job, bool approved, string reason, CancellationToken cancellationToken) =>
            job != Id ? Task.FromResult<NodeJob?>(null)
            : approved ? throw new FormatException("customer 4711 is not a number")
            : throw new VertFedException(ErrorCode.Usage, "the job was approved before");

        public Task<NodePrivacy> ShowPrivacyAsync(CancellationToken cancellationToken) => Task.FromResult(new NodePrivacy
        {
            Datasets = { new NodeDatasetPrivacy { Dataset = "spring", Jobs = 1, Rounds = 3, Delta = 1e-5, Spent = 1.5, Promised = 1.5, Budget = 8 } },
        });
    }
}
