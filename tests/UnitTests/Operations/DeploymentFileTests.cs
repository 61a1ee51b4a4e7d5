using System.Text.RegularExpressions;
using VertFed.UnitTests.Cli;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;
using Xunit;

namespace VertFed.UnitTests.Operations;

/// <summary>deploy/ names programs, options, configuration files and documents that there are. Neither systemd nor a container engine is needed.</summary>
public sealed partial class DeploymentFileTests
{
    // Sections and keys that the units use, by systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.resource-control(5), systemd.kill(5).
    private static readonly Dictionary<string, string[]> Known = new(StringComparer.Ordinal)
    {
        ["Unit"] = ["Description", "Documentation", "After", "Wants"],
        ["Service"] =
        [
            "Type", "NotifyAccess", "User", "Group", "ExecStart", "ExecReload", "LoadCredential", "TimeoutStopSec", "TimeoutStartSec", "SuccessExitStatus", "Restart", "RestartSec",
            "RestartPreventExitStatus", "StateDirectory", "StateDirectoryMode", "UMask", "LimitCORE", "LimitNOFILE", "MemoryMax", "NoNewPrivileges", "ProtectSystem",
            "ProtectHome", "ProtectClock", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectControlGroups", "ProtectProc",
            "PrivateTmp", "PrivateDevices", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality", "CapabilityBoundingSet",
            "AmbientCapabilities", "SystemCallArchitectures", "SystemCallFilter",
        ],
        ["Install"] = ["WantedBy"],
    };

    public static TheoryData<string> Units => new("deploy/systemd/vertfed-coordinator.service", "deploy/systemd/vertfed-party@.service");

    [Theory]
    [MemberData(nameof(Units))]
    public void A_unit_has_known_keys_and_starts_a_program_that_is_published(string file)
    {
        List<(string Section, string Key, string Value)> entries = Parse(file);

        Assert.Empty(entries.Where(entry => !Known[entry.Section].Contains(entry.Key)).Select(entry => entry.Key));
        RequireCommand(Single("ExecStart"));
        Assert.Equal("notify", Single("Type"));
        Assert.Equal("/bin/kill -HUP $MAINPID", Single("ExecReload"));
        Assert.Equal("on-failure", Single("Restart"));
        Assert.Equal("strict", Single("ProtectSystem"));
        Assert.Equal("yes", Single("NoNewPrivileges"));
        Assert.Equal("0700", Single("StateDirectoryMode"));
        Assert.NotEqual("root", Single("User"));
        string documentation = Single("Documentation");
        Assert.True(File.Exists(Checkout.PathOf(documentation["file:///opt/vertfed/".Length..])), documentation);

        string Single(string key) => entries.Single(entry => entry.Key == key).Value;
    }

    [Fact]
    public void The_compose_file_is_yaml_and_its_services_start_programs_that_the_image_holds()
    {
        YamlMappingNode root = Load("deploy/compose/compose.yaml");
        string image = Checkout.Read("deploy/compose/Containerfile");
        foreach ((YamlNode name, YamlNode service) in (YamlMappingNode)root["services"])
        {
            string[] command = [.. ((YamlSequenceNode)service["command"]).Select(word => ((YamlScalarNode)word).Value!)];
            RequireCommand("/usr/bin/dotnet " + string.Join(' ', command));
            string program = command[0].Split('/')[3];
            Assert.Contains($"-o /out/{program}", image, StringComparison.Ordinal);
            string[] volumes = [.. ((YamlSequenceNode)service["volumes"]).Select(volume => ((YamlScalarNode)volume).Value!)];
            Assert.Contains(volumes, volume => volume.EndsWith(":/etc/vertfed:ro", StringComparison.Ordinal));
            string data = volumes.Single(volume => volume.EndsWith(":/var/lib/vertfed", StringComparison.Ordinal)).Split(':')[0];
            Assert.True(((YamlMappingNode)root["volumes"]).Children.ContainsKey(data), $"{name}: {data}");
        }

        YamlNode hardened = root["x-hardened"];
        Assert.Equal("true", ((YamlScalarNode)hardened["read_only"]).Value);
        Assert.Equal("ALL", ((YamlScalarNode)hardened["cap_drop"][0]).Value);
    }

    [Fact]
    public void The_image_publishes_projects_that_there_are_as_another_user_than_root()
    {
        string image = Checkout.Read("deploy/compose/Containerfile");
        string[] projects = [.. Published().Matches(image).Select(match => match.Groups[1].Value)];

        Assert.Equal(3, projects.Length);
        Assert.All(projects, project => Assert.True(File.Exists(Checkout.PathOf(project)), project));
        Assert.Matches(@"(?m)^USER \$APP_UID$", image);
        Assert.All(Published().Matches(Checkout.Read("docs/runbook.md")).Select(match => match.Groups[1].Value), project => Assert.Contains(project, projects));
    }

    /// <summary>The compose file mounts ./etc, where keys lie: neither the build of the image nor a commit takes them along.</summary>
    [Theory]
    [InlineData(".dockerignore")]
    [InlineData(".containerignore")]
    [InlineData(".gitignore")]
    public void The_folder_of_keys_is_left_out_of_images_and_commits(string file)
    {
        string[] lines = Checkout.Read(file).ReplaceLineEndings("\n").Split('\n');
        Assert.Contains("deploy/compose/etc/", lines);
        Assert.DoesNotContain(lines, line => line.StartsWith('!'));
    }

    [Fact]
    public void The_check_of_yaml_finds_a_broken_file() => Assert.ThrowsAny<YamlException>(() => Read("a: {b: 1"));

    private static void RequireCommand(string command)
    {
        Match match = Command().Match(command);
        Assert.True(match.Success, command);
        Assert.True(File.Exists(Checkout.PathOf($"src/{match.Groups[1].Value}/{match.Groups[1].Value}.csproj")), command);
        Assert.Equal($"VertFed.{match.Groups[1].Value}.dll", match.Groups[2].Value);
    }

    private static List<(string Section, string Key, string Value)> Parse(string file)
    {
        string section = "";
        List<(string Section, string Key, string Value)> entries = [];
        foreach (string line in Checkout.Read(file).Split('\n').Where(line => line.Length > 0 && line[0] != '#'))
        {
            if (line.StartsWith('['))
            {
                section = line.Trim('[', ']', '\r');
                continue;
            }

            int equals = line.IndexOf('=', StringComparison.Ordinal);
            Assert.True(equals > 0, $"{file}: {line}");
            entries.Add((section, line[..equals], line[(equals + 1)..].Trim()));
        }

        return entries;
    }

    private static YamlMappingNode Load(string file) => Read(Checkout.Read(file));

    private static YamlMappingNode Read(string text)
    {
        var yaml = new YamlStream();
        yaml.Load(new MergingParser(new Parser(new StringReader(text))));
        return (YamlMappingNode)yaml.Documents[0].RootNode;
    }

    [GeneratedRegex(@"^/usr/bin/dotnet /opt/vertfed/(\w+)/(VertFed\.\w+\.dll) --config /etc/vertfed/[\w%]+\.yaml$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Command();

    [GeneratedRegex(@"dotnet publish (src/\w+/\w+\.csproj)", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Published();
}
