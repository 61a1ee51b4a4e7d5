using System.Xml.Linq;
using Xunit;

namespace VertFed.Architecture;

public sealed class PackageTests
{
    [Fact]
    public void Every_suppressed_advisory_is_explained_in_the_security_document()
    {
        string document = File.ReadAllText(Repository.PathTo("SECURITY.md"));
        string[] suppressed =
        [
            .. XDocument.Load(Repository.PathTo("Directory.Build.props"))
                .Descendants("NuGetAuditSuppress")
                .Select(item => (string)item.Attribute("Include")!),
        ];

        Assert.NotEmpty(suppressed);
        Assert.All(suppressed, address => Assert.Contains($"({address})", document, StringComparison.Ordinal));
    }

    [Fact]
    public void BouncyCastle_signs_checkpoints_in_Transcript_and_is_used_nowhere_else()
    {
        string[] named =
        [
            .. Repository.Files("src", "*.cs").Concat(Repository.Files("src", "*.csproj"))
                .Where(path => File.ReadAllText(path).Contains("BouncyCastle", StringComparison.Ordinal))
                .Select(Repository.Relative)
                .Where(path => !path.StartsWith("src/Transcript/", StringComparison.Ordinal)),
        ];

        Assert.Empty(named);
    }

    [Fact]
    public void Versions_stand_in_one_place()
    {
        IEnumerable<XElement> references = new[] { "src", "compat", "tests", "bench" }
            .SelectMany(folder => Repository.Files(folder, "*.csproj"))
            .SelectMany(path => XDocument.Load(path).Descendants("PackageReference"));

        Assert.DoesNotContain(references, reference => reference.Attribute("Version") is not null);
    }
}
