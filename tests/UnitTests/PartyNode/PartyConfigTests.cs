using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Policies;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

public sealed class PartyConfigTests
{
    internal static readonly string Digits = new('a', 64);

    internal static readonly string Text = $$"""
        name: bank
        role: label
        coordinator: https://127.0.0.1:7400
        coordinator_fingerprint: {{Digits}}
        identity: keys/bank.pem
        data_dir: state
        peers:
          - {name: retailer, fingerprint: {{Digits}}}
        submitters: [{{Digits}}]
        data:
          csv: bank.csv
        policy:
          max_iterations: 20
        """;

    [Fact]
    public void Reads_a_configuration_with_paths_relative_to_its_folder()
    {
        PartyConfig config = Parse(Text);

        Assert.Equal("bank", config.Name);
        Assert.Equal(Role.LabelParty, config.Role);
        Assert.Equal("/etc/vertfed/keys/bank.pem", config.IdentityPath);
        Assert.Equal("/etc/vertfed/state", config.DataDirectory);
        Assert.Equal([Digits], config.CoordinatorFingerprints);
        Assert.Null(config.SecretsKeyPath);
        Assert.True(config.Policy.CoSign);
        Assert.Equal("/etc/vertfed/bank.csv", Assert.IsType<CsvSource>(config.Datasets["default"].Source).Path);
        Assert.Equal("y", config.Datasets["default"].Label);
        Assert.Equal(["id"], config.Datasets["default"].Id);
        Assert.Equal(20, config.Policy.MaxIterations);
        Assert.Equal(PartyPolicy.Default with { MaxIterations = 20 }, config.Policy);
        PinnedPeer peer = Assert.Single(config.Peers);
        Assert.Equal("retailer", peer.Name);
        Assert.Equal([Digits], peer.Fingerprints);
    }

    [Fact]
    public void The_secrets_key_is_a_file_and_co_signing_can_be_withheld()
    {
        PartyConfig config = Parse(Text.Replace("data_dir: state", "data_dir: state\nsecrets_key: keys/secrets", StringComparison.Ordinal)
            .Replace("max_iterations: 20", "co_sign: false", StringComparison.Ordinal));
        Assert.Equal("/etc/vertfed/keys/secrets", config.SecretsKeyPath);
        Assert.Equal(PartyPolicy.Default with { CoSign = false }, config.Policy);
        Assert.Empty(config.Policy.Loosened());
    }

    [Fact]
    public void A_feature_party_has_no_label() => Assert.Null(Parse(Text.Replace("role: label", "role: feature", StringComparison.Ordinal)).Datasets["default"].Label);

    [Theory]
    [InlineData("coordinator_fingerprint: a", "coordinator_fingerprint: A", "party.yaml:4: coordinator_fingerprint: a fingerprint is 64 lower-case hexadecimal digits")]
    [InlineData("data_dir: state", "data_dri: state", "party.yaml:1: key 'data_dir' is missing")]
    [InlineData("role: label", "role: label\ncolour: red", "party.yaml:3: unknown key 'colour' (known here: admin, coordinator, coordinator_fingerprint, data, data_dir, database, datasets, identity, local_work, log, max_running_jobs, name, peers, policy, previous_identities, public_data, retain_days, role, secrets_key, shutdown_seconds, submitters, telemetry, trust)")]
    [InlineData("  csv: bank.csv", "  csv: bank.csv\n  header: false", "party.yaml:12: unknown key 'data.header' (known here: columns, csv, decimal_comma, delimiter, features, id, label, max_bytes, missing_values, postgres, sqlite)")]
    [InlineData("max_iterations: 20", "max_iterations: many", "party.yaml:13: policy.max_iterations: a whole number from 1 to 200 is expected")]
    [InlineData("max_iterations: 20", "max_iterations: 201", "party.yaml:13: policy.max_iterations: a whole number from 1 to 200 is expected")]
    [InlineData("max_iterations: 20", "allow_disclosure_risk: yes", "party.yaml:13: policy.allow_disclosure_risk: true or false is expected")]
    [InlineData("role: label", "role: bank", "party.yaml:2: role: label or feature is expected")]
    [InlineData("name: bank", "name: ../bank", "party.yaml:1: name: 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter, are expected")]
    [InlineData("https://127.0.0.1:7400", "127.0.0.1:7400", "party.yaml:3: coordinator: a URL such as https://coordinator.example:7400 is expected")]
    [InlineData("https://127.0.0.1:7400", "http://127.0.0.1:7400", "party.yaml:3: coordinator: a URL such as https://coordinator.example:7400 is expected")]
    [InlineData("name: retailer", "name: bank", "party.yaml:8: peers.name: a peer's name is well-formed, unique and not the party's own")]
    [InlineData("csv: bank.csv", "csv: bank.csv\n  decimal_comma: true\n  delimiter: ','", "party.yaml:12: data.decimal_comma: needs another delimiter than ','")]
    [InlineData("csv: bank.csv", "csv: bank.csv\n  delimiter: x", "party.yaml:12: data.delimiter: one of ',' ';' '|' and \"\\t\" is expected")]
    [InlineData("csv: bank.csv", "csv: bank.csv\n  features: [a, a]", "party.yaml:12: data.features: 'a' appears twice")]
    [InlineData("csv: bank.csv", "csv: bank.csv\n  features: []", "party.yaml:12: data.features: the list is empty")]
    [InlineData("csv: bank.csv", "csv: bank.csv\n  features: [a, y]", "party.yaml:12: data.features: id and label columns cannot be features")]
    [InlineData("csv: bank.csv", "csv: bank.csv\n  id: [y]", "party.yaml:12: data.id: the label column cannot be an id column")]
    [InlineData("csv: bank.csv", "csv: [bank.csv]", "party.yaml:11: data.csv: a text is expected")]
    [InlineData("role: label", "role: feature\nx: &a 1\ny: *a", "party.yaml:3: anchors and tags are not accepted.")]
    public void A_wrong_configuration_is_refused_with_its_line(string old, string replacement, string message)
    {
        VertFedException error = Assert.Throws<VertFedException>(() => Parse(Text.Replace(old, replacement, StringComparison.Ordinal)));
        Assert.Equal(ErrorCode.Usage, error.Code);
        Assert.Equal(message, error.Message);
    }

