using System.Text.RegularExpressions;

namespace VertFed.Architecture;

/// <summary>The names of the protocol's steps, read from the .proto files.</summary>
internal static partial class StepNames
{
    /// <summary>The steps of the Step enum in Pascal case, in order: <c>STEP_KEY_EXCHANGE</c> gives <c>KeyExchange</c>.</summary>
    public static IReadOnlyList<string> OfEnum()
    {
        string source = File.ReadAllText(Repository.PathTo("proto", "vertfed", "v1", "envelope.proto"));
        string body = StepEnum().Match(source).Groups["body"].Value;
        return [.. StepValue().Matches(body).Select(match => Pascal(match.Groups["name"].Value)).Where(name => name != "Unspecified")];
    }

    /// <summary>The messages of steps.proto, in order.</summary>
    public static IReadOnlyList<string> OfMessages()
    {
        string source = File.ReadAllText(Repository.PathTo("proto", "vertfed", "v1", "steps.proto"));
        return [.. Message().Matches(source).Select(match => match.Groups["name"].Value)];
    }

    /// <summary>The steps of horizontal jobs, in the order of the RoundStep enum.</summary>
    public static IReadOnlyList<string> OfRounds()
    {
        string source = File.ReadAllText(Repository.PathTo("proto", "vertfed", "v1", "horizontal.proto"));
        return [.. RoundValue().Matches(source).Select(match => Pascal(match.Groups["name"].Value)).Where(name => name != "Unspecified")];
    }

    /// <summary>The messages of horizontal.proto, in order.</summary>
    public static IReadOnlyList<string> OfRoundMessages()
    {
        string source = File.ReadAllText(Repository.PathTo("proto", "vertfed", "v1", "horizontal.proto"));
        return [.. Message().Matches(source).Select(match => match.Groups["name"].Value)];
    }

    public static string Pascal(string upperSnake) =>
        string.Concat(upperSnake.Split('_').Select(word => word[..1] + word[1..].ToLowerInvariant()));

    [GeneratedRegex(@"enum\s+Step\s*\{(?<body>[^}]*)\}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex StepEnum();

    [GeneratedRegex(@"^\s*STEP_(?<name>[A-Z0-9_]+)\s*=", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex StepValue();

    [GeneratedRegex(@"^\s*ROUND_STEP_(?<name>[A-Z0-9_]+)\s*=", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex RoundValue();

    [GeneratedRegex(@"^message\s+(?<name>\w+)", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Message();
}
