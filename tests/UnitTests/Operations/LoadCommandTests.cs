using System.Globalization;
using System.Text;
using System.Text.Json;
using global::VertFed.Load;
using Grpc.Core;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Operations;

/// <summary>The load test of bench/Load: that it runs, that the service holds under a little of it, and that its figures are what it says.</summary>
public sealed class LoadCommandTests
{
    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_short_run_overloads_a_coordinator_that_turns_away_what_is_too_much_and_serves_the_others()
    {
        using var folder = new TemporaryFolder();
        var output = new StringWriter();
        var errors = new StringWriter();

        int code = await LoadCommand.RunAsync(["load", "--short", "--output", folder.Path], output, errors);

        Assert.True(code == 0, errors.ToString());
        Assert.Equal(["2", "4"], Column(folder, "idle", "idle", "parties"));
        Assert.Equal(["taken", "ResourceExhausted (max_open_jobs_per_submitter)"], Column(folder, "flood", "flood-answers", "answer"));
        Assert.Equal("4", Column(folder, "flood", "flood-answers", "submits")[0]);
        Assert.All(Column(folder, "flood", "flood-other", "failed"), failed => Assert.Equal("0", failed));
        string[] letIn = Column(folder, "overload", "overload", "let in");
        Assert.All(letIn[..2], count => Assert.InRange(int.Parse(count, CultureInfo.InvariantCulture), 0, 8));

        // A refusal and the reset behind it reach the caller in either order: no call's message is taken, whichever it sees.
        Assert.Equal(["0", "0"], letIn[^2..]);
        Assert.All(Column(folder, "overload", "overload", "ended how")[2..], how => Assert.DoesNotContain("left open", how, StringComparison.Ordinal));
        Assert.All(Column(folder, "overload", "overload", "failed"), failed => Assert.Equal("0", failed));
        Assert.Equal(["6", "2", "2"], Column(folder, "queue", "queue-waits", "jobs"));
        foreach (string measure in new[] { "idle", "flood", "overload", "queue" })
            Assert.Contains(await File.ReadAllTextAsync(folder.File(measure + ".md")), output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("everything")]
    [InlineData("load", "--output")]
    [InlineData("--short", "load")]
    public async Task A_word_that_it_does_not_know_ends_it_with_2(params string[] arguments)
    {
        var errors = new StringWriter();
        Assert.Equal(2, await LoadCommand.RunAsync(arguments, TextWriter.Null, errors));
        Assert.StartsWith("usage: ", errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_percentile_is_the_nearest_rank_and_failures_count_by_status_and_limit()
    {
        var latencies = new Latencies();
        Assert.Equal(0, latencies.Percentile(0.5));
        foreach (int milliseconds in Enumerable.Range(1, 200).Reverse())
            latencies.Add(TimeSpan.FromMilliseconds(milliseconds));
        latencies.AddFailure(new RpcException(new Status(StatusCode.ResourceExhausted, "'ann' makes more than 5 calls a minute (max_calls_per_minute)")));
        latencies.AddFailure(new RpcException(new Status(StatusCode.Unavailable, "gone")));

        Assert.Equal((100, 198, 200), (latencies.Percentile(0.5), latencies.Percentile(0.99), latencies.Percentile(1)));
        Assert.Equal(["ResourceExhausted (max_calls_per_minute)", "Unavailable"], latencies.Failures.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_table_shows_three_digits_and_refuses_a_row_of_another_width()
    {
        var table = new ResultTable("name", "Title:", "what", "count", "seconds");
        table.Add("first", 1234567, 0.0123456);
        table.Add("second", 0L, 98765.4);
        var text = new StringBuilder();
        table.WriteMarkdown(text);

        Assert.Equal("Title:\n\n| what | count | seconds |\n| --- | --- | --- |\n| first | 1,234,567 | 0.0123 |\n| second | 0 | 98,765 |\n\n", text.ToString());
        Assert.Throws<ArgumentException>(() => table.Add("third"));
    }

    /// <summary>A column of a table in a measure's JSON file, as text.</summary>
    private static string[] Column(TemporaryFolder folder, string measure, string table, string column)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(folder.File(measure + ".json")));
        Assert.True(json.RootElement.GetProperty("short").GetBoolean());
        JsonElement found = json.RootElement.GetProperty("tables").EnumerateArray().Single(one => one.GetProperty("name").GetString() == table);
        return [.. found.GetProperty("rows").EnumerateArray().Select(row => row.GetProperty(column).ToString())];
    }
}
