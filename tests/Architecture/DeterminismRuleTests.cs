using System.Reflection;
using System.Xml.Linq;
using Xunit;

namespace VertFed.Architecture;

/// <summary>What differs by processor or C library is banned where numbers reach a message; the analyzer reads the list.</summary>
public sealed class DeterminismRuleTests
{
    private static readonly string[] Exact =
        ["Abs", "BigMul", "BitDecrement", "BitIncrement", "Ceiling", "Clamp", "CopySign", "DivRem", "Floor", "FusedMultiplyAdd", "IEEERemainder", "ILogB",
         "Max", "MaxMagnitude", "Min", "MinMagnitude", "Round", "ScaleB", "Sign", "Sqrt", "Truncate"];

    [Theory]
    [InlineData("Models")]
    [InlineData("Lattice")]
    [InlineData("Psi")]
    [InlineData("Vertical")]
    [InlineData("Horizontal")]
    public void Projects_whose_numbers_reach_messages_read_the_list_of_banned_symbols(string project)
    {
        XDocument file = XDocument.Load(Repository.PathTo($"src/{project}/{project}.csproj"));

        Assert.Contains(file.Descendants("AdditionalFiles"), item => (string?)item.Attribute("Include") == "../../BannedSymbols.txt");
        Assert.DoesNotContain(file.Descendants("NoWarn"), item => item.Value.Contains("RS0030", StringComparison.Ordinal));
    }

    [Fact]
    public void Every_function_of_Math_that_is_not_exact_is_banned()
    {
        IEnumerable<string> inexact = typeof(Math).GetMethods(BindingFlags.Public | BindingFlags.Static)
            .Where(method => method.GetParameters().Any(parameter => parameter.ParameterType == typeof(double)))
            .Where(method => !Exact.Contains(method.Name, StringComparer.Ordinal))
            .Select(method => $"M:System.Math.{method.Name}({string.Join(',', method.GetParameters().Select(parameter => parameter.ParameterType.FullName))})");

        Assert.NotEmpty(inexact);
        Assert.Empty(inexact.Except(Banned(), StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("T:System.MathF")]
    [InlineData("N:System.Numerics.Tensors")]
    [InlineData("N:MathNet.Numerics")]
    [InlineData("T:System.Numerics.Vector`1")]
    [InlineData("M:System.Double.Exp(System.Double)")]
    [InlineData("M:System.Runtime.Intrinsics.Vector256.Exp(System.Runtime.Intrinsics.Vector256{System.Double})")]
    [InlineData("M:System.Runtime.Intrinsics.Vector256.Sum``1(System.Runtime.Intrinsics.Vector256{``0})")]
    public void Other_ways_to_the_same_functions_are_banned(string symbol) => Assert.Contains(symbol, Banned());

    [Fact]
    public void The_ban_is_lifted_in_one_file_alone()
    {
        string[] folders = ["src/Models", "src/Lattice", "src/Psi", "src/Vertical", "src/Horizontal"];
        IEnumerable<string> lifted = folders.SelectMany(folder => Repository.Files(folder, "*.cs"))
            .Where(path => File.ReadAllText(path).Contains("RS0030", StringComparison.Ordinal))
            .Select(Repository.Relative);

        Assert.Equal(["src/Lattice/Numbers/Magnitude.cs"], lifted);
    }

    private static string[] Banned() =>
        [.. File.ReadLines(Repository.PathTo("BannedSymbols.txt")).Select(line => line.Split(';')[0])];
}
