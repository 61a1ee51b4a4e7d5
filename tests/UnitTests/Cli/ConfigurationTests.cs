using VertFed.Cli.Demo;
using VertFed.Cli.Demo.Horizontal;
using VertFed.Cli.Jobs;
using VertFed.Cli.Sample;
using VertFed.Coordinator.Configuration;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Cli;

/// <summary>What the demo writes and what samples/ holds is read by the programs' own loaders.</summary>
public sealed class ConfigurationTests
{
    [Fact]
    public void The_samples_load_and_agree_with_each_other()
    {
        CoordinatorConfig coordinator = ConfigReader.Read(Sample("coordinator.yaml"));
        PartyConfig bank = PartyConfig.Load(Sample("bank.yaml"));
        PartyConfig retailer = PartyConfig.Load(Sample("retailer.yaml"));
        JobSpecification job = JobSpecificationYaml.Load(Sample("job.yaml"));
        RequireAgreement(coordinator, bank, retailer, job);
        Assert.Equal(coordinator.Listen.Port, bank.Coordinator.Port);
        Assert.False(job.AcceptDisclosureRisk || bank.Policy.AllowDisclosureRisk || retailer.Policy.AllowDisclosureRisk);
        Assert.False(bank.Policy.ShareCoefficientsWithSubmitter || bank.Policy.ReportIntersectionSha256);
    }

    [Fact]
    public void The_horizontal_sample_loads_and_its_policy_takes_its_job()
    {
        PartyConfig north = PartyConfig.Load(Checkout.PathOf("samples/horizontal/north.yaml"));
        JobSpecification job = JobSpecificationYaml.Load(Checkout.PathOf("samples/horizontal/job.yaml"));

        Assert.Equal(job.Parties.Skip(1).Select(party => party.Name), north.Peers.Select(peer => peer.Name));
        Assert.Equal(3, global::VertFed.Horizontal.Service.JobPlan.Of(job).Parties);
        Assert.True(job.Horizontal!.IsSecure && job.Horizontal.Rounds <= north.Policy.Rounds.MaxRounds && job.Parties.Count >= north.Policy.Rounds.MinimumParties);
        Assert.True(north.Policy.Kinds!.Contains("horizontal"));
        Assert.Contains("city", north.Datasets["default"].Declared(job.Horizontal.ReportBy!).Levels!);
    }

    [Fact]
    public void The_horizontal_demos_nodes_take_as_many_rounds_as_it_was_asked_for()
    {
        using TemporaryPath folder = new();
        DemoFolder demo = new(folder.File("out"));
        demo.Create();
        HorizontalConfiguration configuration = new(demo, new HorizontalDemoOptions(null, demo.Root, "iid", "fedavg", 1000, Secure: false, 1, 500));
        configuration.WriteParties("https://127.0.0.1:4321");

        Assert.All(HorizontalDemoOptions.Nodes, node => Assert.Equal(1000, PartyConfig.Load(demo.Config(node)).Policy.Rounds.MaxRounds));
    }

