using System.Text.Json;
using global::VertFed.Operations.Logging;
using Microsoft.Extensions.Logging;
using VertFed.PartyNode.Hosting;
using Xunit;

namespace VertFed.UnitTests.Operations;

public sealed class LineLoggerTests
{
    private readonly StringWriter _output = new();

    [Fact]
    public void A_plain_line_has_time_level_event_and_message()
    {
        new NodeLog(_output, TimeProvider.System).Accepted("0123");

        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info  \[214\] job 0123 accepted\r?\n$", _output.ToString());
    }

    [Fact]
    public void A_json_line_has_the_event_and_the_messages_fields()
    {
        new NodeLog(_output, TimeProvider.System, LogFormat.Json).Loaded("0123", "bank.csv", "CSV", 10, 3, 0.5);

        using JsonDocument json = JsonDocument.Parse(_output.ToString());
        Assert.Equal(213, json.RootElement.GetProperty("event").GetInt32());
        Assert.Equal("Loaded", json.RootElement.GetProperty("name").GetString());
        Assert.Equal("info", json.RootElement.GetProperty("level").GetString());
        Assert.Equal("job 0123: bank.csv loaded (CSV), 10 rows, 3 features, 0.50 s", json.RootElement.GetProperty("message").GetString());
        Assert.Equal("0123", json.RootElement.GetProperty("job").GetString());
        Assert.Equal(10, json.RootElement.GetProperty("rows").GetInt64());
        Assert.Equal(0.5, json.RootElement.GetProperty("seconds").GetDouble());
        Assert.False(json.RootElement.TryGetProperty("{OriginalFormat}", out _));
    }

    [Theory]
    [InlineData(LogFormat.Plain)]
    [InlineData(LogFormat.Json)]
    public void Text_from_outside_stays_on_its_line_and_within_its_length(LogFormat format)
    {
        new NodeLog(_output, TimeProvider.System, format).Offered("0123", "first\n2026-01-01T00:00:00.000Z error [232] forged\u001b[31m" + new string('x', 100_000));

        string line = Assert.Single(_output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.DoesNotContain('\u001b', line);
        Assert.True(line.Length < (3 * LineLogger.MaxText));
    }

    [Theory]
    [InlineData(LogFormat.Plain)]
    [InlineData(LogFormat.Json)]
    public void An_exception_is_told_by_type_and_place_alone(LogFormat format)
    {
        new NodeLog(_output, TimeProvider.System, format).Unexpected("0123", new FormatException("customer 4711"));

        Assert.Contains("System.FormatException", _output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("4711", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_below_the_level_are_not_written()
    {
        var log = new NodeLog(_output, TimeProvider.System, LogFormat.Plain, LogLevel.Warning);
        log.Accepted("0123");
        Assert.Equal("", _output.ToString());
        log.CheckpointDropped("0123");
        Assert.NotEqual("", _output.ToString());
    }
}
