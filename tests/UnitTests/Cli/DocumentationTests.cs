using System.CommandLine;
using System.Text.RegularExpressions;
using VertFed.Cli;
using Xunit;

namespace VertFed.UnitTests.Cli;

/// <summary>The documents' commands parse, their links lead somewhere, and they name every command and exit code.</summary>
public sealed partial class DocumentationTests
{
    public static TheoryData<string> Documents => new("README.md", "samples/three-machines/README.md", "samples/categorical/README.md", "samples/horizontal/README.md", "docs/operations.md", "docs/runbook.md", "docs/identity.md");

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_command_parses(string document)
    {
        string[] commands = [.. Commands(document)];
        Assert.NotEmpty(commands);
        CapturedTerminal terminal = new();
        foreach (string command in commands)
        {
            ParseResult result = CommandLine.Create(terminal.Terminal).Parse(WithValues(command));
            Assert.True(result.Errors.Count == 0, $"{document}: {command}: {string.Join("; ", result.Errors.Select(error => error.Message))}");
        }
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_link_leads_to_a_file(string document)
    {
        string folder = Path.GetDirectoryName(Checkout.PathOf(document))!;
        foreach (Match link in Link().Matches(Checkout.Read(document)))
        {
            string target = link.Groups[1].Value;
            Assert.True(target.StartsWith("http", StringComparison.Ordinal) || Path.Exists(Path.Combine(folder, target)), $"{document} links to {target}");
        }
    }

    [Fact]
    public void The_readme_names_every_command_and_option_of_the_demo()
    {
        string readme = Checkout.Read("README.md");
        Command root = CommandLine.Create(new CapturedTerminal().Terminal);
        foreach (Command command in root.Subcommands)
        {
            Assert.Contains($"`vertfed {command.Name}", readme, StringComparison.Ordinal);
            Assert.All(command.Subcommands, sub => Assert.Contains($"`vertfed {command.Name} {sub.Name}", readme, StringComparison.Ordinal));
        }

        Assert.All(root.Subcommands.Single(command => command.Name == "demo").Options, option => Assert.Contains($"`{option.Name}`", readme, StringComparison.Ordinal));
    }

    [Fact]
    public void The_readme_names_every_exit_code()
    {
        int[] codes = [0, .. Enum.GetValues<VertFed.Protocol.ErrorCode>().Select(code => (int)code)];
        string[] rows = [.. ExitCode().Matches(Checkout.Read("README.md")).Select(match => match.Groups[1].Value)];
        Assert.Equal(codes.Order().Select(code => code.ToString(System.Globalization.CultureInfo.InvariantCulture)), rows);
    }

    // Commands in fenced or indented blocks and in inline code, each after ./vertfed or vertfed.
    private static IEnumerable<string> Commands(string document)
    {
        string text = Checkout.Read(document).ReplaceLineEndings("\n");
        return BlockCommand().Matches(text).Concat(InlineCommand().Matches(text))
            .Select(match => match.Groups[1].Value.Split('#')[0].ReplaceLineEndings(" ").Trim())
            .Where(command => command.Length > 0);
    }

    // Placeholders in capitals stand for values.
    private static string WithValues(string command) => IdPlaceholder().Replace(command, new string('0', 32));

    [GeneratedRegex(@"^ *\./vertfed (.+)$", RegexOptions.Multiline | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex BlockCommand();

    [GeneratedRegex(@"`(?:\./)?vertfed ([^`]+)`", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex InlineCommand();

    [GeneratedRegex(@"\bID\b", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex IdPlaceholder();

    [GeneratedRegex(@"\]\(([^)#]+)\)", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Link();

    [GeneratedRegex(@"^\| (\d+) \|", RegexOptions.Multiline | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex ExitCode();
}