    [Theory]
    [InlineData("strategy: fedavgg", "horizontal.strategy: There is no strategy 'fedavgg'")]
    [InlineData("strategy: median", "'median' compares the parties' updates one by one")]
    public void Words_of_a_horizontal_spec_that_mean_nothing_are_refused_before_it_is_signed(string instead, string why)
    {
        using TemporaryPath folder = new();
        string path = folder.File("job.yaml");
        string good = File.ReadAllText(Checkout.PathOf("samples/horizontal/job.yaml"));
        string strategy = good.Split('\n').Single(line => line.TrimStart().StartsWith("strategy:", StringComparison.Ordinal)).Trim();
        File.WriteAllText(path, good.Replace(strategy, instead, StringComparison.Ordinal));
        using Identity analyst = Identity.Create();

        VertFedException error = Assert.Throws<VertFedException>(() => JobFiles.LoadAndSign(path, analyst, clientToken: null, out _));

        Assert.Equal(ErrorCode.Usage, error.Code);
        Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_demo_writes_loads_and_agrees()
    {
        using TemporaryPath folder = new();
        DemoFolder demo = new(folder.File("out with 'quotes' and spaces"));
        demo.Create();
        DemoOptions options = new(null, demo.Root, "linear", 0.5, 0.25, 3, 100, AcceptDisclosureRisk: true, DeadlineSeconds: 77);
        DemoConfiguration configuration = new(demo, options);
        configuration.WriteCoordinator(port: 0);
        configuration.WriteParties("https://127.0.0.1:4321", "data/bank.csv", "/some 'where'/retailer.csv");
        configuration.WriteJob();

        PartyConfig bank = PartyConfig.Load(demo.BankConfig);
        PartyConfig retailer = PartyConfig.Load(demo.RetailerConfig);
        JobSpecification job = JobSpecificationYaml.Load(demo.JobSpec);
        RequireAgreement(ConfigReader.Read(demo.CoordinatorConfig), bank, retailer, job);
        Assert.Equal("/some 'where'/retailer.csv", ((CsvSource)retailer.Datasets["default"].Source).Path);
        Assert.Equal(Path.Combine(demo.SampleData, SampleFiles.BankFile), ((CsvSource)bank.Datasets["default"].Source).Path);
        Assert.Equal(demo.BankData, bank.DataDirectory);
        Assert.Equal(Family.Linear, job.Family);
        Assert.Equal(0.5, job.L2);
        Assert.Equal(0.25, job.Holdout);
        Assert.Equal(77, job.Deadline.TotalSeconds);
        Assert.True(job.AcceptDisclosureRisk && bank.Policy.AllowDisclosureRisk && retailer.Policy.AllowDisclosureRisk);
        Assert.True(bank.Policy.ReportIntersectionSha256 && bank.Policy.ShareCoefficientsWithSubmitter);
        using Identity identity = Identity.Load(bank.IdentityPath);
        Assert.Equal(identity.Fingerprint, job.LabelParty.Fingerprint);
    }

    [Fact]
    public void A_sample_is_two_files_that_are_never_overwritten()
    {
        using TemporaryPath folder = new();
        SampleSummary summary = SampleFiles.Write(SampleFiles.Demo(200, 5), folder.File("data"), CancellationToken.None);
        Assert.Equal(201, File.ReadLines(summary.Bank).Count());
        Assert.Equal(201, File.ReadLines(summary.Retailer).Count());
        Assert.StartsWith("id,y,", File.ReadLines(summary.Bank).First(), StringComparison.Ordinal);
        byte[] before = File.ReadAllBytes(summary.Bank);
        Assert.Throws<VertFedException>(() => SampleFiles.Write(SampleFiles.Demo(200, 6), folder.File("data"), CancellationToken.None));
        Assert.Equal(before, File.ReadAllBytes(summary.Bank));
    }

    [Fact]
    public void A_sample_that_is_cancelled_leaves_no_file()
    {
        using TemporaryPath folder = new();
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => SampleFiles.Write(SampleFiles.Demo(100_000, 5), folder.File("data"), cancelled.Token));
        Assert.Empty(Directory.EnumerateFiles(folder.File("data")));
    }

    private static void RequireAgreement(CoordinatorConfig coordinator, PartyConfig bank, PartyConfig retailer, JobSpecification job)
    {
        Assert.Equal(Role.LabelParty, bank.Role);
        Assert.Equal(Role.FeatureParty, retailer.Role);
        Assert.Equal(job.LabelParty.Name, bank.Name);
        Assert.Equal(job.FeatureParty.Name, retailer.Name);
        PinnedPeer known = Assert.Single(bank.Peers);
        Assert.True(known.Name == retailer.Name && known.Holds(job.FeatureParty.Fingerprint));
        known = Assert.Single(retailer.Peers);
        Assert.True(known.Name == bank.Name && known.Holds(job.LabelParty.Fingerprint));
        Assert.Equal([job.LabelParty.Fingerprint], coordinator.Parties[bank.Name].Fingerprints);
        Assert.Equal([job.FeatureParty.Fingerprint], coordinator.Parties[retailer.Name].Fingerprints);
        IEnumerable<string> analysts = coordinator.Principals.Where(principal => principal.Is(CallerRoles.Analyst)).SelectMany(principal => principal.Fingerprints);
        Assert.Equal(analysts.Order(), bank.Submitters.Order());
        Assert.Equal(bank.Submitters, retailer.Submitters);
    }

    private static string Sample(string name) => Checkout.PathOf(Path.Combine("samples", "three-machines", name));
}
