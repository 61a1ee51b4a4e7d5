using VertFed.Horizontal.Service;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>Horizontal jobs as analysts write them, and what the wire and the software make of them.</summary>
public sealed class HorizontalSpecificationTests
{
    private const string Good =
        """
        job: 0123456789abcdef0123456789abcdef
        kind: horizontal
        purpose: credit-risk
        parties:
          - {name: north, fingerprint: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
          - {name: south, fingerprint: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}
          - {name: west, fingerprint: cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc}
        horizontal:
          model: logistic/relu:16,8
          strategy: fedprox:0.01
          rounds: 12
          epochs: 2
          batch: 64
          rate: 0.05
          optimiser: momentum
          l2: 0.001
          clients_per_round: 3
          over_selection: 2
          minimum_clients: 3
          round_deadline_seconds: 7
          tolerance: 0.0001
          secure_aggregation: bonawitz
          scaling: federated
          privacy: {level: record, clip: 1.5, noise: 0.8, delta: 1e-6, budget: 3}
        """;

    [Fact]
    public void Every_field_arrives_and_survives_the_wire()
    {
        JobSpecification spec = JobSpecificationYaml.Parse(Good, "job.yaml");
        JobSpecification wire = JobSpecification.FromMessage(JobSpec.Parser.ParseFrom(Google.Protobuf.MessageExtensions.ToByteArray(spec.ToMessage())));

        Assert.Equal(spec.ToMessage(), wire.ToMessage());
        Assert.Equal(["north", "south", "west"], wire.Parties.Select(party => party.Name));
        HorizontalSpecification part = wire.Horizontal!;
        Assert.Equal((12, 2, 64, 0.05, 3, 3), (part.Rounds, part.Epochs, part.Batch, part.Rate, part.ClientsPerRound, part.MinimumClients));
        Assert.True(part.IsSecure);
        JobPlan plan = JobPlan.Of(wire);
        Assert.Equal([16, 8], plan.ModelOf(5).Hidden);
        Assert.Equal("fedprox:0.01", plan.Strategy.Name);
        Assert.Equal(1.5, plan.Work.Privacy!.Clip);
        Assert.Throws<InvalidOperationException>(() => wire.LabelParty);
    }

    [Theory]
    [InlineData("rounds: 12", "rounds: 0", "job.yaml:11: horizontal.rounds is not between 1 and 1000")]
    [InlineData("clients_per_round: 3", "clients_per_round: 4", "horizontal.clients_per_round is more than there are parties")]
    [InlineData("minimum_clients: 3", "minimum_clients: 2", "horizontal.minimum_clients is below 3")]
    [InlineData("tolerance: 0.0001", "compression: top-k:0.1", "horizontal.compression does not go with secure_aggregation")]
    [InlineData("tolerance: 0.0001", "selection: by-size", "horizontal.selection by-size needs the parties' rows")]
    [InlineData("  privacy: {level: record, clip: 1.5, noise: 0.8, delta: 1e-6, budget: 3}", "  personal: ditto:0.1\nholdout: 0", "holdout is 0: personal models are measured on rows")]
    [InlineData("tolerance: 0.0001", "personal: fine-tune", "horizontal.personal does not go with privacy:")]
    [InlineData("tolerance: 0.0001", "public_rows: {name: shared, rows: 9, sha256: 12}", "horizontal.public_rows.sha256 is not 64 hexadecimal digits")]
    [InlineData("tolerance: 0.0001", "public_rows: {name: Shared, rows: 9, sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}", "horizontal.public_rows.name is not a name")]
    [InlineData("tolerance: 0.0001", "public_rows: {name: shared, rows: 60001, sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}", "horizontal.public_rows.rows is not between 1 and 60000")]
    [InlineData("budget: 3", "budgets: 3", "horizontal.privacy.budget is missing")]
    [InlineData("level: record", "level: distributed", "horizontal.strategy is not fedavg, which privacy at levels client and distributed goes with")]
    [InlineData("clip: 1.5", "clip_quantile: 0.5, clip: 1.5", "horizontal.privacy.clip_quantile goes with level client alone")]
    [InlineData("{name: south,", "{name: north,", "parties name a party twice")]
    [InlineData("kind: horizontal", "kind: train", "label_party is missing")]
    [InlineData("purpose: credit-risk", "train: {family: logistic}", "unknown field 'train'")]
    public void A_field_that_is_wrong_is_named_with_its_line(string from, string to, string message)
    {
        VertFedException error = Assert.Throws<VertFedException>(() => JobSpecificationYaml.Parse(Good.Replace(from, to, StringComparison.Ordinal), "job.yaml"));

        Assert.Equal(ErrorCode.Usage, error.Code);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fedprox:0.01", "krum", "horizontal.strategy")]
    [InlineData("fedprox:0.01", "fedfoo", "horizontal.strategy")]
    [InlineData("logistic/relu:16,8", "logistic/gelu:16", "horizontal.model")]
    [InlineData("fedprox:0.01", "scaffold", "horizontal.optimiser")]
    [InlineData("fedprox:0.01", "feddf:20", "horizontal.strategy")]
    [InlineData("fedprox:0.01", "fedmd:20", "horizontal.strategy")]
    [InlineData("fedprox:0.01", "fedmd:20/scaffold\n  public_rows: {name: shared, rows: 9, sha256: HASH}", "horizontal.strategy")]
    [InlineData("fedprox:0.01", "fedmd/median\n  public_rows: {name: shared, rows: 9, sha256: HASH}", "horizontal.strategy")]
    [InlineData("fedprox:0.01", "fedprox:0.01\n  public_rows: {name: shared, rows: 9, sha256: HASH}", "horizontal.public_rows")]
    [InlineData("logistic/relu:16,8\n  strategy: fedprox:0.01", "softmax:3\n  strategy: fedmd:20\n  public_rows: {name: shared, rows: 20001, sha256: HASH}", "horizontal.public_rows.rows")]
    [InlineData("fedprox:0.01", "ifca:2", "horizontal.strategy")]
    [InlineData("fedprox:0.01", "fedbuff:2", "horizontal.strategy")]
    [InlineData("fedprox:0.01", "fedavg\n  staleness: 3", "horizontal.strategy")]
    [InlineData("  privacy: {level: record, clip: 1.5, noise: 0.8, delta: 1e-6, budget: 3}", "  personal: own\nholdout: 0.2", "horizontal.personal")]
    public void A_word_that_means_nothing_or_does_not_go_with_the_rest_is_refused_by_its_field(string from, string to, string field)
    {
        JobSpecification spec = JobSpecificationYaml.Parse(Good.Replace(from, to.Replace("HASH", new string('a', 64), StringComparison.Ordinal), StringComparison.Ordinal), "job.yaml");

        VertFedException error = Assert.Throws<VertFedException>(() => JobPlan.Of(spec));

        Assert.Equal(field, error.Field);
    }
}
