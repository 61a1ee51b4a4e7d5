using System.Globalization;

namespace VertFed.Cli.Demo.Horizontal;

/// <summary>Writes the horizontal demo's identities, certificates, configuration files and job spec: those that a real deployment has.</summary>
internal sealed class HorizontalConfiguration
{
    private const int FewestRows = 10;
    private readonly DemoFolder _folder;
    private readonly HorizontalDemoOptions _options;
    private readonly (string Name, string Fingerprint)[] _parties;
    private readonly string _analyst;

    public HorizontalConfiguration(DemoFolder folder, HorizontalDemoOptions options)
    {
        _folder = folder;
        _options = options;
        _parties = [.. HorizontalDemoOptions.Nodes.Select(name => (name, DemoConfiguration.CreateIdentity(folder, name)))];
        _analyst = DemoConfiguration.CreateIdentity(folder, DemoConfiguration.Analyst);
        CoordinatorFingerprint = DemoConfiguration.CreateIdentity(folder, DemoConfiguration.Coordinator);
    }

    public string CoordinatorFingerprint { get; }

    public string FingerprintOf(string party) => _parties.Single(pinned => pinned.Name == party).Fingerprint;

    /// <summary>A node's rows.</summary>
    public string DataOf(string party) => Path.Combine(_folder.SampleData, party + ".csv");

    /// <param name="port">Where to listen; 0 lets the system pick a free port. Once it has, a coordinator that is started again needs the same.</param>
    public void WriteCoordinator(int port) => DemoConfiguration.Write(_folder.CoordinatorConfig, string.Create(CultureInfo.InvariantCulture, $"""
        # The coordinator averages what the parties send it.
        listen: 127.0.0.1:{port}
        identity: identities/{DemoConfiguration.Coordinator}.pem
        data: {DemoConfiguration.Coordinator}
        parties:
        {Pins(_parties)}
        principals:
          - name: {DemoConfiguration.Analyst}
            fingerprint: {_analyst}
            roles: [analyst]
        """));

    /// <param name="coordinator">The address that the coordinator printed in its ready line.</param>
    public void WriteParties(string coordinator)
    {
        foreach ((string name, _) in _parties)
        {
            DemoConfiguration.Write(_folder.Config(name), $"""
                name: {name}
                role: label
                coordinator: {coordinator}
                coordinator_fingerprint: {CoordinatorFingerprint}
                identity: identities/{name}.pem
                data_dir: {name}
                peers:
                {Pins(_parties.Where(party => party.Name != name))}
                submitters:
                  - {_analyst}
                data:
                  csv: {DemoConfiguration.Quote(Path.GetRelativePath(_folder.Root, DataOf(name)))}
                  id: [id]
                  label: y
                policy:
                  kinds: [horizontal]
                  # A skewed partition can leave a node with few rows.
                  minimum_rows: {FewestRows.ToString(CultureInfo.InvariantCulture)}
                  max_rounds: {_options.Rounds.ToString(CultureInfo.InvariantCulture)}
                """);
        }
    }

    public void WriteJob() => DemoConfiguration.Write(_folder.JobSpec, string.Create(CultureInfo.InvariantCulture, $"""
        kind: horizontal
        title: demo, horizontal
        parties:
        {Pins(_parties)}
        horizontal:
          model: logistic
          strategy: {DemoConfiguration.Quote(_options.Strategy)}
          rounds: {_options.Rounds}
          epochs: {HorizontalDemoOptions.Epochs}
          batch: {HorizontalDemoOptions.Batch}
          rate: {HorizontalDemoOptions.Rate:r}
          l2: {HorizontalDemoOptions.L2:0.######}
          over_selection: 1
          minimum_clients: 3
          round_deadline_seconds: {HorizontalDemoOptions.RoundDeadlineSeconds}
          secure_aggregation: {(_options.Secure ? "bonawitz" : "none")}
        # The demo keeps test rows of its own, which no node has.
        holdout: 0
        deadline_seconds: {HorizontalDemoOptions.DeadlineSeconds}
        """));

    private static string Pins(IEnumerable<(string Name, string Fingerprint)> parties) =>
        string.Join('\n', parties.Select(party => $"  - name: {party.Name}\n    fingerprint: {party.Fingerprint}"));
}
