using System.Globalization;
using VertFed.Cli.Demo;
using VertFed.Protocol;
using VertFed.UnitTests.PartyNode;
using Xunit;

namespace VertFed.UnitTests.Scoring;

/// <summary>What the demo holds its scores to.</summary>
public sealed class CentralScoresTests : IDisposable
{
    private const string Job = "0123456789abcdef0123456789abcdef";
    private readonly TemporaryPlace _place = new();

    public void Dispose() => _place.Dispose();

    [Theory]
    [InlineData("logistic", 1, 0.6224593312018546, 3.1e-5)]
    [InlineData("linear", 100, 0.5, 0.0123)]
    public void Both_halves_give_the_score_of_a_shared_customer(string family, double scale, double expected, double tolerance)
    {
        CentralScores central = Write(family, scale);

        Assert.Equal(expected, central.Find("a")!.Value, 1e-12);
        Assert.Null(central.Find("b"));
        Assert.Null(central.Find("c"));
        Assert.Equal(tolerance, central.Tolerance, tolerance / 50);
    }

    [Fact]
    public void A_score_that_is_not_the_joined_tables_fails_the_demo()
    {
        Write("logistic", 1);
        DemoOptions options = new(_place.Folder, _place.At("out"), "logistic", 1, 0, 1, 10, AcceptDisclosureRisk: false, DeadlineSeconds: 1, Score: true);
        DemoFolder folder = new(options.Out);
        DemoScoring scoring = new(folder, options);
        foreach (string party in new[] { "bank", "retailer" })
        {
            Directory.CreateDirectory(scoring.Data);
            File.Copy(_place.At($"{party}.csv"), Path.Combine(scoring.Data, $"{party}.csv"));
            string model = Path.Combine(party == "bank" ? folder.BankData : folder.RetailerData, "jobs", Job, "model.json");
            Directory.CreateDirectory(Path.GetDirectoryName(model)!);
            File.Copy(_place.At($"{party}.json"), model);
        }

        string scores = scoring.Scores(Job);
        File.WriteAllText(scores, "id,score,status\na,0.62245,scored\nb,,not_shared\n");
        Assert.Contains("1 of the bank's 2 new customers; 1 are not shared", scoring.Check(Job, Job)[0], StringComparison.Ordinal);
        foreach (string wrong in new[] { "a,0.6225,scored", "a,,not_shared", "a,0,scored" })
        {
            File.WriteAllText(scores, $"id,score,status\n{wrong}\nb,,not_shared\n");
            Assert.Equal(ErrorCode.Internal, Assert.Throws<VertFedException>(() => scoring.Check(Job, Job)).Code);
        }
    }

    [Fact]
    public void A_column_that_is_not_there_is_named()
    {
        Write("logistic", 1);
        File.WriteAllText(_place.At("bank.csv"), "id,other\na,1\n");
        VertFedException error = Assert.Throws<VertFedException>(Read);
        Assert.Contains("column 'age' is not in bank.csv", error.Message, StringComparison.Ordinal);
    }

    private CentralScores Write(string family, double scale)
    {
        string number = scale.ToString(CultureInfo.InvariantCulture);
        File.WriteAllText(_place.At("bank.json"), $$"""
            {"family": "{{family}}", "label_scale": {{number}}, "coefficients": [
              {"name": "(intercept)", "value": 0.5}, {"name": "age", "value": 0.5, "mean": 40, "standard_deviation": 10}]}
            """);
        File.WriteAllText(_place.At("retailer.json"), $$"""
            {"family": "{{family}}", "label_scale": {{number}}, "coefficients": [{"name": "spend", "value": -0.25, "mean": 1, "standard_deviation": 2}]}
            """);
        File.WriteAllText(_place.At("bank.csv"), "id,y,age\na,1,50\nb,0,40\n");
        File.WriteAllText(_place.At("retailer.csv"), "spend,id\n5,a\n1,c\n");
        return Read();
    }

    private CentralScores Read() =>
        CentralScores.Read(_place.At("bank.json"), _place.At("retailer.json"), _place.At("bank.csv"), _place.At("retailer.csv"));
}
