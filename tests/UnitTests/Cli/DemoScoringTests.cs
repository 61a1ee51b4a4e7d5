using VertFed.Cli.Demo;
using VertFed.Protocol;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Cli;

/// <summary>What the demo holds a file of scores to.</summary>
public sealed class DemoScoringTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a,3,scored\nb,5,scored\nc,,not_shared\n", null)]
    [InlineData("a,3,scored\nc,,not_shared\n", "1 customers were scored; the joined table has 2")]
    [InlineData("a,3,scored\na,3,scored\nc,,not_shared\n", "two scores")]
    [InlineData("a,3,scored\nb,6,scored\nc,,not_shared\n", "not that of the joined table")]
    [InlineData("a,3,scored\nb,5,scored\nc,1,scored\n", "only the bank has")]
    public void Each_shared_customer_has_one_score_and_it_is_that_of_the_joined_table(string scores, string? objection)
    {
        const string Model = """
            "family": "linear", "label_scale": 1, "coefficients": [{"name": "x", "value": 1, "mean": 0, "standard_deviation": 1}]
            """;
        Write("bank/jobs/model/model.json", $"{{{Model}}}");
        Write("retailer/jobs/model/model.json", $"{{{Model}}}");
        Write("data/new-customers/bank.csv", "id,x\na,1\nb,2\nc,3\n");
        Write("data/new-customers/retailer.csv", "id,x\na,2\nb,3\nd,4\n");
        Write("bank/jobs/score/scores.csv", "id,score,status\n" + scores);
        DemoScoring scoring = new(new DemoFolder(_folder.Path), new DemoOptions(null, _folder.Path, "linear", 1e-3, 0.2, 1, 3, false, 60, Score: true));

        if (objection is null)
        {
            Assert.StartsWith("Scored: 2 of the bank's 3", scoring.Check("model", "score")[0], StringComparison.Ordinal);
            return;
        }

        VertFedException error = Assert.Throws<VertFedException>(() => scoring.Check("model", "score"));
        Assert.Contains(objection, error.Message, StringComparison.Ordinal);
    }

    private void Write(string path, string text)
    {
        string file = _folder.File(path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
