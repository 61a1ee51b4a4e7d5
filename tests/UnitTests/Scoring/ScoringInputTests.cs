using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Scoring;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.PartyNode;
using VertFed.Vertical;
using Xunit;

namespace VertFed.UnitTests.Scoring;

/// <summary>New customers are read and encoded as the model's training did, whatever is declared by now.</summary>
public sealed class ScoringInputTests : IDisposable
{
    private readonly TemporaryPlace _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public void New_rows_are_encoded_with_the_levels_and_means_of_training()
    {
        File.WriteAllText(_place.At("new.csv"), "id,region,spare,age\n1,south,x,30\n2,,y,\n3,mars,z,50\n4,north,w,60\n5,east,v,70\n");
        PreparedInput input = Load(Model());

        (VerticalInput rows, IReadOnlyDictionary<string, int> unseen) = AlignedRows.TakeAs(input.Table, [4, 3, 2, 1, 0], new bool[5], input.Model!.Encoder);

        Assert.Equal(["age", "age=(missing)", "region=east", "region=south"], rows.Columns);
        Assert.Equal([70, 60, 50, 41.5, 30], rows.Features[0]);
        Assert.Equal([0, 0, 0, 1, 0], rows.Features[1]);
        Assert.Equal([1, 0, 0, 0, 0], rows.Features[2]);
        Assert.Equal([0, 0, 0, 0, 1], rows.Features[3]);
        Assert.Equal(2, Assert.Single(unseen).Value);
        Guard warning = Assert.IsType<Guard>(PolicyGuards.UnseenLevels(Config(), unseen));
        Assert.Equal(("bank: unseen_levels", 2.0, "warn"), (warning.Name, warning.Value, warning.Verdict));
    }

    [Theory]
    [InlineData("id,region\n1,south\n", "new.csv, line 1: feature column 'age' is missing")]
    [InlineData("id,age\n1,30\n", "new.csv, line 1: feature column 'region' is missing")]
    [InlineData("region,age\nsouth,30\n", "new.csv, line 1: id column 'id' is missing")]
    [InlineData("id,region,age\n1,south,old\n", "column 'age'")]
    public void What_the_model_needs_and_the_data_lacks_is_named_before_anything_is_sent(string text, string says)
    {
        File.WriteAllText(_place.At("new.csv"), text);

        VertFedException refusal = Assert.Throws<VertFedException>(() => Load(Model()));

        Assert.Equal(ErrorCode.BadInput, refusal.Code);
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_data_set_that_is_not_configured_refuses_the_job() =>
        Assert.Equal(ErrorCode.Refused, Assert.Throws<VertFedException>(() => Load(Model(), "may")).Code);

    private static ScoringModel Model() => new(
        new ModelHalf(
            Family.Logistic, ["age", "age=(missing)", "region=east", "region=south"], [1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], intercept: 0, labelScale: 1),
        new ColumnEncoder(
        [
            new FittedNumeric("age", MissingRule.Mean, 41.5, HasIndicator: true),
            new FittedCategorical("region", MissingRule.Level, "north", ["east", "south"], HasOther: false, HasMissing: false),
        ]),
        ScoreBench.IdentityOf(Role.LabelParty));

    private PreparedInput Load(ScoringModel model, string dataset = "april")
    {
        JobSpec spec = ScoreBench.Specification().ToMessage();
        spec.Dataset = dataset;
        return PreparedInput.Load(Config(), JobSpecification.FromMessage(spec), model, default);
    }

    private PartyConfig Config() => PartyConfig.Parse(
        "party.yaml",
        $$"""
        name: bank
        role: label
        coordinator: https://127.0.0.1:1
        coordinator_fingerprint: {{new string('a', 64)}}
        identity: none.pem
        data_dir: bank
        peers: [{name: retailer, fingerprint: {{new string('b', 64)}}}]
        submitters: [{{new string('c', 64)}}]
        data: {csv: old.csv}
        datasets:
          april:
            csv: new.csv
            columns:
              region: {type: numeric}
        """,
        _place.Folder);
}
