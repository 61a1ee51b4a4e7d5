using Xunit;

namespace VertFed.Architecture;

public sealed class StepDocumentationTests
{
    [Fact]
    public void Every_step_has_a_heading_in_the_protocol_document_in_the_same_order()
    {
        string[] lines = File.ReadAllLines(Repository.PathTo("docs", "protocol.md"));
        IReadOnlyList<string> steps = StepNames.OfEnum();
        IEnumerable<string> headings = lines
            .Where(line => line.StartsWith("### ", StringComparison.Ordinal))
            .Select(line => line[4..].Trim())
            .Where(steps.Contains);

        Assert.Equal(steps, headings);
    }

    [Fact]
    public void Every_step_of_a_horizontal_job_has_a_heading_and_a_message_of_its_name()
    {
        IEnumerable<string> headings = File.ReadAllLines(Repository.PathTo("docs", "horizontal-service.md"))
            .Where(line => line.StartsWith("### ", StringComparison.Ordinal))
            .Select(line => line[4..].Trim());
        IReadOnlyList<string> steps = StepNames.OfRounds();

        Assert.Equal(steps.Order(StringComparer.Ordinal), headings.Order(StringComparer.Ordinal));
        Assert.Subset(StepNames.OfRoundMessages().ToHashSet(StringComparer.Ordinal), steps.ToHashSet(StringComparer.Ordinal));
    }
}
