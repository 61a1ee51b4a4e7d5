using System.Globalization;
using System.Text;
using VertFed.Protocol;

namespace VertFed.Cli.Demo;

/// <summary>
/// Writes the demo's identities, their certificates and the configuration files that a real deployment has: one a process, and the job spec.
/// Each is read back by the program it is for.
/// </summary>
internal sealed class DemoConfiguration
{
    public const string Bank = "bank";
    public const string Retailer = "retailer";
    public const string Analyst = "analyst";
    public const string Coordinator = "coordinator";

    private readonly DemoFolder _folder;
    private readonly DemoOptions _options;
    private readonly string _bankFingerprint;
    private readonly string _retailerFingerprint;
    private readonly string _analystFingerprint;

    public DemoConfiguration(DemoFolder folder, DemoOptions options)
    {
        _folder = folder;
        _options = options;
        _bankFingerprint = CreateIdentity(folder, Bank);
        _retailerFingerprint = CreateIdentity(folder, Retailer);
        _analystFingerprint = CreateIdentity(folder, Analyst);
        CoordinatorFingerprint = CreateIdentity(folder, Coordinator);
    }

    public string CoordinatorFingerprint { get; }

    /// <param name="port">Where to listen; 0 lets the system pick a free port. Once it has, a coordinator that is started again needs the same.</param>
    public void WriteCoordinator(int port) => Write(_folder.CoordinatorConfig, string.Create(CultureInfo.InvariantCulture, $"""
        # The coordinator relays what the parties seal for each other.
        listen: 127.0.0.1:{port}
        identity: identities/{Coordinator}.pem
        data: coordinator
        parties:
          - name: {Bank}
            fingerprint: {_bankFingerprint}
          - name: {Retailer}
            fingerprint: {_retailerFingerprint}
        principals:
          - name: {Analyst}
            fingerprint: {_analystFingerprint}
            roles: [analyst]
        """));

    /// <param name="coordinator">The address that the coordinator printed in its ready line.</param>
    public void WriteParties(string coordinator, string bankCsv, string retailerCsv)
    {
        Write(_folder.BankConfig, Party(Bank, "label", coordinator, bankCsv, "\n  label: y", Retailer, _retailerFingerprint));
        Write(_folder.RetailerConfig, Party(Retailer, "feature", coordinator, retailerCsv, "", Bank, _bankFingerprint));
    }

    public void WriteJob() => Write(_folder.JobSpec, string.Create(CultureInfo.InvariantCulture, $"""
        kind: train
        title: demo
        label_party:
          name: {Bank}
          fingerprint: {_bankFingerprint}
        feature_party:
          name: {Retailer}
          fingerprint: {_retailerFingerprint}
        align:
          duplicates: refuse
        train:
          family: {_options.Family}
          l2: {_options.L2:r}
          max_iterations: 30
        holdout: {_options.Holdout:r}
        accept_disclosure_risk: {(_options.AcceptDisclosureRisk ? "true" : "false")}
        deadline_seconds: {_options.DeadlineSeconds}
        """));

    /// <param name="model">The job that trained it.</param>
    public void WriteScoreJob(string model) => Write(_folder.ScoreSpec, $"""
        kind: score
        title: demo, new customers
        dataset: {DemoScoring.Dataset}
        score:
          model: {model}
        label_party:
          name: {Bank}
          fingerprint: {_bankFingerprint}
        feature_party:
          name: {Retailer}
          fingerprint: {_retailerFingerprint}
        deadline_seconds: {_options.DeadlineSeconds.ToString(CultureInfo.InvariantCulture)}
        """);

    /// <summary>A YAML single-quoted scalar.</summary>
    internal static string Quote(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    private string Party(string name, string role, string coordinator, string csv, string label, string peer, string peerFingerprint) => $"""
        name: {name}
        role: {role}
        coordinator: {coordinator}
        coordinator_fingerprint: {CoordinatorFingerprint}
        identity: identities/{name}.pem
        data_dir: {name}
        peers:
          - name: {peer}
            fingerprint: {peerFingerprint}
        submitters:
          - {_analystFingerprint}
        data:
          csv: {Quote(csv)}
          id: [id]{label}{Customers(name)}
        policy:
          # Both sides belong to whoever runs the demo: these two would stay off between strangers.
          share_coefficients_with_submitter: true
          report_intersection_sha256: true
          allow_disclosure_risk: {(_options.AcceptDisclosureRisk ? "true" : "false")}
        """;

    /// <summary>The second data source, where there is one.</summary>
    private string Customers(string party) => _options.Score
        ? $"\ndatasets:\n  {DemoScoring.Dataset}:\n    csv: {Quote(Path.Combine(new DemoScoring(_folder, _options).Data, party + ".csv"))}"
        : "";

    /// <summary>Makes a key with its certificate.</summary>
    /// <returns>The fingerprint.</returns>
    internal static string CreateIdentity(DemoFolder folder, string name)
    {
        using Credential credential = Credential.Create(folder.Identity(name), new CertificateTerms(name));
        return credential.Fingerprint;
    }

    /// <summary>Writes a file of text with lines ended by \n.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: it cannot be written.</exception>
    internal static void Write(string path, string text)
    {
        try
        {
            File.WriteAllText(path, text.ReplaceLineEndings("\n") + "\n", new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.CannotWrite(path, e);
        }
    }
}
