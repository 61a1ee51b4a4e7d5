using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using VertFed.UnitTests.Cli;
using Xunit;

namespace VertFed.UnitTests.Operations;

/// <summary>docs/operations.md lists every log line, every metric and every queue that the code has, and none that it has not.</summary>
public sealed partial class OperationsDocumentTests
{
    private static readonly string Document = Checkout.Read("docs/operations.md").ReplaceLineEndings("\n");

    [Fact]
    public void The_table_of_log_lines_is_that_of_the_code()
    {
        string[] expected = [.. Lines().OrderBy(line => line.Id).Select(line => $"| {line.Id} | {line.Level} | {line.Name} | {line.Text.Replace("|", @"\|", StringComparison.Ordinal)} |")];
        string[] listed = [.. LogRow().Matches(Document).Select(match => match.Value)];

        Assert.Equal(expected, listed);
    }

    [Fact]
    public void An_event_id_stands_for_one_line()
    {
        (int Id, string Level, string Name, string Text)[] lines = [.. Lines()];

        Assert.True(lines.Length > 60);
        Assert.Empty(lines.GroupBy(line => line.Id).Where(group => group.Count() > 1).Select(group => group.Key));
    }

    [Fact]
    public void No_log_line_takes_a_payload_a_key_or_bytes()
    {
        IEnumerable<ParameterInfo> parameters = Methods().SelectMany(pair => pair.Method.GetParameters());

        Assert.DoesNotContain(parameters, parameter => parameter.ParameterType.IsArray || parameter.ParameterType == typeof(Google.Protobuf.ByteString)
            || typeof(Google.Protobuf.IMessage).IsAssignableFrom(parameter.ParameterType));
        Assert.DoesNotContain(parameters, parameter => parameter.Name is "id" or "value" or "label" or "key" or "secret" or "seed" or "password");
    }

    [Fact]
    public void The_table_of_metrics_has_every_instrument()
    {
        string[] created = [.. Sources().SelectMany(file => Instrument().Matches(File.ReadAllText(file))).Select(match => match.Groups[1].Value).Distinct(StringComparer.Ordinal)];
        string[] listed = [.. MetricRow().Matches(Document).SelectMany(match => MetricName().Matches(match.Groups[1].Value)).Select(match => match.Groups[1].Value)];

        Assert.True(created.Length > 15);
        Assert.Equal(created.Order(StringComparer.Ordinal), listed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_table_of_queues_names_every_file_that_makes_one()
    {
        string[] makers =
        [
            .. Sources().Where(file => Queue().IsMatch(File.ReadAllText(file))).Select(file => Path.GetRelativePath(Checkout.PathOf(""), file).Replace('\\', '/')).Order(StringComparer.Ordinal),
        ];
        string[] listed = [.. QueueRow().Matches(Document).Select(match => match.Groups[1].Value).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

        Assert.Equal(makers, listed);
    }

    private static IEnumerable<string> Sources() => new[] { "Coordinator", "PartyNode", "Storage", "Operations" }
        .SelectMany(project => Directory.EnumerateFiles(Checkout.PathOf($"src/{project}"), "*.cs", SearchOption.AllDirectories));

    private static IEnumerable<(MethodInfo Method, LoggerMessageAttribute Attribute)> Methods() =>
        new[] { typeof(global::VertFed.Coordinator.Hosting.CoordinatorHost), typeof(global::VertFed.PartyNode.Hosting.PartyHost) }
            .SelectMany(type => type.Assembly.GetTypes())
            .SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
            .Select(method => (method, method.GetCustomAttribute<LoggerMessageAttribute>()!))
            .Where(pair => pair.Item2 is not null);

    private static IEnumerable<(int Id, string Level, string Name, string Text)> Lines() => Methods().Select(pair => (
        pair.Attribute.EventId,
        pair.Attribute.Level switch { LogLevel.Debug => "debug", LogLevel.Information => "info", LogLevel.Warning => "warn", LogLevel.Error => "error", _ => pair.Attribute.Level.ToString() },
        pair.Method.Name,
        pair.Attribute.Message));

    [GeneratedRegex(@"^\| \d+ \| (?:debug|info|warn|error) \| .*$", RegexOptions.Multiline | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex LogRow();

    [GeneratedRegex("\\.Create(?:Observable)?(?:Counter|UpDownCounter|Histogram|Gauge)(?:<\\w+>)?\\(\\s*\"(vertfed[a-z.]+)\"", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Instrument();

    [GeneratedRegex(@"^\| ((?:`vertfed\.[a-z.]+`(?:, )?)+) \|", RegexOptions.Multiline | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex MetricRow();

    [GeneratedRegex("`(vertfed[a-z.]+)`", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex MetricName();

    [GeneratedRegex(@"Channel\.Create|[^\w](?:Concurrent|Priority)?Queue<|BlockingCollection<", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Queue();

    [GeneratedRegex(@"^\| [^|]+ \| (src/[\w/.]+\.cs) \|", RegexOptions.Multiline | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex QueueRow();
}