    [Fact]
    public void A_label_at_a_feature_party_is_refused()
    {
        string text = Text.Replace("role: label", "role: feature", StringComparison.Ordinal)
            .Replace("csv: bank.csv", "csv: bank.csv\n  label: y", StringComparison.Ordinal);
        Assert.Equal("party.yaml:12: data.label: a feature party has no label", Assert.Throws<VertFedException>(() => Parse(text)).Message);
    }

    [Fact]
    public void A_fingerprint_in_capitals_or_cut_short_is_refused()
    {
        Assert.Contains("a fingerprint is 64 lower-case", Assert.Throws<VertFedException>(() => Parse(Text.Replace(Digits, Digits[1..], StringComparison.Ordinal))).Message, StringComparison.Ordinal);
        Assert.Contains("a fingerprint is 64 lower-case", Assert.Throws<VertFedException>(() => Parse(Text.Replace(Digits, Digits.ToUpperInvariant(), StringComparison.Ordinal))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("name: [")]
    [InlineData("name: a\nname: b")]
    [InlineData("- a\n- b")]
    [InlineData("")]
    [InlineData("name: a\n---\nname: b")]
    public void Text_that_is_not_one_mapping_is_refused(string text) =>
        Assert.Equal(ErrorCode.Usage, Assert.Throws<VertFedException>(() => Parse(text)).Code);

    [Fact]
    public void Nesting_that_would_exhaust_the_stack_and_paths_with_a_NUL_are_refused()
    {
        string deep = string.Concat(Enumerable.Repeat("[", 100_000));
        Assert.Equal("party.yaml:1: nested too deeply or too long.", Assert.Throws<VertFedException>(() => Parse("name: " + deep)).Message);
        Assert.Contains(
            "a value holds a NUL character",
            Assert.Throws<VertFedException>(() => Parse(Text.Replace("csv: bank.csv", "csv: \"a\\0b\"", StringComparison.Ordinal))).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("peers:\n  - {name: retailer, fingerprint: DIGITS}", "peers: []", "party.yaml: peers: no peer is named")]
    [InlineData("submitters: [DIGITS]", "submitters: []", "party.yaml: submitters: no submitter is named")]
    [InlineData("coordinator_fingerprint: DIGITS", "coordinator_fingerprint: []", "party.yaml: coordinator_fingerprint: no key of the coordinator is named")]
    public void A_node_that_trusts_nobody_does_not_start(string old, string replacement, string message)
    {
        Parse(Text).RequireTrust("party.yaml");
        PartyConfig config = Parse(Text.Replace(old.Replace("DIGITS", Digits, StringComparison.Ordinal), replacement, StringComparison.Ordinal));
        VertFedException error = Assert.Throws<VertFedException>(() => config.RequireTrust("/etc/vertfed/party.yaml"));
        Assert.Equal((ErrorCode.Usage, message), (error.Code, error.Message));
    }

    [Fact]
    public void A_missing_file_is_a_usage_error() =>
        Assert.Equal(ErrorCode.Usage, Assert.Throws<VertFedException>(() => PartyConfig.Load("/nowhere/party.yaml")).Code);

    private static PartyConfig Parse(string text) => PartyConfig.Parse("party.yaml", text, "/etc/vertfed");
}
