using VertFed.Coordinator.Configuration;
using VertFed.PartyNode.Configuration;
using VertFed.Protocol;
using VertFed.UnitTests.Cli;
using VertFed.UnitTests.PartyNode;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Protocol;

public sealed class TrustFileTests : IDisposable
{
    private static readonly string A = new('a', 64), B = new('b', 64), C = new('c', 64), D = new('d', 64);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_pin_is_added_rotated_and_removed_and_never_replaced_in_silence()
    {
        string file = _folder.File("trust.yaml");
        Assert.Equal(0, await RunAsync("trust", file, "bank", A, "--as", "party"));
        Assert.Equal(2, await RunAsync("trust", file, "bank", B, "--as", "party"));
        Assert.Equal([A], Assert.Single(global::VertFed.Protocol.TrustFile.Read(file).Entries).Fingerprints);
        Assert.Equal(0, await RunAsync("trust", file, "bank", B, "--as", "party", "--rotate"));
        Assert.Equal([A, B], Assert.Single(global::VertFed.Protocol.TrustFile.Read(file).Entries).Fingerprints);
        Assert.Equal(2, await RunAsync("trust", file, "retailer", B, "--as", "party"));
        Assert.Equal(2, await RunAsync("distrust", file, "bank", C));
        Assert.Equal(0, await RunAsync("distrust", file, "bank", A));
        Assert.Equal([B], Assert.Single(global::VertFed.Protocol.TrustFile.Read(file).Entries).Fingerprints);
        Assert.Equal(0, await RunAsync("trust", file, "ann", C, "--as", "analyst"));
        Assert.Equal(0, await RunAsync("trust", file, "ann", C, "--as", "auditor"));
        Assert.Equal(["analyst", "auditor"], global::VertFed.Protocol.TrustFile.Read(file).Entries[1].As);
        Assert.Equal(2, await RunAsync("trust", file, "ann", C, "--as", "party"));
        Assert.Equal(0, await RunAsync("distrust", file, "bank"));
        Assert.Equal(2, await RunAsync("distrust", file, "bank"));
        Assert.Equal(["trust.yaml", "trust.yaml.lock"], Directory.GetFiles(Path.GetDirectoryName(file)!).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_file_behind_a_link_keeps_its_mode_and_place_and_is_changed_by_one_command_at_a_time()
    {
        const UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;
        string file = _folder.File("real.yaml"), link = _folder.File("trust.yaml");
        Assert.Equal(0, await RunAsync("trust", file, "bank", A, "--as", "party"));
        File.CreateSymbolicLink(link, "real.yaml");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(file, mode);
        Assert.Equal(0, await RunAsync("trust", link, "ann", C, "--as", "analyst"));
        Assert.Equal("real.yaml", new FileInfo(link).LinkTarget);
        Assert.Equal(2, global::VertFed.Protocol.TrustFile.Read(file).Entries.Count);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(mode, File.GetUnixFileMode(file));

        await using FileStream held = new(file + ".lock", FileMode.Open, FileAccess.Read, FileShare.None);
        Assert.Equal(2, await RunAsync("distrust", link, "bank"));
        Assert.Equal(2, global::VertFed.Protocol.TrustFile.Read(file).Entries.Count);
    }

    [Theory]
    [InlineData("../bank", "party", null)]
    [InlineData("bank", "king", null)]
    [InlineData("bank", "party", "https://a.example:1")]
    [InlineData("main", "coordinator", "http://a.example:1")]
    [InlineData("main", "coordinator", "https://a.example:1/path")]
    public void A_pin_that_is_malformed_is_refused(string name, string word, string? address) => Assert.Equal(
        ErrorCode.Usage,
        Assert.Throws<VertFedException>(() => global::VertFed.Protocol.TrustFile.ReadOrEmpty(_folder.File("none.yaml")).With(name, A, word, address is null ? null : new Uri(address))).Code);

    [Fact]
    public void What_is_written_is_what_is_read()
    {
        global::VertFed.Protocol.TrustFile file = Whole();
        global::VertFed.Protocol.TrustFile read = global::VertFed.Protocol.TrustFile.Parse(file.ToText(), "trust.yaml");
        Assert.Equal(file.ToText(), read.ToText());
        Assert.Equal(new Uri("https://coordinator.example:7400"), read.Coordinator!.Address);
        Assert.Contains("trust.yaml:1: unknown field 'more'", Assert.Throws<VertFedException>(() => global::VertFed.Protocol.TrustFile.Parse("more: 1", "trust.yaml")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_party_and_a_coordinator_take_their_pins_from_it()
    {
        Whole().Save();
        PartyConfig party = PartyConfig.Parse(
            "party.yaml", "name: bank\nrole: label\ntrust: trust.yaml\nidentity: bank.pem\nprevious_identities: [old.pem]\ndata_dir: state\ndata: {csv: bank.csv}\npolicy: {max_iterations: 20}\n",
            _folder.File("."));
        Assert.Equal((new Uri("https://coordinator.example:7400"), A), (party.Coordinator, Assert.Single(party.CoordinatorFingerprints)));
        Assert.Equal("retailer", Assert.Single(party.Peers).Name);
        Assert.Equal([D], party.Submitters);
        Assert.Equal(Path.GetFullPath(_folder.File("old.pem")), Assert.Single(party.PreviousIdentityPaths));

        string file = _folder.File("coordinator.yaml");
        File.WriteAllText(file, "identity: c.pem\ndata: d\ntrust: trust.yaml\n");
        CoordinatorConfig coordinator = ConfigReader.Read(file);
        Assert.Equal(["bank", "retailer"], coordinator.Parties.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(CallerRoles.Analyst, Assert.Single(coordinator.Principals).Roles);
        File.AppendAllText(file, $"principals: [{{name: eve, fingerprint: {D}, roles: [auditor]}}]\n");
        Assert.Contains("trust pins a key of 'ann' that is another's", Assert.Throws<VertFedException>(() => ConfigReader.Read(file)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Bombs))]
    public void A_bomb_in_any_file_is_a_usage_error(string reader, string bomb)
    {
        string file = _folder.File("bomb.yaml");
        File.WriteAllText(file, Text(bomb));
        Action read = reader switch
        {
            "party" => () => PartyConfig.Load(file),
            "coordinator" => () => ConfigReader.Read(file),
            "trust" => () => global::VertFed.Protocol.TrustFile.Read(file),
            "trust of a party" => () => PartyConfig.Parse("party.yaml", PartyConfigTests.Text + "\ntrust: bomb.yaml", Path.GetDirectoryName(file)!),
            _ => () => JobSpecificationYaml.Parse(File.ReadAllText(file), file),
        };
        Assert.Equal(ErrorCode.Usage, Assert.Throws<VertFedException>(read).Code);
    }

    public static TheoryData<string, string> Bombs()
    {
        TheoryData<string, string> all = [];
        foreach (string reader in new[] { "party", "coordinator", "trust", "trust of a party", "job" })
        {
            foreach (string bomb in new[] { "aliases", "depth", "maps", "length", "tags" })
                all.Add(reader, bomb);
        }

        return all;
    }

    private static string Text(string bomb) => bomb switch
    {
        "aliases" => "a: &a [x, x]\n" + string.Concat(Enumerable.Range(0, 20).Select(i => $"{(char)('b' + i)}: &{(char)('b' + i)} [*{(char)('a' + i)}, *{(char)('a' + i)}]\n")),
        "depth" => "name: " + new string('[', 60_000),
        "maps" => string.Concat(Enumerable.Range(0, 300).Select(i => new string(' ', i) + "a:\n")),
        "length" => "name: " + new string('x', 2 * 1024 * 1024),
        _ => "name: !!python/object:os.system bank\n",
    };

    private global::VertFed.Protocol.TrustFile Whole() => global::VertFed.Protocol.TrustFile.ReadOrEmpty(_folder.File("trust.yaml"))
        .With("main", A, "coordinator", new Uri("https://coordinator.example:7400"))
        .With("bank", B, "party").With("retailer", C, "party").With("ann", D, "analyst");

    private static Task<int> RunAsync(params string[] arguments) => new CapturedTerminal().RunAsync(["identity", .. arguments]);
}
